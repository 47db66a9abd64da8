/* log_lines.h - the lines of a pod's log out of a stream that arrives in pieces: "2029-06-01T10:00:00.123456789Z text".
 * What a container prints has no bound: a line longer than LOG_PIECE_MAX_BYTES is told in pieces of one time.
 * Spec: Kubernetes API, pods/log with timestamps=true. */
#pragma once

#include "shared/base/strbuf.h"
#include "snapshot-svc/cluster/cluster.h"

enum { LOG_PIECE_MAX_BYTES = 64 * 1024 };

struct log_lines {
    cluster_log_fn *fn;
    void *self;

    struct strbuf line; /* what has come of the line under way */
    int64_t time_unix_ns;
    bool is_rest; /* its beginning, with the time, was told */
};

void log_lines_init(struct log_lines *lines, cluster_log_fn *fn, void *self);
void log_lines_done(struct log_lines *lines);

/* -1: fn said so. */
int log_lines_feed(struct log_lines *lines, const char *bytes, size_t length, struct error *err);
/* The stream has ended: a last line without an end is one. */
int log_lines_end(struct log_lines *lines, struct error *err);
