#include "tar_reader.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/testing.h"

#define BLOCK 512

static uint64_t octal(const unsigned char *field, size_t size)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        value = value * 8 + (uint64_t)(field[i] - '0');
    assert_true(i == size || field[i] == '\0' || field[i] == ' ');
    return value;
}

static char *text(const unsigned char *field, size_t size)
{
    char *copy = strndup((const char *)field, size);
    assert_non_null(copy);
    return copy;
}

static void check_header(const unsigned char *block)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : block[i];
    assert_int_equal(octal(block + 148, 8), sum);
    assert_memory_equal(block + 257,
                        "ustar\0"
                        "00",
                        8);
}

static void read_ustar(struct tar_member *member, const unsigned char *block)
{
    char *name = text(block, 100), *prefix = text(block + 345, 155);

    check_header(block);
    member->path = malloc(strlen(name) + strlen(prefix) + 2);
    assert_non_null(member->path);
    (void)sprintf(member->path, "%s%s%s", prefix, prefix[0] ? "/" : "", name);
    free(name);
    free(prefix);
    member->target = text(block + 157, 100);
    member->type = (char)block[156];
    member->mode = (unsigned)octal(block + 100, 8);
    member->uid = octal(block + 108, 8);
    member->gid = octal(block + 116, 8);
    member->size_bytes = octal(block + 124, 12);
    member->mtime.tv_sec = (time_t)octal(block + 136, 12);
    member->device_major = (unsigned)octal(block + 329, 8);
    member->device_minor = (unsigned)octal(block + 337, 8);
}

static struct timespec parse_time(const char *value)
{
    struct timespec at = {0};
    char *end;
    int64_t sign = value[0] == '-' ? -1 : 1;
    int64_t total_ns = 0;

    at.tv_sec = (time_t)strtoll(value, &end, 10);
    if (*end == '.') {
        int64_t unit = 100000000;
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
            total_ns += (*end - '0') * unit;
    }
    assert_true(*end == '\0');
    if (total_ns && sign < 0) {
        at.tv_sec--;
        total_ns = 1000000000 - total_ns;
    }
    at.tv_nsec = (long)total_ns;
    return at;
}

static void apply_record(struct tar_member *member, const char *key, const unsigned char *value,
                         size_t length)
{
    static const char xattr_prefix[] = "SCHILY.xattr.";
    char *copy = text(value, length);

    if (strcmp(key, "path") == 0 || strcmp(key, "linkpath") == 0) {
        char **slot = key[0] == 'p' ? &member->path : &member->target;
        assert_int_equal(strlen(copy), length);
        free(*slot);
        *slot = strdup(copy);
    } else if (strcmp(key, "size") == 0)
        member->size_bytes = strtoull(copy, NULL, 10);
    else if (strcmp(key, "uid") == 0)
        member->uid = strtoull(copy, NULL, 10);
    else if (strcmp(key, "gid") == 0)
        member->gid = strtoull(copy, NULL, 10);
    else if (strcmp(key, "mtime") == 0)
        member->mtime = parse_time(copy);
    else if (strncmp(key, xattr_prefix, sizeof(xattr_prefix) - 1) == 0) {
        assert_true(member->xattr_count < sizeof(member->xattrs) / sizeof(member->xattrs[0]));
        member->xattrs[member->xattr_count++] = (struct tar_member_xattr){
            .name = strdup(key + sizeof(xattr_prefix) - 1), .value = value, .value_length = length};
    } else
        assert_string_equal(key, "hdrcharset"); /* the only other one that may be there */
    free(copy);
}

static void apply_records(struct tar_member *member, const unsigned char *records, size_t length)
{
    while (length > 0) {
        char *end;
        size_t size = strtoull((const char *)records, &end, 10);
        assert_true(size <= length && *end == ' ' && records[size - 1] == '\n');
        const char *key_at = end + 1, *equals = memchr(key_at, '=', length);
        assert_non_null(equals);
        char *key = strndup(key_at, (size_t)(equals - key_at));
        const unsigned char *value = (const unsigned char *)equals + 1;
        apply_record(member, key, value, (size_t)(records + size - 1 - value));
        free(key);
        records += size;
        length -= size;
    }
}

static size_t blocks(uint64_t size_bytes)
{
    return (size_t)((size_bytes + BLOCK - 1) / BLOCK * BLOCK);
}

static bool is_zero_block(const unsigned char *block)
{
    static const unsigned char zeroes[BLOCK];
    return memcmp(block, zeroes, BLOCK) == 0;
}

void tar_archive_read(struct tar_archive *archive, const unsigned char *bytes, size_t length)
{
    size_t at = 0, room = 0;

    *archive = (struct tar_archive){0};
    assert_int_equal(length % BLOCK, 0);
    while (at < length && !is_zero_block(bytes + at)) {
        const unsigned char *records = NULL;
        size_t records_length = 0;
        if (bytes[at + 156] == 'x') {
            check_header(bytes + at);
            records = bytes + at + BLOCK;
            records_length = (size_t)octal(bytes + at + 124, 12);
            at += BLOCK + blocks(records_length);
        }
        if (archive->count == room) {
            room = room ? room * 2 : 16;
            archive->members = realloc(archive->members, room * sizeof(*archive->members));
            assert_non_null(archive->members);
        }
        struct tar_member *member = &archive->members[archive->count++];
        *member = (struct tar_member){0};
        assert_true(at + BLOCK <= length);
        read_ustar(member, bytes + at);
        apply_records(member, records, records_length);
        at += BLOCK;
        member->content = bytes + at;
        at += blocks(member->size_bytes);
    }
    assert_int_equal(at + 2 * BLOCK, length);
    assert_true(is_zero_block(bytes + at) && is_zero_block(bytes + at + BLOCK));
}

void tar_archive_done(struct tar_archive *archive)
{
    for (size_t i = 0; i < archive->count; i++) {
        struct tar_member *member = &archive->members[i];
        for (size_t x = 0; x < member->xattr_count; x++)
            free(member->xattrs[x].name);
        free(member->path);
        free(member->target);
    }
    free(archive->members);
}

const struct tar_member *tar_archive_find(const struct tar_archive *archive, const char *path)
{
    for (size_t i = 0; i < archive->count; i++)
        if (strcmp(archive->members[i].path, path) == 0)
            return &archive->members[i];
    return NULL;
}
