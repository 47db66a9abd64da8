/* tar.h - writes a PAX tar into a byte sink.
 *
 *   tar_writer_entry()  header, with an extended header before it only where ustar's fields are too small:
 *                       path or link target beyond the ustar fields or outside ASCII, sub-second, negative
 *                       or far mtime, size from 8 GiB, ids from 2^21, extended attributes
 *   tar_writer_content() ...  exactly size_bytes of it, for a TAR_FILE
 *   tar_writer_finish() two blocks of zeroes
 *
 * The same entries give the same bytes. Names of any bytes but NUL are carried: those that are not UTF-8
 * bring "hdrcharset=BINARY" with them. Names of owners are not written; numbers decide.
 * Written for Go's archive/tar (containerd, skopeo, umoci), libarchive, GNU tar, Python's tarfile.
 * Spec: POSIX.1-2017 pax "Interchange Format"; OCI image-spec layer.md; SCHILY.xattr from star(1).
 * Threads: a writer belongs to one thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "committer-agent/layer/sink.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"

#define TAR_BLOCK_BYTES 512

/* Go's reader refuses an extended header larger than this. */
#define TAR_EXTENDED_MAX_BYTES ((size_t)1 << 20)

enum tar_type { /* the byte in the header */
                TAR_FILE = '0',
                TAR_HARD_LINK = '1',
                TAR_SYMLINK = '2',
                TAR_CHAR_DEVICE = '3',
                TAR_BLOCK_DEVICE = '4',
                TAR_DIRECTORY = '5',
                TAR_FIFO = '6',
};

struct tar_xattr {
    const char *name; /* without '=': a record ends its key there, see tar_xattr_name_fits() */
    const void *value;
    size_t value_length;
};

struct tar_entry { /* everything in it is borrowed for the call */
    enum tar_type type;
    const char *path;   /* relative, no trailing slash; "." is the root of the archive */
    const char *target; /* of a symlink as read, of a hard link a path in this archive; else NULL */
    unsigned mode;      /* permission, setuid, setgid and sticky bits */
    uint32_t uid, gid;
    uint64_t size_bytes; /* TAR_FILE only */
    struct timespec mtime;
    unsigned device_major, device_minor; /* devices only */
    const struct tar_xattr *xattrs;      /* written in this order */
    size_t xattr_count;
};

struct tar_writer;

struct tar_writer *tar_writer_new(struct byte_sink sink);

/* ERR_INVALID: the extended header would exceed TAR_EXTENDED_MAX_BYTES; nothing was written. Else the sink's
 * error. */
int tar_writer_entry(struct tar_writer *tar, const struct tar_entry *entry, struct error *err);

int tar_writer_content(struct tar_writer *tar, const void *bytes, size_t length, struct error *err);

/* Says that the caller has put the next length bytes of content into the sink itself (to spare a copy). */
void tar_writer_content_passed(struct tar_writer *tar, uint64_t length);

int tar_writer_finish(struct tar_writer *tar, struct error *err);
void tar_writer_free(struct tar_writer *tar);
DEFINE_FREEP(tar_writer, struct tar_writer, tar_writer_free)

/* Whether an extended attribute of this name survives PAX. */
bool tar_xattr_name_fits(const char *name);
