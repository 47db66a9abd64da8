#include "committer-agent/layer/tar.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "shared/base/utf8.h"

/* clang-format off */
struct ustar_header {
    char name[100];
    char mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8];
    char type;
    char target[100];
    char magic[6], version[2];
    char user_name[32], group_name[32];
    char device_major[8], device_minor[8];
    char prefix[155];
    char padding[12];
};
/* clang-format on */
_Static_assert(sizeof(struct ustar_header) == TAR_BLOCK_BYTES, "a header is one block");

#define OCTAL_7_MAX  07777777U
#define OCTAL_11_MAX 077777777777ULL

static const char zero_block[TAR_BLOCK_BYTES];

struct tar_writer {
    struct byte_sink sink;
    uint64_t content_left; /* bytes of content still owed for the last entry */
    size_t padding;        /* bytes that fill its last block */
    struct strbuf path;    /* of the current entry, with a directory's slash */
    struct strbuf records; /* its extended header */
};

struct tar_writer *tar_writer_new(struct byte_sink sink)
{
    struct tar_writer *tar = xcalloc(1, sizeof(*tar));
    tar->sink = sink;
    return tar;
}

void tar_writer_free(struct tar_writer *tar)
{
    if (!tar)
        return;
    strbuf_done(&tar->path);
    strbuf_done(&tar->records);
    free(tar);
}

bool tar_xattr_name_fits(const char *name)
{
    return !strchr(name, '=');
}

static int put(struct tar_writer *tar, const void *bytes, size_t length, struct error *err)
{
    return length ? tar->sink.write(tar->sink.arg, bytes, length, err) : 0;
}

