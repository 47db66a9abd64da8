#include "shared/base/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t length, char *into)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t group = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)from[i + 2] : 0);
        *into++ = alphabet[group >> 18];
        *into++ = alphabet[group >> 12 & 63];
        *into++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *into++ = left > 2 ? alphabet[group & 63] : '=';
    }
    *into = '\0';
}

static int value_of(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

static size_t padding_of(const char *text, size_t length)
{
    if (length == 0 || text[length - 1] != '=')
        return 0;
    return text[length - 2] == '=' ? 2 : 1;
}

bool base64_decode(const char *text, size_t length, unsigned char *into, size_t *ret_length)
{
    size_t padding, used = 0;

    if (length % 4 != 0)
        return false;
    padding = padding_of(text, length);
    for (size_t i = 0; i < length; i += 4) {
        uint32_t group = 0;
        size_t pads = i + 4 == length ? padding : 0;
        for (size_t j = 0; j < 4; j++) {
            int value = j < 4 - pads ? value_of(text[i + j]) : 0;
            if (value < 0)
                return false;
            group = group << 6 | (uint32_t)value;
        }
        if (group & ((1u << (8 * pads)) - 1))
            return false; /* bits behind the end: another text stands for these bytes */
        for (size_t j = 0; j < 3 - pads; j++)
            into[used++] = (unsigned char)(group >> (16 - 8 * j));
    }
    into[used] = '\0';
    *ret_length = used;
    return true;
}
