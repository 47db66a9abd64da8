#include "committer-agent/commit/tar_entries.h"

#include <string.h>

enum { SIZE_AT = 124, SIZE_LENGTH = 12, TYPE_AT = 156, MAGIC_AT = 257 };

static const uint64_t size_max = (uint64_t)1 << 62; /* so that padding cannot overflow */

void tar_entries_done(struct tar_entries *entries)
{
    strbuf_done(&entries->pax);
}

static int bad(struct error *err, const char *what)
{
    return error_set(err, ERR_CORRUPT, "reading a layer tar: %s", what);
}

static uint64_t padded(uint64_t size)
{
    return (size + TAR_BLOCK_BYTES - 1) / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES;
}

static int read_base_256(const unsigned char *field, uint64_t *ret_size, struct error *err)
{
    uint64_t size = field[0] & 0x7f;

    for (int i = 1; i < SIZE_LENGTH; i++) {
        if (size >= size_max >> 8)
            return bad(err, "an entry has an absurd size");
        size = size << 8 | field[i];
    }
    *ret_size = size;
    return 0;
}

static int read_octal(const unsigned char *field, uint64_t *ret_size, struct error *err)
{
    uint64_t size = 0;
    int i = 0;

    while (i < SIZE_LENGTH && field[i] == ' ')
        i++;
    for (; i < SIZE_LENGTH && field[i] != ' ' && field[i] != '\0'; i++) {
        if (field[i] < '0' || field[i] > '7')
            return bad(err, "want an octal size");
        size = size * 8 + (uint64_t)(field[i] - '0');
    }
    *ret_size = size;
    return 0;
}

static int read_decimal(const char *text, size_t length, uint64_t *ret_value, struct error *err)
{
    uint64_t value = 0;

    if (length == 0 || length > 18)
        return bad(err, "a PAX header has a number out of range");
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return bad(err, "a PAX header has no number where one is wanted");
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_value = value;
    return 0;
}

/* "<length of all of it> <key>=<value>\n" ...: only "size" counts. */
static int read_pax(struct tar_entries *entries, struct error *err)
{
    const char *at = strbuf_text(&entries->pax), *end = at + entries->pax.length;

    while (at < end) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        uint64_t length = 0;
        if (!space || read_decimal(at, (size_t)(space - at), &length, err) < 0)
            return bad(err, "a PAX header has no length");
        if (length > (uint64_t)(end - at) || at + length <= space + 1)
            return bad(err, "a PAX record has a wrong length");
        const char *value = space + 1 + strlen("size="), *newline = at + length - 1;
        if (value <= newline && strncmp(space + 1, "size=", strlen("size=")) == 0) {
            if (read_decimal(value, (size_t)(newline - value), &entries->next_size, err) < 0)
                return -1;
            entries->has_next_size = 1;
        }
        at += length;
    }
    strbuf_reset(&entries->pax);
    return 0;
}

static bool is_zero(const unsigned char *block)
{
    for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
        if (block[i])
            return false;
    return true;
}

static int read_header(struct tar_entries *entries, struct error *err)
{
    const unsigned char *header = entries->header;
    uint64_t size = 0;

    if (is_zero(header))
        return 0; /* the end has two of these */
    if (memcmp(header + MAGIC_AT, "ustar", strlen("ustar")) != 0)
        return bad(err, "want a ustar header");
    int result = header[SIZE_AT] & 0x80 ? read_base_256(header + SIZE_AT, &size, err)
                                        : read_octal(header + SIZE_AT, &size, err);
    if (result < 0)
        return -1;
    char type = (char)header[TYPE_AT];
    if (type == 'x') {
        if (size > TAR_PAX_MAX_BYTES)
            return bad(err, "a PAX header is too large");
        entries->pax_left = (size_t)size;
        entries->pass_over = padded(size) - size;
        return 0;
    }
    bool extends = type == 'g' || type == 'L' || type == 'K';
    if (!extends) {
        entries->count++;
        if (entries->has_next_size)
            size = entries->next_size;
        entries->has_next_size = 0;
    }
    /* Whatever a link's or a folder's header says, no content follows it. */
    bool has_content = extends || type == '0' || type == '\0' || type == '7';
    entries->pass_over = has_content ? padded(size) : 0;
    return 0;
}

static size_t least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

/* How many of the bytes belong to what is being read now. */
static int take(struct tar_entries *entries, const unsigned char *bytes, size_t length, size_t *ret_taken,
                struct error *err)
{
    if (entries->pax_left) {
        size_t part = least(entries->pax_left, length);
        (void)strbuf_append(&entries->pax, bytes, part); /* unbounded buffer, bounded above */
        entries->pax_left -= part;
        *ret_taken = part;
        return entries->pax_left ? 0 : read_pax(entries, err);
    }
    if (entries->pass_over) {
        size_t part = least(entries->pass_over, length);
        entries->pass_over -= part;
        *ret_taken = part;
        return 0;
    }
    size_t part = least(TAR_BLOCK_BYTES - entries->header_length, length);
    memcpy(entries->header + entries->header_length, bytes, part);
    entries->header_length += part;
    *ret_taken = part;
    if (entries->header_length < TAR_BLOCK_BYTES)
        return 0;
    entries->header_length = 0;
    return read_header(entries, err);
}

int tar_entries_add(struct tar_entries *entries, const void *bytes, size_t length, struct error *err)
{
    const unsigned char *at = bytes;

    while (length) {
        size_t taken = 0;
        if (take(entries, at, length, &taken, err) < 0)
            return -1;
        at += taken;
        length -= taken;
    }
    return 0;
}
