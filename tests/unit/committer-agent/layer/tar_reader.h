/* tar_reader.h - reads a PAX tar back, for tests: written from the specification, sharing nothing with the
 * writer. Fails the test on anything that is not well-formed, checksums included. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct tar_member_xattr {
    char *name;
    const unsigned char *value; /* in the archive */
    size_t value_length;
};

struct tar_member {
    char type;
    char *path, *target;
    unsigned mode;
    uint64_t uid, gid, size_bytes;
    struct timespec mtime;
    unsigned device_major, device_minor;
    struct tar_member_xattr xattrs[64];
    size_t xattr_count;
    const unsigned char *content; /* in the archive */
};

struct tar_archive {
    struct tar_member *members;
    size_t count;
};

/* bytes must outlive the archive. */
void tar_archive_read(struct tar_archive *archive, const unsigned char *bytes, size_t length);
void tar_archive_done(struct tar_archive *archive);
#define SCOPED_TAR_ARCHIVE __attribute__((cleanup(tar_archive_done)))

/* NULL: no member of that path. */
const struct tar_member *tar_archive_find(const struct tar_archive *archive, const char *path);
