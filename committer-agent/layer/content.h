/* content.h - a regular file's bytes to where they belong: exactly as many as were announced, holes without
 * reading. Threads: the target's. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "committer-agent/layer/pipeline.h"
#include "shared/base/error.h"

/* Takes bytes without a copy in between: read() goes straight into its room. */
struct content_target {
    int (*span)(void *arg, void **ret_at, size_t *ret_room, struct error *err); /* as pipeline_span() */
    void (*advance)(void *arg, size_t length);                                  /* as pipeline_advance() */
    int (*skip)(void *arg, uint64_t length, struct error *err); /* a hole; NULL: it is filled with zeroes */
    void *arg;
};

struct content_target content_into_pipeline(struct pipeline *pipeline); /* borrowed */

struct content_context { /* all borrowed */
    struct content_target to;
    atomic_ullong *bytes_read; /* may be NULL; holes do not count */
    const bool *cancelled;     /* may be NULL */
};

/* Opens a regular file behind an O_PATH descriptor for reading, without moving its atime where that is allowed.
 * *ret_fd is the caller's. */
int content_reopen(int path_fd, int *ret_fd, struct error *err);

/* Copies st->st_size bytes of fd, which is open for reading and borrowed. st was taken before the header was
 * written. ERR_PRECONDITION "FileChanged": the file is not what st says, before or after reading. ERR_CANCELLED. */
int content_copy(const struct content_context *context, int fd, const struct stat *st, struct error *err);

/* Copies length bytes of fd from offset on. ERR_PRECONDITION "FileChanged": there are fewer. ERR_CANCELLED. */
int content_copy_range(const struct content_context *context, int fd, off_t offset, off_t length,
                       struct error *err);
