#include "shared/json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

/* jansson adds ` near '...'` with bytes of the document, which may be a Secret. */
static int length_without_excerpt(const char *message)
{
    const char *excerpt = strstr(message, " near ");
    return (int)(excerpt ? (size_t)(excerpt - message) : strlen(message));
}

int json_parse(const char *text, size_t length, const char *what, json_t **ret_doc, struct error *err)
{
    json_error_t at;
    json_t *doc = json_loadb(text ? text : "", length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);

    if (!doc)
        return error_set(err, ERR_INVALID, "%s%sline %d column %d: %.*s", what, *what ? ": " : "", at.line,
                         at.column, length_without_excerpt(at.text), at.text);
    *ret_doc = doc;
    return 0;
}

static char *text_of(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | flags);
    if (!text) { /* out of memory, or a value that contains itself: neither can be reported as data */
        (void)fputs("fatal: cannot write a JSON value\n", stderr);
        abort();
    }
    return text;
}

char *json_text(const json_t *value)
{
    return text_of(value, 0);
}

char *json_canonical(const json_t *value)
{
    return text_of(value, JSON_SORT_KEYS);
}

json_t *json_path(const json_t *object, const char *path)
{
    SCOPED(string) char *walk = xstrdup(path);
    const json_t *here = object;
    char *rest = walk;

    while (rest && here)
        here = json_object_get(here, strsep(&rest, "."));
    return (json_t *)here;
}

const char *json_path_string(const json_t *object, const char *path)
{
    return json_string_value(json_path(object, path));
}
