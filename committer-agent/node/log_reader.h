/* node/log_reader.h - the lines of a container's log file, from its end backwards for a tail and onwards as it grows.
 *
 * Parts of a line are put together again, for each stream on its own; a line longer than LOG_LINE_MAX_BYTES comes in
 * pieces of that size. What is no record (a file cut off by a full disk) is passed over. Threads: one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

enum { LOG_LINE_MAX_BYTES = 1 << 20 };

struct log_line {
    int64_t time_unix_ns; /* of its first part */
    bool is_stderr;
    const char *text; /* without the newline; valid during the call */
    size_t length;
};

struct log_sink {
    int (*line)(void *self, const struct log_line *line,
                struct error *err); /* -1 with err ends the reading */
    void *self;
};

struct log_reader;

/* tail_lines 0: from the beginning; else from so many lines before the end. ERR_NOT_FOUND. */
int log_reader_open(const char *path, int64_t tail_lines, struct log_reader **ret_reader, struct error *err);
/* All whole records that are there now. */
int log_reader_drain(struct log_reader *reader, const struct log_sink *sink, struct error *err);
/* The end of the log has come: what began as parts and was never ended is a line, too. */
int log_reader_finish(struct log_reader *reader, const struct log_sink *sink, struct error *err);
void log_reader_free(struct log_reader *reader);
DEFINE_FREEP(log_reader, struct log_reader, log_reader_free)
