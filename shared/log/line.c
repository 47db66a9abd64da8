#include "shared/log/line.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "shared/base/clock.h"
#include "shared/base/utf8.h"

enum { VALUE_MAX_BYTES = 8192 }; /* of one string: a line is for people and indexers, not for payloads */

static const struct {
    const char *name, *label, *colour;
} levels[] = {
    [LOG_DEBUG] = {"debug", "DEBUG", "\033[2m"},
    [LOG_INFO] = {"info", "INFO ", "\033[32m"},
    [LOG_WARN] = {"warn", "WARN ", "\033[33m"},
    [LOG_ERROR] = {"error", "ERROR", "\033[31m"},
};
_Static_assert(sizeof(levels) / sizeof(levels[0]) == LOG_LEVEL_MAX, "every level has a row");

#define COLOUR_KEY "\033[2m"
#define COLOUR_OFF "\033[0m"

const char *log_level_name(enum log_level level)
{
    return levels[level].name;
}

/* ---- strings ---- */

/* C1 controls are two bytes in UTF-8, and a terminal obeys them as it does ESC. */
static bool is_c1_control(const char *text, size_t char_length)
{
    return char_length == 2 && (uint8_t)text[0] == 0xC2 && (uint8_t)text[1] < 0xA0;
}

static void add_escaped_ascii(struct strbuf *out, char c)
{
    static const char short_escapes[][2] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'},
                                            {'\t', 't'}, {'\b', 'b'},  {'\f', 'f'}};
    for (size_t i = 0; i < sizeof(short_escapes) / sizeof(short_escapes[0]); i++) {
        if (c == short_escapes[i][0]) {
            (void)strbuf_addc(out, '\\');
            (void)strbuf_addc(out, short_escapes[i][1]);
            return;
        }
    }
    if (c < 0x20 || c == 0x7f)
        (void)strbuf_addf(out, "\\u%04x", c);
    else
        (void)strbuf_addc(out, c);
}

/* Spec: RFC 8259, section 7; and no byte that a terminal would take for a command. */
static void add_quoted(struct strbuf *out, const char *text)
{
    size_t length = strnlen(text, VALUE_MAX_BYTES + 1);
    bool cut = length > VALUE_MAX_BYTES;
    if (cut)
        length = utf8_cut_length(text, VALUE_MAX_BYTES);

    (void)strbuf_addc(out, '"');
    for (size_t at = 0, step; at < length; at += step) {
        size_t known = utf8_char_length(text + at, length - at);
        step = known ? known : 1;
        if (known == 1)
            add_escaped_ascii(out, text[at]);
        else if (is_c1_control(text + at, known))
            (void)strbuf_addf(out, "\\u%04x", (uint8_t)text[at + 1]);
        else
            utf8_append_clean(out, text + at, step);
    }
    (void)strbuf_adds(out, cut ? "\xE2\x80\xA6\"" : "\""); /* an ellipsis tells of the cut */
}

/* Can a person read it unquoted and still see where it ends? */
static bool is_plain(const char *text)
{
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || strchr("\"=\\", *at))
            return false;
    size_t length = strlen(text);
    return length > 0 && length <= VALUE_MAX_BYTES;
}

static void add_scalar(struct strbuf *out, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_FIELD_STR:
        if (field->value.str)
            add_quoted(out, field->value.str);
        else
            (void)strbuf_adds(out, "null");
        return;
    case LOG_FIELD_I64:
        (void)strbuf_addf(out, "%" PRId64, field->value.i64);
        return;
    case LOG_FIELD_U64:
        (void)strbuf_addf(out, "%" PRIu64, field->value.u64);
        return;
    case LOG_FIELD_BOOL:
        (void)strbuf_adds(out, field->value.boolean ? "true" : "false");
        return;
    }
}

/* ---- JSON ---- */

void log_json_head(struct strbuf *out, const struct log_line *line)
{
    char time[RFC3339_SIZE];
    (void)strbuf_addf(out, "{\"time\":\"%s\",\"level\":\"%s\"", rfc3339_format_ms(line->unix_ms, time),
                      levels[line->level].name);
    if (line->service)
        log_json_field(
            out, &(struct log_field){.key = "service", .kind = LOG_FIELD_STR, .value.str = line->service});
    log_json_field(out, &(struct log_field){.key = "msg", .kind = LOG_FIELD_STR, .value.str = line->message});
}

void log_json_field(struct strbuf *out, const struct log_field *field)
{
    (void)strbuf_addc(out, ',');
    add_quoted(out, field->key);
    (void)strbuf_addc(out, ':');
    add_scalar(out, field);
}

void log_json_end(struct strbuf *out)
{
    (void)strbuf_adds(out, "}\n");
}

/* ---- human ---- */

static void add_message(struct strbuf *out, const char *message)
{
    if (strpbrk(message,
                "\n\r\033")) /* a constant of ours never has these; an outsider's text stays one line */
        add_quoted(out, message);
    else
        utf8_append_clean(out, message, strlen(message));
}

void log_human_head(struct strbuf *out, const struct log_line *line)
{
    time_t unix_s = line->unix_ms / 1000;
    struct tm tm = {0};

    (void)localtime_r(&unix_s, &tm);
    (void)strbuf_addf(out, "%02d:%02d:%02d.%03d %s%s%s", tm.tm_hour, tm.tm_min, tm.tm_sec,
                      (int)(line->unix_ms % 1000), line->coloured ? levels[line->level].colour : "",
                      levels[line->level].label, line->coloured ? COLOUR_OFF : "");
    if (line->service)
        (void)strbuf_addf(out, " %s ", line->service);
    (void)strbuf_addc(out, ' ');
    add_message(out, line->message);
    (void)strbuf_addc(out, ' '); /* with the one before each field: a visible gap */
}

void log_human_field(struct strbuf *out, const struct log_field *field, bool coloured)
{
    (void)strbuf_addf(out, " %s%s=%s", coloured ? COLOUR_KEY : "", field->key, coloured ? COLOUR_OFF : "");
    if (field->kind == LOG_FIELD_STR && field->value.str && is_plain(field->value.str))
        (void)strbuf_adds(out, field->value.str);
    else
        add_scalar(out, field);
}

void log_human_end(struct strbuf *out)
{
    while (out->length > 0 && out->bytes[out->length - 1] == ' ')
        out->bytes[--out->length] = '\0';
    (void)strbuf_addc(out, '\n');
}