static size_t padding_after(uint64_t length)
{
    return (size_t)(-length % TAR_BLOCK_BYTES);
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

static bool is_utf8(const char *text)
{
    for (size_t length = strlen(text), step; length > 0; text += step, length -= step) {
        step = utf8_char_length(text, length);
        if (step == 0)
            return false;
    }
    return true;
}

/* "<length> <key>=<value>\n", where length counts itself too. */
static void add_record(struct strbuf *records, const char *prefix, const char *key, const void *value,
                       size_t value_length)
{
    size_t rest = 1 + strlen(prefix) + strlen(key) + 1 + value_length + 1, length = rest + 1;

    for (size_t digits = 1, limit = 10; length >= limit; limit *= 10)
        length = rest + ++digits;
    (void)strbuf_addf(records, "%zu %s%s=", length, prefix, key); /* no limit is set, so appends succeed */
    (void)strbuf_append(records, value, value_length);
    (void)strbuf_addc(records, '\n');
}

static void add_text_record(struct strbuf *records, const char *key, const char *value)
{
    add_record(records, "", key, value, strlen(value));
}

static void add_number_record(struct strbuf *records, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    add_text_record(records, key, text);
}

/* Decimal seconds; a time before the epoch is written by its distance, as readers expect: -1.25. */
static void add_time_record(struct strbuf *records, const char *key, struct timespec at)
{
    char text[40];
    bool negative = at.tv_sec < 0;
    uint64_t seconds = negative ? -(uint64_t)at.tv_sec : (uint64_t)at.tv_sec;
    long nanoseconds = at.tv_nsec;

    if (negative && nanoseconds) {
        seconds--;
        nanoseconds = 1000000000L - nanoseconds;
    }
    int length =
        snprintf(text, sizeof(text), "%s%" PRIu64 ".%09ld", negative ? "-" : "", seconds, nanoseconds);
    while (text[length - 1] == '0')
        length--;
    if (text[length - 1] == '.')
        length--;
    add_record(records, "", key, text, (size_t)length);
}

static bool time_fits(struct timespec at)
{
    return at.tv_nsec == 0 && at.tv_sec >= 0 && (uint64_t)at.tv_sec <= OCTAL_11_MAX;
}

/* Where to cut path so that the parts fit prefix and name; NULL: nowhere. */
static const char *ustar_cut(const char *path, size_t length)
{
    const struct ustar_header *header = NULL;

    if (length > sizeof(header->prefix) + 1 + sizeof(header->name))
        return NULL;
    const char *earliest = path + length - sizeof(header->name) - 1;
    for (const char *slash = strchr(earliest, '/'); slash; slash = strchr(slash + 1, '/'))
        if (slash[1] != '\0' && slash > path && (size_t)(slash - path) <= sizeof(header->prefix))
            return slash;
    return NULL;
}

/* For readers without PAX: what fits, in ASCII. */
static void fill_lossy(char *field, size_t size, const char *text)
{
    for (size_t i = 0; i < size && text[i]; i++)
        field[i] = (unsigned char)text[i] < 0x80 ? text[i] : '_';
}

/* Answers false when the path needs a record. */
static bool fill_path(struct ustar_header *header, const struct strbuf *path)
{
    const char *text = strbuf_text(path);
    if (!is_ascii(text))
        return false;
    if (path->length <= sizeof(header->name)) {
        memcpy(header->name, text, path->length);
        return true;
    }
    const char *cut = ustar_cut(text, path->length);
    if (!cut)
        return false;
    memcpy(header->prefix, text, (size_t)(cut - text));
    memcpy(header->name, cut + 1, path->length - (size_t)(cut + 1 - text));
    return true;
}

static bool fill_target(struct ustar_header *header, const char *target)
{
    size_t length = strlen(target);
    if (length > sizeof(header->target) || !is_ascii(target))
        return false;
    memcpy(header->target, target, length);
    return true;
}

/* Zero-filled octal with a NUL behind it, in a field of the given width. */
static void fill_octal(char *field, size_t width, uint64_t value)
{
    field[width - 1] = '\0';
    for (size_t i = width - 1; i-- > 0; value >>= 3)
        field[i] = (char)('0' + (value & 7));
}

#define FILL_OCTAL(header, field, value) fill_octal((header)->field, sizeof((header)->field), value)

/* Numbers that do not fit are 0 here and right in their record. */
static void fill_numbers(struct ustar_header *header, const struct tar_entry *entry)
{
    FILL_OCTAL(header, mode, entry->mode & 07777);
    FILL_OCTAL(header, uid, entry->uid <= OCTAL_7_MAX ? entry->uid : 0);
    FILL_OCTAL(header, gid, entry->gid <= OCTAL_7_MAX ? entry->gid : 0);
    FILL_OCTAL(header, size, entry->size_bytes <= OCTAL_11_MAX ? entry->size_bytes : 0);
    bool seconds_fit = entry->mtime.tv_sec >= 0 && (uint64_t)entry->mtime.tv_sec <= OCTAL_11_MAX;
    FILL_OCTAL(header, mtime, seconds_fit ? (uint64_t)entry->mtime.tv_sec : 0);
    FILL_OCTAL(header, device_major, entry->device_major);
    FILL_OCTAL(header, device_minor, entry->device_minor);
}

static void seal_header(struct ustar_header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    unsigned sum = 0;

    memcpy(header->magic, "ustar", sizeof(header->magic));
    memcpy(header->version, "00", sizeof(header->version));
    memset(header->checksum, ' ', sizeof(header->checksum));
    for (size_t i = 0; i < sizeof(*header); i++)
        sum += bytes[i];
    fill_octal(header->checksum, 7, sum); /* six digits, NUL, space: what every tar writes here */
}

/* Fills the header and collects in tar->records what it cannot hold. */
static void describe(struct tar_writer *tar, const struct tar_entry *entry, struct ustar_header *header)
{
    struct strbuf *records = &tar->records;
    const char *path = strbuf_text(&tar->path), *target = entry->target ? entry->target : "";
    bool path_fits = fill_path(header, &tar->path), target_fits = fill_target(header, target);

    header->type = (char)entry->type;
    fill_numbers(header, entry);
    if ((!path_fits && !is_utf8(path)) || (!target_fits && !is_utf8(target)))
        add_text_record(records, "hdrcharset", "BINARY"); /* before the records it speaks about */
    if (!path_fits) {
        fill_lossy(header->name, sizeof(header->name), path);
        add_text_record(records, "path", path);
    }
    if (!target_fits) {
        fill_lossy(header->target, sizeof(header->target), target);
        add_text_record(records, "linkpath", target);
    }
    if (entry->size_bytes > OCTAL_11_MAX)
        add_number_record(records, "size", entry->size_bytes);
    if (entry->uid > OCTAL_7_MAX)
        add_number_record(records, "uid", entry->uid);
    if (entry->gid > OCTAL_7_MAX)
        add_number_record(records, "gid", entry->gid);
    if (!time_fits(entry->mtime))
        add_time_record(records, "mtime", entry->mtime);
    for (size_t i = 0; i < entry->xattr_count; i++)
        add_record(records, "SCHILY.xattr.", entry->xattrs[i].name, entry->xattrs[i].value,
                   entry->xattrs[i].value_length);
}

static int put_extended(struct tar_writer *tar, struct error *err)
{
    size_t length = tar->records.length;
    struct ustar_header header = {.name = "PaxHeaders.0/entry", .type = 'x'};
    const struct tar_entry attributes = {.mode = 0644, .size_bytes = length};

    fill_numbers(&header, &attributes);
    seal_header(&header);
    if (put(tar, &header, sizeof(header), err) < 0 || put(tar, strbuf_text(&tar->records), length, err) < 0)
        return -1;
    return put(tar, zero_block, padding_after(length), err);
}

int tar_writer_entry(struct tar_writer *tar, const struct tar_entry *entry, struct error *err)
{
    struct ustar_header header = {0};

    assert(tar->content_left == 0);
    assert(entry->type == TAR_FILE || entry->size_bytes == 0);
    strbuf_reset(&tar->path);
    strbuf_reset(&tar->records);
    (void)strbuf_adds(&tar->path, entry->path);
    if (entry->type == TAR_DIRECTORY)
        (void)strbuf_addc(&tar->path, '/');
    describe(tar, entry, &header);
    if (tar->records.length > TAR_EXTENDED_MAX_BYTES)
        return error_set(err, ERR_INVALID, "tar: extended header of %zu bytes, readers accept %zu",
                         tar->records.length, TAR_EXTENDED_MAX_BYTES);

    if (put(tar, zero_block, tar->padding, err) < 0)
        return -1;
    tar->padding = 0;
    if (tar->records.length && put_extended(tar, err) < 0)
        return -1;
    seal_header(&header);
    if (put(tar, &header, sizeof(header), err) < 0)
        return -1;
    tar->content_left = entry->size_bytes;
    tar->padding = padding_after(entry->size_bytes);
    return 0;
}

int tar_writer_content(struct tar_writer *tar, const void *bytes, size_t length, struct error *err)
{
    tar_writer_content_passed(tar, length);
    return put(tar, bytes, length, err);
}

void tar_writer_content_passed(struct tar_writer *tar, uint64_t length)
{
    assert(length <= tar->content_left);
    tar->content_left -= length;
}

int tar_writer_finish(struct tar_writer *tar, struct error *err)
{
    assert(tar->content_left == 0);
    if (put(tar, zero_block, tar->padding, err) < 0 || put(tar, zero_block, sizeof(zero_block), err) < 0)
        return -1;
    tar->padding = 0;
    return put(tar, zero_block, sizeof(zero_block), err);
}
