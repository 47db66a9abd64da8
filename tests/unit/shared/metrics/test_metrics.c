#include "shared/metrics/metrics.h"

#include <math.h>
#include <pthread.h>

#include "tests/unit/testing.h"

static void assert_renders(const struct metrics *metrics, const char *page)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    metrics_render(metrics, &out);
    assert_string_equal(strbuf_text(&out), page);
}

static void an_empty_registry_is_an_empty_page(void **state)
{
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    (void)state;

    assert_renders(metrics, "");
    metrics_free(NULL);
}

static void counters_and_gauges_have_help_type_and_value(void **state)
{
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    struct metric *pushed = metrics_counter(metrics, "stasis_pushed_bytes_total", "Bytes pushed.", NULL);
    struct metric *held = metrics_gauge(metrics, "stasis_held", "Frozen pods.", "");
    (void)state;

    metric_add(pushed, 1.5);
    metric_add(pushed, 2);
    metric_add(held, 3);
    metric_add(held, -5);
    assert_renders(metrics, "# HELP stasis_pushed_bytes_total Bytes pushed.\n"
                            "# TYPE stasis_pushed_bytes_total counter\n"
                            "stasis_pushed_bytes_total 3.5\n"
                            "# HELP stasis_held Frozen pods.\n"
                            "# TYPE stasis_held gauge\n"
                            "stasis_held -2\n");
    metric_set(held, 7);
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    metrics_render(metrics, &out);
    assert_contains(out.bytes, "\nstasis_held 7\n");
}

static void label_sets_of_one_name_stand_under_one_head(void **state)
{
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    (void)state;

    metric_add(metrics_counter(metrics, "ops", "Operations.", "result=\"ok\""), 1);
    metric_add(metrics_counter(metrics, "other", "Other.", NULL), 2);
    metric_add(metrics_counter(metrics, "ops", "Operations.", "result=\"failed\""), 3);
    assert_renders(metrics, "# HELP ops Operations.\n# TYPE ops counter\n"
                            "ops{result=\"ok\"} 1\nops{result=\"failed\"} 3\n"
                            "# HELP other Other.\n# TYPE other counter\nother 2\n");
}

static void the_same_name_and_labels_are_the_same_metric(void **state)
{
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    (void)state;

    struct metric *one = metrics_counter(metrics, "ops", "Operations.", "a=\"b\"");
    assert_ptr_equal(metrics_counter(metrics, "ops", "Operations.", "a=\"b\""), one);
    assert_ptr_not_equal(metrics_counter(metrics, "ops", "Operations.", "a=\"c\""), one);
    assert_ptr_equal(metrics_counter(metrics, "ops", "Operations.", NULL),
                     metrics_counter(metrics, "ops", "Operations.", ""));
}

static void the_texts_are_copied(void **state)
{
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    char name[] = "ops", help[] = "Help.", labels[] = "a=\"b\"";
    double bounds[] = {1};
    (void)state;

    (void)metrics_histogram(metrics, name, help, labels, bounds, 1);
    memset(name, 'x', sizeof(name) - 1);
    memset(help, 'x', sizeof(help) - 1);
    memset(labels, 'x', sizeof(labels) - 1);
    bounds[0] = 9;
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    metrics_render(metrics, &out);
    assert_contains(out.bytes, "# HELP ops Help.\n");
    assert_contains(out.bytes, "ops_bucket{a=\"b\",le=\"1\"} 0\n");
}

/* ---- histograms ---- */

static void a_histogram_counts_what_is_at_most_each_bound(void **state)
{
    static const double bounds[] = {0.1, 1, 10};
    static const double values[] = {0.05, 0.1, 0.100001, 1, 9, 10, 11, -1};
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    struct metric *seconds = metrics_histogram(metrics, "push_seconds", "Push.", "zone=\"a\"", bounds, 3);
    (void)state;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        metric_observe(seconds, values[i]);
    assert_renders(metrics, "# HELP push_seconds Push.\n# TYPE push_seconds histogram\n"
                            "push_seconds_bucket{zone=\"a\",le=\"0.1\"} 3\n"
                            "push_seconds_bucket{zone=\"a\",le=\"1\"} 5\n"
                            "push_seconds_bucket{zone=\"a\",le=\"10\"} 7\n"
                            "push_seconds_bucket{zone=\"a\",le=\"+Inf\"} 8\n"
                            "push_seconds_sum{zone=\"a\"} 30.250001\n"
                            "push_seconds_count{zone=\"a\"} 8\n");
}

static void a_histogram_without_labels_or_bounds_still_counts(void **state)
{
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    struct metric *sizes = metrics_histogram(metrics, "s", "S.", NULL, NULL, 0);
    (void)state;

    metric_observe(sizes, 4);
    assert_renders(metrics, "# HELP s S.\n# TYPE s histogram\ns_bucket{le=\"+Inf\"} 1\ns_sum 4\ns_count 1\n");
}

static void no_number_counts_in_the_last_bucket_alone(void **state)
{
    static const double bounds[] = {1};
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    (void)state;

    metric_observe(metrics_histogram(metrics, "s", "S.", NULL, bounds, 1), (double)NAN);
    assert_renders(metrics, "# HELP s S.\n# TYPE s histogram\n"
                            "s_bucket{le=\"1\"} 0\ns_bucket{le=\"+Inf\"} 1\ns_sum NaN\ns_count 1\n");
}

