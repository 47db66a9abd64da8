#include "lifecycle-svc/access/api_keys.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/alloc.h"
#include "shared/base/digest.h"
#include "shared/base/file.h"

enum { MAX_FILE_BYTES = 64 << 10 };

static const char KEY_VARIABLE[] = "OPENSANDBOX_SERVER_API_KEY";
static const char BLANKS[] = " \t\r\n";

struct api_keys {
    struct digest *digests;
    size_t count;
};

static void wipe(char *text, size_t length)
{
    if (text)
        explicit_bzero(text, length);
}

/* One line or variable; blank ones are none. */
static int add_key(struct api_keys *keys, const char *text, size_t length, const char *where,
                   struct error *err)
{
    while (length > 0 && strchr(BLANKS, text[0])) {
        text++;
        length--;
    }
    while (length > 0 && strchr(BLANKS, text[length - 1]))
        length--;
    if (length == 0)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (strchr(BLANKS, text[i])) /* also finds NUL */
            return error_set(err, ERR_INVALID, "%s: an API key has no blanks inside; want one key a line",
                             where);
    keys->digests = xrealloc_array(keys->digests, keys->count + 1, sizeof(*keys->digests));
    keys->digests[keys->count++] = digest_of(text, length);
    return 0;
}

static int add_file(struct api_keys *keys, const char *path, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    int added = file_read(path, MAX_FILE_BYTES, &text, err);

    if (added < 0)
        (void)error_wrap(err, "reading the API keys");
    for (size_t at = 0; added == 0 && at < text.length;) {
        const char *line = text.bytes + at;
        const char *end = memchr(line, '\n', text.length - at);
        size_t length = end ? (size_t)(end - line) : text.length - at;

        if (line[0] != '#')
            added = add_key(keys, line, length, path, err);
        at += length + 1;
    }
    wipe(text.bytes, text.capacity);
    strbuf_done(&text);
    return added;
}

int api_keys_load(const char *file, struct api_keys **ret_keys, struct error *err)
{
    SCOPED(api_keys) struct api_keys *keys = xcalloc(1, sizeof(*keys));
    char *variable = getenv(KEY_VARIABLE);

    if (variable) {
        int added = add_key(keys, variable, strlen(variable), KEY_VARIABLE, err);
        wipe(variable, strlen(variable)); /* /proc/<pid>/environ shows it otherwise */
        if (added < 0)
            return -1;
    } else if (file && *file && add_file(keys, file, err) < 0) {
        return -1;
    }
    *ret_keys = TAKE(keys);
    return 0;
}

void api_keys_free(struct api_keys *keys)
{
    if (!keys)
        return;
    free(keys->digests);
    free(keys);
}

bool api_keys_empty(const struct api_keys *keys)
{
    return keys->count == 0;
}

/* Looks at every byte whatever it finds (OpenSSL's CRYPTO_memcmp would do; its headers take our error names).
 */
static int same_bytes(const struct digest *a, const struct digest *b)
{
    unsigned difference = 0;

    for (size_t i = 0; i < sizeof(a->bytes); i++)
        difference |= (unsigned)(a->bytes[i] ^ b->bytes[i]);
    return difference == 0;
}

int api_keys_check(const struct api_keys *keys, const char *presented, struct error *err)
{
    int matches = 0;

    if (keys->count == 0)
        return 0;
    if (!presented || !*presented)
        return refuse(err, CODE_MISSING_API_KEY,
                      "API key is missing: send it in the header OPEN-SANDBOX-API-KEY");
    struct digest digest = digest_of(presented, strlen(presented));
    for (size_t i = 0; i < keys->count; i++) /* all of them, so that time tells nothing */
        matches |= same_bytes(&digest, &keys->digests[i]);
    explicit_bzero(&digest, sizeof(digest));
    if (!matches)
        return refuse(err, CODE_INVALID_API_KEY, "API key is invalid");
    return 0;
}
