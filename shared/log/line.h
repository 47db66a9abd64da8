/* line.h - private to shared/log: how one line looks in either format. */
#pragma once

#include "shared/base/strbuf.h"
#include "shared/log/log.h"

struct log_line {
    int64_t unix_ms;
    enum log_level level;
    const char *service; /* NULL: none */
    const char *message;
    bool coloured; /* human format only */
};

/* A line is its head, then its fields in order, then its end. */
void log_json_head(struct strbuf *out, const struct log_line *line);
void log_json_field(struct strbuf *out, const struct log_field *field);
void log_json_end(struct strbuf *out);

void log_human_head(struct strbuf *out, const struct log_line *line);
void log_human_field(struct strbuf *out, const struct log_field *field, bool coloured);
void log_human_end(struct strbuf *out);

/* "debug", "info", "warn", "error" */
const char *log_level_name(enum log_level level);
