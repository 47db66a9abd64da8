/* How long a sandbox lives: stories of the clock of its time to live and of the limit for paused ones, and the law of the clock. Each
 * decision alone is a row of test_ttl_table.c. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

#define SANDBOX    (world->now.sandbox)
#define SECONDS(n) ((int64_t)(n)*1000)

static struct world *fresh(const char *phase)
{
    static struct world world;
    world_init(&world, phase);
    return &world;
}

static void done(struct world *world)
{
    if (world->broken_law)
        fail_msg("law broken: %s", world->broken_law);
    world_done(world);
}

static bool is_gone(const struct world *world)
{
    return !world->now.sandbox;
}

static int64_t time_at(const char *text)
{
    struct error err = {0};
    int64_t unix_ms = 0;

    assert_int_equal(rfc3339_parse(text, &unix_ms, &err), 0);
    return unix_ms;
}

static int64_t expiry_of(const struct world *world)
{
    return time_at(text_at(SANDBOX, "spec.expireTime"));
}

static void set_expiry(struct world *world, int64_t unix_ms)
{
    char text[RFC3339_SIZE];
    user_edits(world, "expireTime", json_string(rfc3339_format((unix_ms + 999) / 1000, text)));
}

/* One that has `left_ms` to live, and whose controller knows of it. */
static struct world *with_time_left(const char *phase, int64_t left_ms)
{
    struct world *world = fresh(phase);

    set_expiry(world, world->now_ms + left_ms);
    while (*pass_sandbox_once(world))
        continue;
    return world;
}

static void annotate(struct world *world, const char *key, const char *value)
{
    json_t *meta = json_object_get(SANDBOX, "metadata");

    if (!json_object_get(meta, "annotations"))
        json_object_set_new(meta, "annotations", json_object());
    json_object_set_new(json_object_get(meta, "annotations"), key, json_string(value));
}

static const char *stopped_at(const struct world *world)
{
    return annotation_of(world->now.sandbox, ANNOTATION_TTL_STOPPED_AT);
}

/* Everything that can happen at once happens; no time passes. */
static void comes_to_rest(struct world *world)
{
    for (int quiet = 0; quiet < 2 && world->now.sandbox;) {
        const long before = world->versions;
        (void)pass_sandbox_once(world);
        if (world->now.snapshot)
            (void)pass_snapshot_once(world);
        agent_finishes(world, AGENT_SUCCEEDED, NULL);
        kubelet_removes_deleted_pods(world);
        json_t *pod = first_pod(world);
        if (pod && strcmp(phase_of(pod), "Running") != 0)
            kubelet_sets(pod, "Running", true, NULL);
        quiet = world->versions == before ? quiet + 1 : 0;
    }
}

static void is_paused(struct world *world)
{
    user_pauses(world, PAUSE_TRUE);
    comes_to_rest(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
}

static void is_resumed(struct world *world)
{
    user_pauses(world, PAUSE_FALSE);
    comes_to_rest(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
}

/* ---- stories ---- */

static void a_running_sandbox_goes_when_its_time_is_over(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_sandbox(world, &world->now, &plan);
    assert_int_equal(plan.requeue_at_ms, world->now_ms + SECONDS(60));
    world->now_ms += SECONDS(60);
    assert_string_equal(pass_sandbox_once(world), "delete(demo)");
    assert_true(is_gone(world));
    done(world);
}

static void a_sandbox_that_nobody_understands_still_expires(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));

    json_object_set_new(json_object_get(first_pod(world), "metadata"), "name", json_string("-no-index-"));
    world->now_ms += SECONDS(61);
    assert_string_equal(pass_sandbox_once(world), "delete(demo)");
    done(world);
}

static void a_pause_stops_the_clock_without_a_write_more(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));

    user_pauses(world, PAUSE_TRUE);
    assert_string_equal(pass_sandbox_once(world), "status(Pausing) event(Pausing)");
    assert_string_equal(stopped_at(world), "");
    assert_string_equal(pass_sandbox_once(world), "patch(sandbox) create(demo-pause)");
    assert_int_equal(time_at(stopped_at(world)), world->now_ms);
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_PAUSE_CYCLE), "1");
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

