#include "shared/metrics/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/metrics/registry.h"

/* ---- the registry ---- */

struct metrics *metrics_new(void)
{
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));
    (void)pthread_mutex_init(&metrics->lock, NULL); /* cannot fail on Linux */
    return metrics;
}

static void free_metric(struct metric *metric)
{
    free(metric->labels);
    free(metric->buckets);
    free(metric);
}

static void free_family(struct family *family)
{
    for (struct metric *metric = family->metrics, *next; metric; metric = next) {
        next = metric->next;
        free_metric(metric);
    }
    free(family->name);
    free(family->help);
    free(family->bounds);
    free(family);
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (struct family *family = metrics->families, *next; family; family = next) {
        next = family->next;
        free_family(family);
    }
    (void)pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* ---- making metrics ---- */

/* What a family is made of; borrowed from the caller of metrics_...() */
struct recipe {
    const char *name, *help;
    enum metric_type type;
    const double *bounds;
    size_t bound_count;
};

static struct family *new_family(const struct recipe *recipe)
{
    struct family *family = xcalloc(1, sizeof(*family));
    family->name = xstrdup(recipe->name);
    family->help = xstrdup(recipe->help);
    family->type = recipe->type;
    family->bounds = xcalloc(recipe->bound_count, sizeof(*family->bounds));
    family->bound_count = recipe->bound_count;
    for (size_t i = 0; i < recipe->bound_count; i++) {
        assert(i == 0 || recipe->bounds[i - 1] < recipe->bounds[i]);
        family->bounds[i] = recipe->bounds[i];
    }
    return family;
}

__attribute__((unused)) static bool agrees(const struct family *family, const struct recipe *recipe)
{
    return family->type == recipe->type && family->bound_count == recipe->bound_count &&
           (recipe->bound_count == 0 ||
            memcmp(family->bounds, recipe->bounds, recipe->bound_count * sizeof(*recipe->bounds)) == 0);
}

static struct family *find_or_add_family(struct metrics *metrics, const struct recipe *recipe)
{
    struct family **link = &metrics->families;
    for (; *link; link = &(*link)->next) {
        if (strcmp((*link)->name, recipe->name) == 0) {
            assert(agrees(*link, recipe));
            return *link;
        }
    }
    return *link = new_family(recipe);
}

static struct metric *find_or_add_metric(struct family *family, const char *labels)
{
    struct metric **link = &family->metrics;
    for (; *link; link = &(*link)->next)
        if (strcmp((*link)->labels, labels) == 0)
            return *link;

    struct metric *metric = xcalloc(1, sizeof(*metric));
    metric->family = family;
    metric->labels = xstrdup(labels);
    if (family->type == METRIC_HISTOGRAM)
        metric->buckets = xcalloc(family->bound_count + 1, sizeof(*metric->buckets));
    return *link = metric;
}

static struct metric *find_or_add(struct metrics *metrics, const struct recipe *recipe, const char *labels)
{
    (void)pthread_mutex_lock(&metrics->lock);
    struct metric *metric = find_or_add_metric(find_or_add_family(metrics, recipe), labels ? labels : "");
    (void)pthread_mutex_unlock(&metrics->lock);
    return metric;
}

struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *help,
                               const char *labels)
{
    return find_or_add(metrics, &(struct recipe){.name = name, .help = help, .type = METRIC_COUNTER}, labels);
}

struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *help, const char *labels)
{
    return find_or_add(metrics, &(struct recipe){.name = name, .help = help, .type = METRIC_GAUGE}, labels);
}

struct metric *metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                                 const char *labels, const double *bounds, size_t count)
{
    struct recipe recipe = {
        .name = name, .help = help, .type = METRIC_HISTOGRAM, .bounds = bounds, .bound_count = count};
    return find_or_add(metrics, &recipe, labels);
}

/* ---- values ---- */

static void add(_Atomic double *value, double amount)
{
    double seen = atomic_load_explicit(value, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(value, &seen, seen + amount, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void metric_add(struct metric *metric, double amount)
{
    assert(metric->family->type == METRIC_GAUGE || (metric->family->type == METRIC_COUNTER && amount >= 0));
    add(&metric->value, amount);
}

void metric_set(struct metric *metric, double value)
{
    assert(metric->family->type == METRIC_GAUGE);
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe(struct metric *metric, double value)
{
    const struct family *family = metric->family;
    size_t bucket = 0;

    assert(family->type == METRIC_HISTOGRAM);
    while (bucket < family->bound_count && !(value <= family->bounds[bucket])) /* NaN belongs to +Inf alone */
        bucket++;
    atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    add(&metric->value, value);
}
