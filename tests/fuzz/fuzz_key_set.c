/* The file of API keys: it is refused without a word of it in the text, or each line's key is found by its name and nothing
 * else is. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/access/key_set.h"

/* The key of a line as key_set.h tells it: its last word. NULL: the line does not count. */
static char *key_of(char *line)
{
    char *rest = NULL, *word = strtok_r(line, " \t\r", &rest), *second;

    if (!word || *word == '#')
        return NULL;
    second = strtok_r(NULL, " \t\r", &rest);
    return second ? second : word;
}

static void check_found(const struct key_set *set, char *text)
{
    for (char *line; (line = fuzz_line(&text));) {
        const char *key = key_of(line);
        const char *name = key ? key_set_find(set, key) : NULL;
        FUZZ_CHECK(!key || (name && *name && strlen(name) < KEY_NAME_SIZE));
    }
    FUZZ_CHECK(!key_set_find(set, ""));
}

static void check_silence(const struct error *err, const char *text)
{
    enum { SECRET_LENGTH = 12 }; /* shorter words may stand in any text */
    SCOPED(string) char *copy = xstrdup(text);
    char *rest = NULL;

    FUZZ_CHECK(err->code == ERR_INVALID && strstr(err->text, "keys.txt"));
    for (char *word = strtok_r(copy, " \t\r\n", &rest); word; word = strtok_r(NULL, " \t\r\n", &rest))
        FUZZ_CHECK(strlen(word) < SECRET_LENGTH || !strstr(err->text, word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    SCOPED(key_set) struct key_set *set = NULL;
    struct error err = {0};

    if (key_set_parse((const char *)data, size, "keys.txt", &set, &err) < 0)
        check_silence(&err, text);
    else if (strlen(text) == size)
        check_found(set, text);
    return 0;
}
