#include "shared/rpc/text_priv.h"

#include <string.h>

#include "shared/base/utf8.h"

bool rpc_text_valid(const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t step = utf8_char_length(text, left);
        if (step == 0)
            return false;
        text += step;
        left -= step;
    }
    return true;
}

void rpc_text_copy(char *out, size_t size, const char *text, size_t length)
{
    size_t used = 0;

    for (size_t at = 0; at < length;) {
        size_t step = text[at] ? utf8_char_length(text + at, length - at) : 0;
        size_t width = step ? step : 1;
        if (used + width >= size)
            break;
        if (step)
            memcpy(out + used, text + at, step);
        else
            out[used] = '?';
        used += width;
        at += width;
    }
    out[used] = '\0';
}
