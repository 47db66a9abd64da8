#include "shared/http/form.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that an escape at text stands for; 0 when there is none to decode. */
static char escaped_byte(const char *text)
{
    if (text[0] != '%')
        return 0;
    int high = hex_value(text[1]);
    int low = high < 0 ? -1 : hex_value(text[2]);

    return low < 0 ? 0 : (char)(high * 16 + low);
}

size_t form_decode(char *text, int plus_is_space)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        char byte = escaped_byte(in);

        if (byte) {
            *out++ = byte;
            in += 2;
        } else {
            *out++ = plus_is_space && *in == '+' ? ' ' : *in;
        }
    }
    *out = '\0';
    return (size_t)(out - text);
}

void form_each(const char *text, void (*each)(void *self, const char *name, const char *value), void *self)
{
    SCOPED(string)
    char *copy = xstrdup(text);
    char empty[] = "";

    for (char *next = copy, *segment; (segment = strsep(&next, "&"));) {
        if (!*segment)
            continue;
        char *value = strchr(segment, '=');
        if (value)
            *value++ = '\0';
        else
            value = empty;
        (void)form_decode(segment, 1);
        (void)form_decode(value, 1);
        each(self, segment, value);
    }
}