static void a_paused_sandbox_outlives_its_time_and_goes_on_with_what_remained(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    const int64_t expiry_ms = expiry_of(world);

    world->now_ms += SECONDS(10);
    is_paused(world);
    world->now_ms += SECONDS(86400);
    world_plan_sandbox(world, &world->now, &plan);
    assert_int_equal(plan.count, 0);
    assert_int_equal(plan.requeue_at_ms, 0);
    assert_int_equal(expiry_of(world), expiry_ms); /* what the contract shows stays visible */

    is_resumed(world);
    assert_int_equal(expiry_of(world), expiry_ms + SECONDS(86400));
    assert_string_equal(stopped_at(world), "");
    world->now_ms += SECONDS(50) - 1;
    comes_to_rest(world);
    assert_false(is_gone(world));
    world->now_ms += 1;
    comes_to_rest(world);
    assert_true(is_gone(world));
    done(world);
}

static void an_accepted_pause_does_not_lose_to_a_late_controller(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));

    user_pauses(world, PAUSE_TRUE);
    world->now_ms += SECONDS(3600);
    assert_string_equal(pass_sandbox_once(world), "status(Pausing) event(Pausing)");
    comes_to_rest(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    done(world);
}

static void an_expiry_seen_in_an_old_copy_deletes_nothing(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));
    struct picture old = picture_copy(&world->now);
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    user_pauses(world, PAUSE_TRUE);
    world->now_ms += SECONDS(61);
    world_plan_sandbox(world, &old, &plan);
    assert_int_equal(plan.count, 1);
    assert_false(world_execute(world, &plan, SIZE_MAX));
    assert_false(is_gone(world));
    picture_done(&old);
    done(world);
}

static void a_pause_that_waits_for_its_pod_stops_the_clock_by_itself(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));

    kubelet_sets(first_pod(world), "Pending", false, NULL);
    while (*pass_sandbox_once(world))
        continue;
    user_pauses(world, PAUSE_TRUE);
    while (*pass_sandbox_once(world))
        continue;
    assert_string_equal(phase_of(SANDBOX), "Pending");
    assert_int_equal(time_at(stopped_at(world)), world->now_ms);
    world->now_ms += SECONDS(3600);
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

static void a_refused_pause_leaves_the_clock_running(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));
    const int64_t expiry_ms = expiry_of(world);

    user_edits(world, "replicas", json_integer(2));
    user_pauses(world, PAUSE_TRUE);
    while (*pass_sandbox_once(world))
        continue;
    assert_true(has_condition(SANDBOX, "PauseFailed"));
    assert_string_equal(stopped_at(world), "");
    assert_int_equal(expiry_of(world), expiry_ms);
    done(world);
}

/* The pause gate: generation rises, and nobody wished anything (K1, K2). */
static void starting_the_clock_is_nobodys_wish(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));

    is_paused(world);
    world->now_ms += SECONDS(100);
    user_pauses(world, PAUSE_FALSE);
    while (!has_condition(SANDBOX, "Ready")) {
        (void)pass_sandbox_once(world);
        if (first_pod(world))
            kubelet_sets(first_pod(world), "Running", true, NULL);
    }
    SCOPED(json) json_t *conditions = json_deep_copy(json_path(SANDBOX, "status.conditions"));
    SCOPED(string) char *endpoints = strdup(annotation_of(SANDBOX, ANNOTATION_ENDPOINTS));
    const long long acknowledged = status_number(SANDBOX, "pauseObservedGeneration");

    assert_string_equal(pass_sandbox_once(world), "patch(sandbox)");
    assert_string_equal(stopped_at(world), "");
    assert_string_equal(pass_sandbox_once(world), "status(Succeed)"); /* counts the generation */
    assert_int_equal(status_number(SANDBOX, "pauseObservedGeneration"), acknowledged + 1);
    assert_true(json_equal(json_path(SANDBOX, "status.conditions"), conditions));
    assert_string_equal(annotation_of(SANDBOX, ANNOTATION_ENDPOINTS), endpoints);
    (void)pass_snapshot_once(world);
    assert_string_equal(pass_sandbox_once(world), "");
    is_paused(world); /* and the next wish is heard */
    done(world);
}

/* A sandbox whose pause failed, up to the write that starts its clock again. */
static struct world *after_a_failed_pause(void)
{
    struct world *world = with_time_left("Succeed", SECONDS(600));

