/* log.h - logs are data: a constant message to count by, values as fields.
 *
 *   LOG_SCOPE(log_str("snapshot", name));                 fields of every line until the block ends (this thread)
 *   log_info("layer pushed", log_u64("bytes", sent));     {"time":...,"level":"info","msg":"layer pushed",...}
 *
 * Two formats: "json" (one object a line) and "human" (for a terminal). Output is stderr unless set otherwise.
 * Values may be any bytes: what is no UTF-8 becomes U+FFFD, control characters are escaped, a value is cut at 8 KiB.
 * A key given twice (in a scope and inside it) appears once, with the innermost value. errno is left alone.
 * Library code logs at debug level only; the edge (RPC handler, reconcile worker) logs each failure once.
 * No token, Secret or Authorization value is ever a field.
 * Threads: any; a line is written with one write(2). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVEL_MAX };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_HUMAN };

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_BOOL } kind;
    union {
        const char *str; /* NULL prints as null; borrowed for the call, or for the scope */
        int64_t i64;
        uint64_t u64;
        bool boolean;
    } value;
};

static inline struct log_field log_str(const char *key, const char *value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_STR, .value.str = value};
}
static inline struct log_field log_i64(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_I64, .value.i64 = value};
}
static inline struct log_field log_u64(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_U64, .value.u64 = value};
}
static inline struct log_field log_bool(const char *key, bool value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_BOOL, .value.boolean = value};
}

/* Before the first thread. `service` is a field of every line and lives as long as the process. Until then: info
 * level, JSON, no service. Human lines are coloured when the output is a terminal and NO_COLOR is not set. */
void log_setup(const char *service, enum log_level level, enum log_format format);
void log_set_output(int fd); /* borrowed; before the first thread, too. For tests and tools; 2 otherwise */
/* The same from the texts of --log-level and --log-format. ERR_INVALID names the flag. */
int log_configure(const char *service, const char *level, const char *format, struct error *err);
int log_level_parse(const char *text, enum log_level *ret_level, struct error *err);
int log_format_parse(const char *text, enum log_format *ret_format, struct error *err);

void log_emit(enum log_level level, const char *message, const struct log_field *fields, unsigned count);

/* The failure's code, reason and text as fields, after the given ones. */
void log_emit_error(enum log_level level, const char *message, const struct error *err,
                    const struct log_field *fields, unsigned count);

#define LOG_FIELDS_(...) ((const struct log_field[]){__VA_ARGS__})
#define LOG_COUNT_(...)  ((unsigned)(sizeof(LOG_FIELDS_(__VA_ARGS__)) / sizeof(struct log_field)))
#define LOG_AT_(level, message, ...)                                                                         \
    log_emit(level, message, LOG_FIELDS_(__VA_ARGS__), LOG_COUNT_(__VA_ARGS__))

#define log_debug(message, ...) LOG_AT_(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...)  LOG_AT_(LOG_INFO, message, __VA_ARGS__)
#define log_warn(message, ...)  LOG_AT_(LOG_WARN, message, __VA_ARGS__)
#define log_error(message, ...) LOG_AT_(LOG_ERROR, message, __VA_ARGS__)
#define log_failure(level, message, err, ...)                                                                \
    log_emit_error(level, message, err, LOG_FIELDS_(__VA_ARGS__), LOG_COUNT_(__VA_ARGS__))

/* A stack of field sets, one per thread. */
struct log_scope {
    const struct log_field *fields;
    unsigned count;
    struct log_scope *outer;
};
void log_scope_enter(struct log_scope *scope);
void log_scope_leave(struct log_scope *scope);

#define LOG_CAT2_(a, b) a##b
#define LOG_CAT_(a, b)  LOG_CAT2_(a, b)
#define LOG_SCOPE(...)                                                                                       \
    __attribute__((cleanup(log_scope_leave))) struct log_scope LOG_CAT_(log_scope_, __LINE__) = {            \
        .fields = LOG_FIELDS_(__VA_ARGS__), .count = LOG_COUNT_(__VA_ARGS__)};                               \
    log_scope_enter(&LOG_CAT_(log_scope_, __LINE__))
