#include "committer-agent/commit/meter.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/testing.h"

struct fixture {
    struct metrics *metrics;
    struct meter *meter;
    struct strbuf page;
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));

    fix->metrics = metrics_new();
    fix->meter = meter_new(fix->metrics, 4);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;

    strbuf_done(&fix->page);
    meter_free(fix->meter);
    metrics_free(fix->metrics);
    free(fix);
    return 0;
}

static const char *page(struct fixture *fix)
{
    strbuf_reset(&fix->page);
    metrics_render(fix->metrics, &fix->page);
    return strbuf_text(&fix->page);
}

static void every_series_of_a_good_day_is_there_from_the_start(void **state)
{
    static const char *const lines[] = {
        "\nstasis_commit_phase_seconds_count{phase=\"resolving\"} 0\n",
        "\nstasis_commit_phase_seconds_count{phase=\"freezing\"} 0\n",
        "\nstasis_commit_phase_seconds_count{phase=\"capturing\"} 0\n",
        "\nstasis_commit_phase_seconds_count{phase=\"pushing\"} 0\n",
        "\nstasis_commit_phase_seconds_count{phase=\"holding\"} 0\n",
        "\nstasis_commit_frozen_seconds_count{path=\"hold\"} 0\n",
        "\nstasis_commit_frozen_seconds_count{path=\"handover\"} 0\n",
        "\nstasis_commit_frozen_seconds_count{path=\"live\"} 0\n",
        "\nstasis_commits_total{path=\"hold\",outcome=\"ok\"} 0\n",
        "\nstasis_commits_total{path=\"handover\",outcome=\"ok\"} 0\n",
        "\nstasis_commits_total{path=\"live\",outcome=\"ok\"} 0\n",
        "\nstasis_commit_read_bytes_total 0\n",
        "\nstasis_commit_written_bytes_total 0\n",
        "\nstasis_commit_pushed_bytes_total 0\n",
        "\nstasis_commit_files_total 0\n",
        "\nstasis_commit_warm_aliases_total 0\n",
        "\nstasis_commit_spool_bytes 0\n",
        "\nstasis_commit_slots 4\n",
        "\nstasis_commit_slots_used 0\n",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_contains(page(*state), lines[i]);
}

static void a_commit_is_counted_by_path_with_what_it_moved(void **state)
{
    struct fixture *fix = *state;
    const struct meter_commit commit = {.path = METER_HANDOVER,
                                        .elapsed_ms = 1500,
                                        .read_bytes = 100,
                                        .written_bytes = 40,
                                        .pushed_bytes = 30,
                                        .files = 7};

    meter_commit(fix->meter, &commit);
    meter_commit(fix->meter, &commit);
    assert_contains(page(fix), "\nstasis_commits_total{path=\"handover\",outcome=\"ok\"} 2\n");
    assert_contains(page(fix), "\nstasis_commit_seconds_sum{path=\"handover\",outcome=\"ok\"} 3\n");
    assert_contains(page(fix), "\nstasis_commit_read_bytes_total 200\n");
    assert_contains(page(fix), "\nstasis_commit_written_bytes_total 80\n");
    assert_contains(page(fix), "\nstasis_commit_pushed_bytes_total 60\n");
    assert_contains(page(fix), "\nstasis_commit_files_total 14\n");
    assert_contains(page(fix), "\nstasis_commits_total{path=\"hold\",outcome=\"ok\"} 0\n");
}

static void fail_commit(struct meter *meter, enum meter_path path, enum error_code code, const char *reason)
{
    struct error err = {.code = code};

    (void)snprintf(err.reason, sizeof(err.reason), "%s", reason);
    meter_commit(meter, &(struct meter_commit){.path = path, .failure = &err});
}

static void failures_are_told_apart_by_their_reason(void **state)
{
    struct fixture *fix = *state;

    fail_commit(fix->meter, METER_HOLD, ERR_EXHAUSTED, "DiskFull");
    fail_commit(fix->meter, METER_HOLD, ERR_EXHAUSTED, "DiskFull");
    fail_commit(fix->meter, METER_PATH_UNKNOWN, ERR_UNAVAILABLE, "");
    assert_contains(page(fix), "\nstasis_commits_total{path=\"hold\",outcome=\"DiskFull\"} 2\n");
    assert_contains(page(fix), "\nstasis_commits_total{path=\"unknown\",outcome=\"UNAVAILABLE\"} 1\n");
}

static void a_reason_that_nobody_knows_makes_no_new_series(void **state)
{
    struct fixture *fix = *state;
    char reason[32];

    for (int i = 0; i < 100; i++) {
        (void)snprintf(reason, sizeof(reason), "Strange%d", i);
        fail_commit(fix->meter, METER_LIVE, ERR_INTERNAL, reason);
    }
    assert_contains(page(fix), "\nstasis_commits_total{path=\"live\",outcome=\"INTERNAL\"} 100\n");
    assert_lacks(page(fix), "Strange");
}

static void a_watch_ends_each_phase_where_the_next_begins(void **state)
{
    struct fixture *fix = *state;
    struct meter_watch watch = meter_watch(fix->meter);

    meter_leave(&watch, 900); /* in none yet */
    meter_enter(&watch, COMMIT_RESOLVING, 1000);
    meter_enter(&watch, COMMIT_FREEZING, 1250);
    meter_enter(&watch, COMMIT_CAPTURING, 1252);
    meter_enter(&watch, COMMIT_DONE, 4252);
    meter_leave(&watch, 9999);
    meter_leave(&watch, 9999);
    assert_contains(page(fix), "\nstasis_commit_phase_seconds_sum{phase=\"resolving\"} 0.25\n");
    assert_contains(page(fix), "\nstasis_commit_phase_seconds_bucket{phase=\"resolving\",le=\"0.1\"} 0\n");
    assert_contains(page(fix), "\nstasis_commit_phase_seconds_bucket{phase=\"resolving\",le=\"0.25\"} 1\n");
    assert_contains(page(fix), "\nstasis_commit_phase_seconds_sum{phase=\"freezing\"} 0.002\n");
    assert_contains(page(fix), "\nstasis_commit_phase_seconds_sum{phase=\"capturing\"} 3\n");
    assert_contains(page(fix), "\nstasis_commit_phase_seconds_count{phase=\"capturing\"} 1\n");
    assert_contains(page(fix), "\nstasis_commit_phase_seconds_count{phase=\"pushing\"} 0\n");
}

static void frozen_time_is_told_by_path(void **state)
{
    struct fixture *fix = *state;

    meter_frozen(fix->meter, METER_LIVE, 20);
    meter_frozen(fix->meter, METER_HOLD, 61 * 1000);
    meter_frozen(fix->meter, METER_PATH_UNKNOWN, 1); /* never frozen for any */
    assert_contains(page(fix), "\nstasis_commit_frozen_seconds_bucket{path=\"live\",le=\"0.025\"} 1\n");
    assert_contains(page(fix), "\nstasis_commit_frozen_seconds_sum{path=\"hold\"} 61\n");
    assert_contains(page(fix), "\nstasis_commit_frozen_seconds_count{path=\"handover\"} 0\n");
}

static void the_gauges_show_what_lies_in_the_spool(void **state)
{
    struct fixture *fix = *state;
    char dir[] = "/tmp/stasis-meter-XXXXXX", path[64];

    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/spool", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 1 << 20), 0);
    close(fd);
    meter_refresh(fix->meter, dir, 3);
    assert_contains(page(fix), "\nstasis_commit_spool_bytes 1048576\n");
    assert_contains(page(fix), "\nstasis_commit_slots_used 3\n");
    assert_int_equal(unlink(path), 0);
    meter_refresh(fix->meter, dir, 0);
    assert_contains(page(fix), "\nstasis_commit_spool_bytes 0\n");
    assert_int_equal(rmdir(dir), 0);
    meter_refresh(fix->meter, dir, 0); /* not there any more: empty */
}

static void without_a_meter_nothing_happens(void **state)
{
    struct meter_watch watch = meter_watch(NULL);
    (void)state;

    meter_enter(&watch, COMMIT_RESOLVING, 1);
    meter_leave(&watch, 2);
    meter_phase(NULL, COMMIT_PUSHING, 1);
    meter_frozen(NULL, METER_HOLD, 1);
    meter_commit(NULL, &(struct meter_commit){.path = METER_HOLD});
    meter_warm(NULL);
    meter_refresh(NULL, "/", 1);
    meter_free(NULL);
}

static void warm_images_are_counted(void **state)
{
    struct fixture *fix = *state;

    meter_warm(fix->meter);
    assert_contains(page(fix), "\nstasis_commit_warm_aliases_total 1\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_series_of_a_good_day_is_there_from_the_start),
        TEST(a_commit_is_counted_by_path_with_what_it_moved),
        TEST(failures_are_told_apart_by_their_reason),
        TEST(a_reason_that_nobody_knows_makes_no_new_series),
        TEST(a_watch_ends_each_phase_where_the_next_begins),
        TEST(frozen_time_is_told_by_path),
        TEST(the_gauges_show_what_lies_in_the_spool),
        TEST(warm_images_are_counted),
        TEST(without_a_meter_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
