/* metrics.h - counters, gauges and histograms in Prometheus' text form 0.0.4.
 *
 * A metric is made once at start-up and lives as long as the registry. Labels are fixed at creation, so one metric
 * with another label value is another metric of the same name (the renderer groups them under one HELP/TYPE).
 * Threads: any; values are atomic. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/base/strbuf.h"

struct metrics;  /* a registry */
struct metric;   /* borrowed from its registry */

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* labels: "phase=\"push\",result=\"ok\"" in exposition syntax, or NULL. Same name and labels: the same metric. */
struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *help, const char *labels);
struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *help, const char *labels);
/* Upper bounds in the metric's unit, ascending; +Inf is added. */
struct metric *metrics_histogram(struct metrics *metrics, const char *name, const char *help, const char *labels,
                                 const double *bounds, size_t count);

void metric_add(struct metric *metric, double amount); /* counters: >= 0; gauges: any sign */
void metric_set(struct metric *metric, double value);  /* gauges */
void metric_observe(struct metric *metric, double value); /* histograms */

void metrics_render(const struct metrics *metrics, struct strbuf *out);
