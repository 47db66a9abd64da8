/* node/log_record.h - one record of a container's log file. Pure.
 * Spec: Kubernetes CRI logging: "2016-10-06T00:17:09.669794202Z stdout F text", tag P for a part of a longer line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The runtime cuts longer lines into parts (max_container_log_line_size, 16 KiB by default). */
enum { LOG_RECORD_MAX_BYTES = 1 << 20, LOG_RECORD_HEAD_MAX_BYTES = 128 };

struct log_record {
    int64_t time_unix_ns;
    bool is_stderr;
    bool is_partial;
    const char *text; /* in the line that was parsed */
    size_t length;
};

/* line: without its newline. False: not a record. */
bool log_record_parse(const char *line, size_t length, struct log_record *ret_record);

/* Of a record's beginning alone: 1 it ends a line (tag F), 0 a part (tag P), -1 not a record. */
int log_record_ends_line(const char *head, size_t length);