    user_pauses(world, PAUSE_TRUE);
    for (int i = 0; i < 20 && strcmp(phase_of(world->now.snapshot), "Committing") != 0; i++) {
        (void)pass_sandbox_once(world);
        if (world->now.snapshot)
            (void)pass_snapshot_once(world);
    }
    world->now_ms += SECONDS(30);
    agent_finishes(world, AGENT_FAILED, "RegistryDenied");
    while (!has_condition(SANDBOX, "PauseFailed")) {
        (void)pass_snapshot_once(world);
        (void)pass_sandbox_once(world);
    }
    while (*stopped_at(world))
        (void)pass_sandbox_once(world);
    return world;
}

static void a_pause_that_is_tried_again_right_behind_the_start_is_heard(void **state)
{
    (void)state;
    struct world *world = after_a_failed_pause();

    assert_true(status_number(SANDBOX, "pauseObservedGeneration") <
                json_integer_value(json_path(SANDBOX, "metadata.generation")));
    user_bridges(world, PAUSE_TRUE); /* before the controller has counted its own write */
    comes_to_rest(world);
    assert_string_equal(phase_of(SANDBOX), "Paused");
    done(world);
}

static void a_failed_pause_gives_back_the_time_it_took(void **state)
{
    (void)state;
    struct world *world = after_a_failed_pause();

    assert_int_equal(expiry_of(world), WORLD_START_MS + SECONDS(630));
    comes_to_rest(world); /* nobody asked for another one */
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    assert_true(has_condition(SANDBOX, "PauseFailed"));
    done(world);
}

static void an_edit_right_behind_the_start_is_no_wish(void **state)
{
    (void)state;
    struct world *world = after_a_failed_pause();

    set_expiry(world, world->now_ms + SECONDS(5000));
    comes_to_rest(world);
    assert_string_equal(phase_of(SANDBOX), "Succeed");
    done(world);
}

static void a_pause_that_an_older_version_took_stops_the_clock_when_it_is_seen(void **state)
{
    (void)state;
    struct world *world = fresh("Paused");

    set_expiry(world, world->now_ms + SECONDS(60));
    world->now_ms += SECONDS(3600);
    assert_string_equal(pass_sandbox_once(world), "status(Paused)");
    assert_string_equal(pass_sandbox_once(world), "patch(sandbox)");
    assert_int_equal(time_at(stopped_at(world)), world->now_ms);
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

static void without_an_expiry_there_is_nothing_to_note(void **state)
{
    (void)state;
    struct world *world = fresh("Succeed");

    is_paused(world);
    assert_string_equal(stopped_at(world), "");
    annotate(world, ANNOTATION_TTL_STOPPED_AT, "2030-01-01T00:00:00Z");
    assert_string_equal(pass_sandbox_once(world), "patch(sandbox)");
    assert_string_equal(stopped_at(world), "");
    done(world);
}

static void with_run_a_paused_sandbox_expires_after_what_once_stood_still_is_paid(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));

    is_paused(world);
    world->now_ms += SECONDS(100);
    world->config.ttl_runs_while_paused = true;
    while (*pass_sandbox_once(world))
        continue;
    assert_string_equal(phase_of(SANDBOX), "Paused");
    assert_int_equal(expiry_of(world), world->now_ms + SECONDS(60));
    world->now_ms += SECONDS(60);
    assert_string_equal(pass_sandbox_once(world), "delete(demo)");
    done(world);
}

/* ---- the law ---- */

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct account {
    uint64_t random;
    int64_t left_ms; /* what the user has paid for and not used */
    int pauses;      /* since the expiry was last set: each may round up by a second */
};

static int64_t pick_ms(struct account *account, int64_t most_ms)
{
    return (int64_t)(next_random(&account->random) % (uint64_t)most_ms);
}

static bool is_running(const struct world *world)
{
    return strcmp(phase_of(world->now.sandbox), "Succeed") == 0;
}

static void user_renews(struct world *world, struct account *account)
{
    char now[RFC3339_SIZE];

    account->left_ms = SECONDS(60) + pick_ms(account, SECONDS(600));
    account->pauses = !is_running(world); /* the one that is on will round, too */
    if (*stopped_at(world))
        annotate(world, ANNOTATION_TTL_STOPPED_AT, rfc3339_format_ms(world->now_ms, now));
    set_expiry(world, world->now_ms + account->left_ms);
    comes_to_rest(world);
}

