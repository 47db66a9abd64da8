/* The page that Prometheus reads, text format 0.0.4. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/utf8.h"
#include "shared/metrics/registry.h"

static const char *const type_names[] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
_Static_assert(sizeof(type_names) / sizeof(type_names[0]) == METRIC_TYPE_MAX, "every type has a name");

/* Backslash and newline are escaped everywhere, the quote only inside quotes. */
static void add_escaped(struct strbuf *out, const char *text, bool quoted)
{
    for (const char *at = text; *at;) {
        size_t plain = strcspn(at, quoted ? "\\\n\"" : "\\\n");
        utf8_append_clean(out, at, plain);
        at += plain;
        if (*at == '\0')
            return;
        (void)strbuf_addc(out, '\\');
        (void)strbuf_addc(out, *at == '\n' ? 'n' : *at);
        at++;
    }
}

void metrics_label(struct strbuf *labels, const char *name, const char *value)
{
    (void)strbuf_addf(labels, "%s%s=\"", labels->length ? "," : "", name);
    add_escaped(labels, value, true);
    (void)strbuf_addc(labels, '"');
}

/* The shortest spelling that reads back as the same number: 0.1, not 0.10000000000000001. */
static void add_number(struct strbuf *out, double number)
{
    char text[32];

    if (isnan(number)) {
        (void)strbuf_adds(out, "NaN");
        return;
    }
    if (isinf(number)) {
        (void)strbuf_adds(out, number > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        if (!(strtod(text, NULL) < number) && !(strtod(text, NULL) > number))
            break;
    }
    (void)strbuf_adds(out, text);
}

static void add_sample_name(struct strbuf *out, const struct metric *metric, const char *suffix)
{
    (void)strbuf_addf(out, "%s%s", metric->family->name, suffix);
    if (*metric->labels)
        (void)strbuf_addf(out, "{%s}", metric->labels);
    (void)strbuf_addc(out, ' ');
}

static void add_bucket(struct strbuf *out, const struct metric *metric, double bound, uint64_t count)
{
    (void)strbuf_addf(out, "%s_bucket{%s%sle=\"", metric->family->name, metric->labels,
                      *metric->labels ? "," : "");
    add_number(out, bound);
    (void)strbuf_addf(out, "\"} %" PRIu64 "\n", count);
}

/* A bucket counts what is at most its bound, so each includes those before it. */
static void add_histogram(struct strbuf *out, const struct metric *metric)
{
    const struct family *family = metric->family;
    uint64_t count = 0;

    for (size_t i = 0; i <= family->bound_count; i++) {
        count += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        add_bucket(out, metric, i < family->bound_count ? family->bounds[i] : (double)INFINITY, count);
    }
    add_sample_name(out, metric, "_sum");
    add_number(out, atomic_load_explicit(&metric->value, memory_order_relaxed));
    (void)strbuf_addc(out, '\n');
    add_sample_name(out, metric, "_count");
    (void)strbuf_addf(out, "%" PRIu64 "\n", count);
}

static void add_metric(struct strbuf *out, const struct metric *metric)
{
    if (metric->family->type == METRIC_HISTOGRAM) {
        add_histogram(out, metric);
        return;
    }
    add_sample_name(out, metric, "");
    add_number(out, atomic_load_explicit(&metric->value, memory_order_relaxed));
    (void)strbuf_addc(out, '\n');
}

static void add_family(struct strbuf *out, const struct family *family)
{
    (void)strbuf_addf(out, "# HELP %s ", family->name);
    add_escaped(out, family->help, false);
    (void)strbuf_addf(out, "\n# TYPE %s %s\n", family->name, type_names[family->type]);
    for (const struct metric *metric = family->metrics; metric; metric = metric->next)
        add_metric(out, metric);
}

void metrics_render(const struct metrics *metrics, struct strbuf *out)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&metrics->lock; /* reading changes nothing but the lock */

    (void)pthread_mutex_lock(lock);
    for (const struct family *family = metrics->families; family; family = family->next)
        add_family(out, family);
    (void)pthread_mutex_unlock(lock);
}
