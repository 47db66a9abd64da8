/* content.h - a regular file's bytes into the pipeline: exactly as many as were announced, holes without
 * reading. Threads: the pipeline's. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "committer-agent/layer/pipeline.h"
#include "committer-agent/layer/tar.h"
#include "shared/base/error.h"

struct content_context { /* all borrowed */
    struct tar_writer *tar;
    struct pipeline *pipeline;
    atomic_ullong *bytes_read; /* may be NULL; holes do not count */
    const bool *cancelled;     /* may be NULL */
};

/* Copies st->st_size bytes of fd, which is open for reading and borrowed. st was taken before the header was
 * written. ERR_PRECONDITION "FileChanged": the file is not what st says, before or after reading. ERR_CANCELLED. */
int content_copy(const struct content_context *to, int fd, const struct stat *st, struct error *err);
