/* metrics.h - counters, gauges and histograms in Prometheus' text form 0.0.4.
 *
 * Spec: prometheus.io/docs/instrumenting/exposition_formats.
 *
 * A metric is made once at start-up and lives as long as the registry. Labels are fixed at creation, so one metric
 * with another label value is another metric of the same name (the renderer groups them under one HELP/TYPE).
 * Threads: any; values are atomic. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"

struct metrics; /* a registry */
struct metric;  /* borrowed from its registry */

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
DEFINE_FREEP(metrics, struct metrics, metrics_free)

/* labels: "phase=\"push\",result=\"ok\"" in exposition syntax, or NULL. Same name and labels: the same metric.
 * All texts are copied. A name has one type, and a histogram's name one set of bounds: anything else is a
 * programmer's mistake. */
struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *help,
                               const char *labels);
struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *help, const char *labels);
/* Upper bounds in the metric's unit, ascending; +Inf is added. */
struct metric *metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                                 const char *labels, const double *bounds, size_t count);

/* Appends `name="value"`, escaped, after a comma where one is due: for labels whose value is not a constant. A value
 * from outside makes one metric more each time it is new, so it must come from a small set. */
void metrics_label(struct strbuf *labels, const char *name, const char *value);

void metric_add(struct metric *metric, double amount);    /* counters: >= 0; gauges: any sign */
void metric_set(struct metric *metric, double value);     /* gauges */
void metric_observe(struct metric *metric, double value); /* histograms */

/* Appends the page for /metrics. A reader that runs beside writers sees each value whole, not all at one instant. */
void metrics_render(const struct metrics *metrics, struct strbuf *out);
