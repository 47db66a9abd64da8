/* Feeds every file of a folder to the fuzz target it is linked with, and reports as CMocka does: the corpus is a
 * regression test wherever there is no libFuzzer. A target that finds something ends the process. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

#include "shared/base/file.h"

enum { INPUT_MAX_BYTES = 1 << 20 };

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int replay(const char *path, struct error *err)
{
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;

    if (file_read(path, INPUT_MAX_BYTES, &bytes, err) < 0)
        return -1;
    uint8_t *exact = malloc(bytes.length ? bytes.length : 1); /* its end is the end of the input */
    if (!exact)
        return error_set(err, ERR_EXHAUSTED, "no memory for %s", path);
    memcpy(exact, strbuf_text(&bytes), bytes.length);
    (void)LLVMFuzzerTestOneInput(exact, bytes.length); /* always 0 */
    free(exact);
    return 0;
}

static int replay_folder(const char *folder, struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++) {
        SCOPED(string) char *path = xasprintf("%s/%s", folder, entries[i]->d_name);
        struct error err = {0};

        (void)fprintf(stderr, "[ RUN      ] %s\n", entries[i]->d_name);
        if (replay(path, &err) < 0) {
            (void)fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    }
    (void)fprintf(stderr, "[  PASSED  ] %d test(s).\n", count);
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int count = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;

    if (count <= 0) {
        (void)fprintf(stderr, "usage: %s FOLDER, with at least one input in it\n", argv[0]);
        return 2;
    }
    int result = replay_folder(argv[1], entries, count);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return result;
}
