#include "shared/base/utf8.h"

#include <stdint.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/* The rows of table 3-7: a range of first bytes, the range of the second, and the length. */
static const struct {
    uint8_t first_from, first_to, second_from, second_to, length;
} rows[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

static bool in_range(uint8_t byte, uint8_t from, uint8_t to)
{
    return byte >= from && byte <= to;
}

size_t utf8_char_length(const char *text, size_t length)
{
    const uint8_t *at = (const uint8_t *)text;

    if (at[0] < 0x80)
        return 1;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        if (!in_range(at[0], rows[r].first_from, rows[r].first_to))
            continue;
        if (length < rows[r].length || !in_range(at[1], rows[r].second_from, rows[r].second_to))
            return 0;
        for (size_t i = 2; i < rows[r].length; i++)
            if (!in_range(at[i], 0x80, 0xBF))
                return 0;
        return rows[r].length;
    }
    return 0;
}

size_t utf8_cut_length(const char *text, size_t length)
{
    for (size_t back = 1; back <= 4 && back <= length; back++) {
        const char *at = text + length - back;
        if (in_range((uint8_t)*at, 0x80, 0xBF))
            continue; /* inside a character: its first byte is further left */
        return utf8_char_length(at, back) ? length : length - back;
    }
    return length;
}

void utf8_append_clean(struct strbuf *out, const char *text, size_t length)
{
    for (size_t at = 0, step; at < length; at += step) {
        size_t known = utf8_char_length(text + at, length - at);
        step = known ? known : 1;
        if (known)
            (void)strbuf_append(out, text + at, known); /* a limit is the caller's choice */
        else
            (void)strbuf_adds(out, REPLACEMENT);
    }
}