/* It gets some of the way before time passes: Pausing, Paused, Resuming, or there. */
static void user_switches(struct world *world, struct account *account)
{
    const bool runs = is_running(world);

    user_pauses(world, runs ? PAUSE_TRUE : PAUSE_FALSE);
    account->pauses += runs;
    for (int64_t passes = runs ? 2 : pick_ms(account, 4); passes > 0; passes--)
        (void)pass_sandbox_once(world);
    if (pick_ms(account, 2) || is_running(world))
        comes_to_rest(world);
}

static void time_passes(struct world *world, struct account *account)
{
    const int64_t step_ms = pick_ms(account, SECONDS(120));

    if (is_running(world))
        account->left_ms -= step_ms;
    world->now_ms += step_ms;
    comes_to_rest(world);
}

static void check_account(struct world *world, const struct account *account, uint64_t seed)
{
    const int64_t more_ms = SECONDS(1 + account->pauses);

    if (is_gone(world)) {
        if (account->left_ms > 0 || account->left_ms + more_ms + SECONDS(120) < 0)
            fail_msg("walk %llu: it went with %lld ms left", (unsigned long long)seed,
                     (long long)account->left_ms);
        return;
    }
    if (!is_running(world))
        return;
    const int64_t granted_ms = expiry_of(world) - world->now_ms;
    if (*stopped_at(world) || granted_ms < account->left_ms || granted_ms > account->left_ms + more_ms)
        fail_msg("walk %llu: %lld ms paid for, %lld ms granted", (unsigned long long)seed,
                 (long long)account->left_ms, (long long)granted_ms);
}

static void the_time_to_live_is_the_time_it_runs(void **state)
{
    enum { WALKS = 40, STEPS = 60 };
    unsigned ends = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= WALKS; seed++) {
        struct account account = {.random = seed, .left_ms = SECONDS(600)};
        struct world *world = with_time_left("Succeed", account.left_ms);

        for (int step = 0; step < STEPS && !is_gone(world); step++) {
            const int64_t dice = pick_ms(&account, 100);
            if (dice < 30)
                user_switches(world, &account);
            else if (dice < 36)
                user_renews(world, &account);
            else
                time_passes(world, &account);
            check_account(world, &account, seed);
        }
        ends += is_gone(world);
        done(world); /* the world's own laws: what is paused never expires */
    }
    assert_in_range(ends, WALKS / 10, WALKS);
}

/* ---- retention ---- */

static struct world *paused_with_retention(int64_t retention_ms)
{
    struct world *world = fresh("Succeed");

    world->config.paused_retention_ms = retention_ms;
    is_paused(world);
    return world;
}

static size_t warnings(const struct world *world)
{
    size_t i, found = 0;
    json_t *event;

    json_array_foreach(world->events, i, event)
    {
        found += strcmp(json_string_value(event), "PausedRetention") == 0;
    }
    return found;
}

static int64_t wakes_at(struct world *world)
{
    SCOPED_PLAN struct plan plan = PLAN_INIT;

    world_plan_sandbox(world, &world->now, &plan);
    return plan.requeue_at_ms;
}

static void a_sandbox_that_stays_paused_is_warned_of_once_then_deleted(void **state)
{
    (void)state;
    struct world *world = paused_with_retention(SECONDS(1000));
    const int64_t paused_ms = world->now_ms;

    assert_int_equal(wakes_at(world), paused_ms + SECONDS(900));
    world->now_ms += SECONDS(899);
    assert_string_equal(pass_sandbox_once(world), "");
    world->now_ms += SECONDS(1);
    assert_string_equal(pass_sandbox_once(world), "event(PausedRetention) patch(sandbox)");
    assert_string_equal(pass_sandbox_once(world), "");
    assert_int_equal(wakes_at(world), paused_ms + SECONDS(1000));
    world->now_ms += SECONDS(100);
    assert_string_equal(pass_sandbox_once(world), "delete(demo)");
    assert_int_equal(warnings(world), 1);
    done(world);
}

