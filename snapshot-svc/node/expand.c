#include "snapshot-svc/node/expand.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"

/* text is just behind "$(". Answers what comes after the reference, or NULL: it has no end. */
static const char *add_reference(struct strbuf *out, const char *text, const struct json_map *variables)
{
    const char *end = strchr(text, ')');

    if (!end)
        return NULL;
    SCOPED(string) char *name = xstrndup(text, (size_t)(end - text));
    const char *value = json_map_get(variables, name);
    if (value)
        strbuf_adds(out, value);
    else
        strbuf_addf(out, "$(%s)", name);
    return end + 1;
}

char *expand(const char *text, const struct json_map *variables)
{
    struct strbuf out = STRBUF_INIT;

    while (*text) {
        const char *rest = text[0] == '$' && text[1] == '(' ? add_reference(&out, text + 2, variables) : NULL;
        if (rest) {
            text = rest;
            continue;
        }
        strbuf_addc(&out, *text);
        text += text[0] == '$' && text[1] == '$' ? 2 : 1;
    }
    return strbuf_take(&out);
}
