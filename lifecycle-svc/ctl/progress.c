#include "lifecycle-svc/ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };

void bytes_text(uint64_t bytes, struct strbuf *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    size_t unit = 0;

    while (amount >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        amount /= 1024;
        unit++;
    }
    if (unit == 0)
        strbuf_addf(out, "%" PRIu64 " B", bytes);
    else
        strbuf_addf(out, "%.1f %s", amount, units[unit]);
}

void progress_begin(struct progress *progress, int64_t now_ms)
{
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO), .began_ms = now_ms, .phase_ms = now_ms};
}

/* The step as people see it: the phase of work when there is one, else the state. */
static const char *step_of(const ctl_event *event)
{
    if (event->progress && *event->progress->phase)
        return event->progress->phase;
    return event->sandbox && event->sandbox->status ? event->sandbox->status->state : "Unknown";
}

static bool is_pushing(const ctl_event *event)
{
    return strcmp(event->progress->phase, "Pushing") == 0;
}

/* Reading and pushing overlap; what the phase is named after is what is counted. */
static uint64_t moved_bytes(const ctl_event *event)
{
    return is_pushing(event) ? event->progress->bytes_pushed : event->progress->bytes_read;
}

static void add_bar(uint64_t done, uint64_t total, struct strbuf *out)
{
    uint64_t part = done < total ? done : total;
    int filled = (int)((double)part / (double)total * BAR_WIDTH);

    strbuf_addc(out, '[');
    for (int i = 0; i < BAR_WIDTH; i++)
        strbuf_addc(out, i < filled ? '=' : i == filled ? '>' : ' ');
    strbuf_addf(out, "] %3d%%  ", (int)((double)part / (double)total * 100));
}

static void add_rate(const struct progress *progress, uint64_t done, int64_t now_ms, struct strbuf *out)
{
    int64_t span_ms = now_ms - progress->phase_ms;

    if (span_ms <= 0 || done <= progress->phase_bytes)
        return;
    strbuf_adds(out, "  ");
    bytes_text((uint64_t)((double)(done - progress->phase_bytes) * 1000 / (double)span_ms), out);
    strbuf_adds(out, "/s");
}

static void add_amounts(const struct progress *progress, const ctl_event *event, int64_t now_ms,
                        struct strbuf *out)
{
    uint64_t done = moved_bytes(event), total = is_pushing(event) ? 0 : event->progress->bytes_total;

    if (total)
        add_bar(done, total, out);
    if (!done)
        return;
    bytes_text(done, out);
    if (total) {
        strbuf_adds(out, " of ");
        bytes_text(total, out);
    }
    add_rate(progress, done, now_ms, out);
}

void progress_line(struct progress *progress, const ctl_event *event, int64_t now_ms, struct strbuf *out)
{
    strbuf_addf(out, "%6.1fs  %-10s ", (double)(now_ms - progress->began_ms) / 1000, step_of(event));
    if (event->progress)
        add_amounts(progress, event, now_ms, out);
}

static bool enter_step(struct progress *progress, const ctl_event *event, int64_t now_ms)
{
    const char *step = step_of(event);

    if (strcmp(progress->last_step, step) == 0)
        return false;
    (void)snprintf(progress->last_step, sizeof(progress->last_step), "%s", step);
    progress->phase_ms = now_ms;
    progress->phase_bytes = event->progress ? moved_bytes(event) : 0;
    return true;
}

void progress_show(struct progress *progress, const ctl_event *event, int64_t now_ms)
{
    SCOPED_STRBUF struct strbuf line = STRBUF_INIT;
    bool is_new = enter_step(progress, event, now_ms);

    progress_line(progress, event, now_ms, &line);
    if (progress->terminal) {
        (void)fprintf(stderr, "\r\033[K%s", strbuf_text(&line));
        progress->line_open = true;
    } else if (is_new) {
        (void)fprintf(stderr, "%s\n", strbuf_text(&line));
    }
    (void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->line_open)
        (void)fputc('\n', stderr);
    progress->line_open = false;
}