static void by_default_a_paused_sandbox_is_kept_for_ever(void **state)
{
    (void)state;
    struct world *world = paused_with_retention(0);

    world->now_ms += SECONDS(1000000000);
    assert_int_equal(wakes_at(world), 0);
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

/* The limit was set, or the controller was down, long after it began. */
static void nobody_is_deleted_without_a_warning_in_time(void **state)
{
    (void)state;
    struct world *world = paused_with_retention(SECONDS(1000));

    world->now_ms += SECONDS(100000);
    assert_string_equal(pass_sandbox_once(world), "event(PausedRetention) patch(sandbox)");
    assert_int_equal(wakes_at(world), world->now_ms + SECONDS(100));
    world->now_ms += SECONDS(100) - 1;
    assert_string_equal(pass_sandbox_once(world), "");
    world->now_ms += 1;
    assert_string_equal(pass_sandbox_once(world), "delete(demo)");
    done(world);
}

static void a_resume_wins_over_the_retention(void **state)
{
    (void)state;
    struct world *world = paused_with_retention(SECONDS(1000));

    world->now_ms += SECONDS(950);
    (void)pass_sandbox_once(world);
    world->now_ms += SECONDS(50);
    is_resumed(world);
    is_paused(world); /* and the next pause has all of its time */
    assert_int_equal(wakes_at(world), world->now_ms + SECONDS(900));
    world->now_ms += SECONDS(900);
    (void)pass_sandbox_once(world);
    assert_int_equal(warnings(world), 2);
    done(world);
}

static void a_longer_limit_takes_the_warning_back(void **state)
{
    (void)state;
    struct world *world = paused_with_retention(SECONDS(1000));

    world->now_ms += SECONDS(950);
    (void)pass_sandbox_once(world);
    world->config.paused_retention_ms = SECONDS(5000);
    world->now_ms += SECONDS(1000);
    assert_string_equal(pass_sandbox_once(world), "");
    done(world);
}

static void the_retention_does_not_need_an_expiry_and_stands_beside_one(void **state)
{
    (void)state;
    struct world *world = with_time_left("Succeed", SECONDS(60));

    world->config.paused_retention_ms = SECONDS(1000);
    is_paused(world);
    world->now_ms += SECONDS(900);
    assert_string_equal(pass_sandbox_once(world), "event(PausedRetention) patch(sandbox)");
    world->now_ms += SECONDS(100);
    assert_string_equal(pass_sandbox_once(world), "delete(demo)");
    done(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_sandbox_goes_when_its_time_is_over),
        cmocka_unit_test(a_sandbox_that_nobody_understands_still_expires),
        cmocka_unit_test(a_pause_stops_the_clock_without_a_write_more),
        cmocka_unit_test(a_paused_sandbox_outlives_its_time_and_goes_on_with_what_remained),
        cmocka_unit_test(an_accepted_pause_does_not_lose_to_a_late_controller),
        cmocka_unit_test(an_expiry_seen_in_an_old_copy_deletes_nothing),
        cmocka_unit_test(a_pause_that_waits_for_its_pod_stops_the_clock_by_itself),
        cmocka_unit_test(a_refused_pause_leaves_the_clock_running),
        cmocka_unit_test(starting_the_clock_is_nobodys_wish),
        cmocka_unit_test(a_pause_that_is_tried_again_right_behind_the_start_is_heard),
        cmocka_unit_test(a_failed_pause_gives_back_the_time_it_took),
        cmocka_unit_test(an_edit_right_behind_the_start_is_no_wish),
        cmocka_unit_test(a_pause_that_an_older_version_took_stops_the_clock_when_it_is_seen),
        cmocka_unit_test(without_an_expiry_there_is_nothing_to_note),
        cmocka_unit_test(with_run_a_paused_sandbox_expires_after_what_once_stood_still_is_paid),
        cmocka_unit_test(the_time_to_live_is_the_time_it_runs),
        cmocka_unit_test(a_sandbox_that_stays_paused_is_warned_of_once_then_deleted),
        cmocka_unit_test(by_default_a_paused_sandbox_is_kept_for_ever),
        cmocka_unit_test(nobody_is_deleted_without_a_warning_in_time),
        cmocka_unit_test(a_resume_wins_over_the_retention),
        cmocka_unit_test(a_longer_limit_takes_the_warning_back),
        cmocka_unit_test(the_retention_does_not_need_an_expiry_and_stands_beside_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
