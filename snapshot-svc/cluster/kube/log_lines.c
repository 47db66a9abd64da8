#include "snapshot-svc/cluster/kube/log_lines.h"

#include <ctype.h>
#include <string.h>

#include "shared/base/clock.h"

void log_lines_init(struct log_lines *lines, cluster_log_fn *fn, void *self)
{
    *lines = (struct log_lines){.fn = fn, .self = self};
}

void log_lines_done(struct log_lines *lines)
{
    strbuf_done(&lines->line);
}

/* The nanoseconds of "…:00.1234567Z", however many digits there are. */
static int64_t fraction_ns(const char *time)
{
    const char *point = strchr(time, '.');
    int64_t ns = 0, unit = 100 * 1000 * 1000;

    for (const char *c = point ? point + 1 : ""; isdigit((unsigned char)*c) && unit > 0; c++, unit /= 10)
        ns += (*c - '0') * unit;
    return ns;
}

/* How long the time and its blank are; 0: there is none. */
static size_t read_time(const char *line, size_t length, int64_t *ret_unix_ns)
{
    const char *blank = memchr(line, ' ', length);
    size_t time_length = blank ? (size_t)(blank - line) : length;
    char time[RFC3339_SIZE];
    struct error ignored = {0};
    int64_t unix_ms;

    if (time_length >= sizeof(time))
        return 0;
    memcpy(time, line, time_length);
    time[time_length] = '\0';
    if (strlen(time) != time_length || rfc3339_parse(time, &unix_ms, &ignored) < 0)
        return 0;
    int64_t below_second_ms = ((unix_ms % 1000) + 1000) % 1000;
    *ret_unix_ns = (unix_ms - below_second_ms) * 1000 * 1000 + fraction_ns(time);
    return blank ? time_length + 1 : time_length;
}

static int tell(struct log_lines *lines, bool is_end, struct error *err)
{
    size_t time_length = 0;

    if (!lines->is_rest) {
        lines->time_unix_ns = 0;
        time_length =
            read_time(lines->line.bytes ? lines->line.bytes : "", lines->line.length, &lines->time_unix_ns);
    }
    int told = lines->fn(lines->self, lines->time_unix_ns, strbuf_text(&lines->line) + time_length,
                         lines->line.length - time_length, err);
    strbuf_reset(&lines->line);
    lines->is_rest = !is_end;
    return told;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A full piece waits for the next byte: when that is the line's end, it was all of the line. */
int log_lines_feed(struct log_lines *lines, const char *bytes, size_t length, struct error *err)
{
    while (length > 0) {
        if (lines->line.length == LOG_PIECE_MAX_BYTES && *bytes != '\n' && tell(lines, false, err) < 0)
            return -1;
        size_t room = LOG_PIECE_MAX_BYTES - lines->line.length;
        const char *newline = memchr(bytes, '\n', least(length, room + 1));
        size_t piece = newline ? (size_t)(newline - bytes) : least(length, room);
        (void)strbuf_append(&lines->line, bytes, piece); /* without a limit of its own it takes all */
        bytes += piece;
        length -= piece;
        if (!newline)
            continue;
        bytes++;
        length--;
        if (tell(lines, true, err) < 0)
            return -1;
    }
    return 0;
}

int log_lines_end(struct log_lines *lines, struct error *err)
{
    return lines->line.length > 0 ? tell(lines, true, err) : 0;
}
