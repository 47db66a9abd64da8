#include "shared/log/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/log/line.h"

/* The one global of its kind: a log that had to be passed to every function would be passed to none.
 * Written before the first thread, then only read. */
static struct {
    const char *service;
    enum log_level level;
    enum log_format format;
    int fd;
    bool coloured;
} output = {.level = LOG_INFO, .format = LOG_FORMAT_JSON, .fd = STDERR_FILENO};

static _Thread_local struct log_scope *innermost;

/* ---- set-up ---- */

static bool wants_colour(int fd)
{
    const char *refused = getenv("NO_COLOR"); /* no-color.org */
    return isatty(fd) && !(refused && *refused);
}

void log_setup(const char *service, enum log_level level, enum log_format format)
{
    output.service = service;
    output.level = level;
    output.format = format;
    output.coloured = wants_colour(output.fd);
}

int log_configure(const char *service, const char *level_name, const char *format_name, struct error *err)
{
    enum log_level level;
    enum log_format format;

    if (log_level_parse(level_name, &level, err) < 0)
        return error_wrap(err, "--log-level");
    if (log_format_parse(format_name, &format, err) < 0)
        return error_wrap(err, "--log-format");
    log_setup(service, level, format);
    return 0;
}

void log_set_output(int fd)
{
    output.fd = fd;
    output.coloured = wants_colour(fd);
}

int log_level_parse(const char *text, enum log_level *ret_level, struct error *err)
{
    for (enum log_level level = 0; level < LOG_LEVEL_MAX; level++) {
        if (strcmp(text, log_level_name(level)) == 0) {
            *ret_level = level;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID, "log level: want debug, info, warn or error, got \"%.40s\"", text);
}

int log_format_parse(const char *text, enum log_format *ret_format, struct error *err)
{
    if (strcmp(text, "json") == 0)
        *ret_format = LOG_FORMAT_JSON;
    else if (strcmp(text, "human") == 0)
        *ret_format = LOG_FORMAT_HUMAN;
    else
        return error_set(err, ERR_INVALID, "log format: want json or human, got \"%.40s\"", text);
    return 0;
}

/* ---- scopes ---- */

void log_scope_enter(struct log_scope *scope)
{
    scope->outer = innermost;
    innermost = scope;
}

void log_scope_leave(struct log_scope *scope)
{
    innermost = scope->outer;
}

/* ---- lines ---- */

static bool among(const char *key, const struct log_field *fields, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(fields[i].key, key) == 0)
            return true;
    return false;
}

/* The fields of one line: the call's own last, each scope's before those of the scopes inside it. */
struct field_set {
    const struct log_field *fields;
    unsigned count;
    const struct field_set *inner; /* says the last word on a key */
};

static bool is_overridden(const struct log_field *field, const struct field_set *set)
{
    unsigned later = (unsigned)(set->fields + set->count - field) - 1;
    if (among(field->key, field + 1, later))
        return true;
    for (const struct field_set *inner = set->inner; inner; inner = inner->inner)
        if (among(field->key, inner->fields, inner->count))
            return true;
    return false;
}

static void add_set(struct strbuf *out, const struct field_set *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (is_overridden(&set->fields[i], set))
            continue;
        if (output.format == LOG_FORMAT_JSON)
            log_json_field(out, &set->fields[i]);
        else
            log_human_field(out, &set->fields[i], output.coloured);
    }
}

/* From the outermost scope inwards, by recursion: a scope knows only its outer one. */
static void add_scopes(struct strbuf *out, const struct log_scope *scope, const struct field_set *inner)
{
    if (!scope)
        return;
    struct field_set set = {.fields = scope->fields, .count = scope->count, .inner = inner};
    add_scopes(out, scope->outer, &set);
    add_set(out, &set);
}

static void write_line(const struct strbuf *line)
{
    for (size_t at = 0; at < line->length;) {
        ssize_t wrote = write(output.fd, line->bytes + at, line->length - at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return; /* a log that cannot be written has nobody to tell */
        at += (size_t)wrote;
    }
}

/* own, then extra (which may be empty): the fields of the call. */
static void emit(enum log_level level, const char *message, const struct field_set *own,
                 const struct field_set *extra)
{
    int saved_errno = errno;
    SCOPED_STRBUF struct strbuf line = STRBUF_INIT;
    struct log_line head = {.unix_ms = clock_realtime_ms(),
                            .level = level,
                            .service = output.service,
                            .message = message,
                            .coloured = output.coloured};

    if (output.format == LOG_FORMAT_JSON)
        log_json_head(&line, &head);
    else
        log_human_head(&line, &head);
    add_scopes(&line, innermost, own);
    add_set(&line, own);
    add_set(&line, extra);
    if (output.format == LOG_FORMAT_JSON)
        log_json_end(&line);
    else
        log_human_end(&line);
    write_line(&line);
    errno = saved_errno;
}

void log_emit(enum log_level level, const char *message, const struct log_field *fields, unsigned count)
{
    struct field_set none = {0}, own = {.fields = fields, .count = count};
    if (level >= output.level)
        emit(level, message, &own, &none);
}

void log_emit_error(enum log_level level, const char *message, const struct error *err,
                    const struct log_field *fields, unsigned count)
{
    struct log_field story[3];
    struct field_set failure = {.fields = story}, own = {.fields = fields, .count = count, .inner = &failure};

    if (level < output.level)
        return;
    story[failure.count++] = log_str("code", error_code_name(err->code));
    if (err->reason[0] != '\0')
        story[failure.count++] = log_str("reason", err->reason);
    story[failure.count++] = log_str("error", err->text);
    emit(level, message, &own, &failure);
}