/* A law of the format: buckets never fall, and the last one is the count. */
static void buckets_add_up_whatever_is_observed(void **state)
{
    static const double bounds[] = {-5, 0, 1, 2, 50, 51};
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    struct metric *metric = metrics_histogram(metrics, "h", "H.", NULL, bounds, 6);
    (void)state;

    srand(4);
    for (int i = 0; i < 1000; i++)
        metric_observe(metric, rand() % 120 - 20);

    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    metrics_render(metrics, &out);
    unsigned long before = 0;
    for (const char *at = strstr(out.bytes, "le=\""); at; at = strstr(at + 1, "le=\"")) {
        unsigned long count = strtoul(strchr(at, '}') + 1, NULL, 10);
        assert_true(count >= before);
        before = count;
    }
    assert_int_equal(before, 1000);
    assert_contains(out.bytes, "h_count 1000\n");
}

/* ---- spelling ---- */

static void numbers_have_their_shortest_exact_spelling(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {0.1, "0.1"},
        {-2.5, "-2.5"},
        {1e9, "1000000000"},
        {123456789012345.0, "123456789012345"},
        {9007199254740993.0, "9007199254740992"},
        {1e21, "1e+21"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {5e-324, "4.94065645841247e-324"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(metrics) struct metrics *metrics = metrics_new();
        SCOPED_STRBUF struct strbuf out = STRBUF_INIT, line = STRBUF_INIT;
        metric_set(metrics_gauge(metrics, "g", "", NULL), rows[i].value);
        metrics_render(metrics, &out);
        (void)strbuf_addf(&line, "\ng %s\n", rows[i].text);
        assert_contains(out.bytes, line.bytes);
        assert_true(memcmp(&(double){strtod(rows[i].text, NULL)}, &rows[i].value, sizeof(double)) == 0);
    }
}

static void infinities_and_no_number_have_names(void **state)
{
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    (void)state;

    metric_set(metrics_gauge(metrics, "g", "", "v=\"1\""), (double)INFINITY);
    metric_set(metrics_gauge(metrics, "g", "", "v=\"2\""), -(double)INFINITY);
    metric_set(metrics_gauge(metrics, "g", "", "v=\"3\""), (double)NAN);
    assert_renders(metrics, "# HELP g \n# TYPE g gauge\ng{v=\"1\"} +Inf\ng{v=\"2\"} -Inf\ng{v=\"3\"} NaN\n");
}

static void label_values_are_escaped(void **state)
{
    SCOPED_STRBUF struct strbuf labels = STRBUF_INIT;
    (void)state;

    metrics_label(&labels, "path", "C:\\a \"b\"\nc");
    metrics_label(&labels, "empty", "");
    metrics_label(&labels, "name", "caf\xC3\xA9 \xFF");
    assert_string_equal(labels.bytes,
                        "path=\"C:\\\\a \\\"b\\\"\\nc\",empty=\"\",name=\"caf\xC3\xA9 \xEF\xBF\xBD\"");
}

static void help_is_escaped_but_its_quotes_stay(void **state)
{
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    (void)state;

    (void)metrics_counter(metrics, "c", "a \"b\"\\\nc", NULL);
    assert_renders(metrics, "# HELP c a \"b\"\\\\\\nc\n# TYPE c counter\nc 0\n");
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 5000 };

struct counted {
    struct metrics *metrics;
    struct metric *counter, *histogram;
};

static void *count_many(void *arg)
{
    struct counted *counted = arg;
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(counted->counter, 1);
        metric_observe(counted->histogram, i % 2);
        (void)metrics_gauge(counted->metrics, "made_by_all", "", NULL);
    }
    return NULL;
}

static void no_count_of_any_thread_is_lost(void **state)
{
    static const double bounds[] = {0};
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    struct counted counted = {.metrics = metrics,
                              .counter = metrics_counter(metrics, "c", "", NULL),
                              .histogram = metrics_histogram(metrics, "h", "", NULL, bounds, 1)};
    pthread_t threads[THREADS];
    (void)state;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, &counted), 0);
    for (int i = 0; i < 50; i++) {
        SCOPED_STRBUF struct strbuf meanwhile = STRBUF_INIT;
        metrics_render(metrics, &meanwhile);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_renders(metrics,
                   "# HELP c \n# TYPE c counter\nc 20000\n"
                   "# HELP h \n# TYPE h histogram\nh_bucket{le=\"0\"} 10000\nh_bucket{le=\"+Inf\"} 20000\n"
                   "h_sum 10000\nh_count 20000\n"
                   "# HELP made_by_all \n# TYPE made_by_all gauge\nmade_by_all 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_registry_is_an_empty_page),
        cmocka_unit_test(counters_and_gauges_have_help_type_and_value),
        cmocka_unit_test(label_sets_of_one_name_stand_under_one_head),
        cmocka_unit_test(the_same_name_and_labels_are_the_same_metric),
        cmocka_unit_test(the_texts_are_copied),
        cmocka_unit_test(a_histogram_counts_what_is_at_most_each_bound),
        cmocka_unit_test(a_histogram_without_labels_or_bounds_still_counts),
        cmocka_unit_test(no_number_counts_in_the_last_bucket_alone),
        cmocka_unit_test(buckets_add_up_whatever_is_observed),
        cmocka_unit_test(numbers_have_their_shortest_exact_spelling),
        cmocka_unit_test(infinities_and_no_number_have_names),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(help_is_escaped_but_its_quotes_stay),
        cmocka_unit_test(no_count_of_any_thread_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
