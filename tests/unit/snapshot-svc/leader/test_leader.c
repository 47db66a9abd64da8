/* Several leaders of one process, on one local cluster, each with a way of its own to it. */
#include "tests/unit/testing.h"

#include <pthread.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/metrics/metrics.h"
#include "snapshot-svc/leader/leader.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"
#include "tests/unit/snapshot-svc/leader/far_cluster.h"

#define NS         "test"
#define CANDIDATES 6
#define PATIENCE_S 120

/* Times that a test may wait for ... */
#define LEASE_MS    3000
#define DEADLINE_MS 1500
#define RETRY_MS    100
/* ... and such as it does not: what happens in time, happens because of an event. */
#define LONG_MS 600000

struct candidate {
    struct fixture *fixture;
    struct far_cluster far;
    struct leader *leader; /* NULL: not there */

    /* guarded by the fixture's lock */
    unsigned starts, losses;
    int64_t started_at_ms, lost_at_ms;
    char why[256];
};

struct fixture {
    struct local_kit *kit;
    struct candidate candidates[CANDIDATES];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    int leading;     /* now, by what the callbacks say */
    bool was_shared; /* two at once */
};

/* ---- what leaders tell ---- */

static void on_started(void *self)
{
    struct candidate *candidate = self;
    struct fixture *fixture = candidate->fixture;

    pthread_mutex_lock(&fixture->lock);
    candidate->starts++;
    candidate->started_at_ms = clock_monotonic_ms();
    fixture->was_shared |= ++fixture->leading > 1;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static void on_lost(void *self, const char *why)
{
    struct candidate *candidate = self;
    struct fixture *fixture = candidate->fixture;

    pthread_mutex_lock(&fixture->lock);
    candidate->losses++;
    candidate->lost_at_ms = clock_monotonic_ms();
    (void)snprintf(candidate->why, sizeof(candidate->why), "%s", why);
    fixture->leading--;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static void await_start(struct candidate *candidate)
{
    pthread_mutex_lock(&candidate->fixture->lock);
    while (candidate->starts == 0)
        pthread_cond_wait(&candidate->fixture->changed, &candidate->fixture->lock);
    pthread_mutex_unlock(&candidate->fixture->lock);
}

static void await_loss(struct candidate *candidate)
{
    pthread_mutex_lock(&candidate->fixture->lock);
    while (candidate->losses == 0)
        pthread_cond_wait(&candidate->fixture->changed, &candidate->fixture->lock);
    pthread_mutex_unlock(&candidate->fixture->lock);
}

static unsigned starts_of(struct candidate *candidate)
{
    pthread_mutex_lock(&candidate->fixture->lock);
    unsigned starts = candidate->starts;
    pthread_mutex_unlock(&candidate->fixture->lock);
    return starts;
}

static unsigned losses_of(struct candidate *candidate)
{
    pthread_mutex_lock(&candidate->fixture->lock);
    unsigned losses = candidate->losses;
    pthread_mutex_unlock(&candidate->fixture->lock);
    return losses;
}

/* ---- candidates ---- */

static void stand(struct candidate *candidate, int64_t lease_ms, int64_t deadline_ms, int64_t retry_ms)
{
    const struct leader_options options = {.cluster = &candidate->far.cluster,
                                           .ns = NS,
                                           .identity = "pod",
                                           .lease_duration_ms = lease_ms,
                                           .renew_deadline_ms = deadline_ms,
                                           .retry_period_ms = retry_ms,
                                           .on_started = on_started,
                                           .on_lost = on_lost,
                                           .self = candidate};
    struct error err = {0};

    candidate->leader = leader_new(&options);
    assert_ok(leader_start(candidate->leader, &err), &err);
}

static void stand_for_election(struct candidate *candidate)
{
    stand(candidate, LEASE_MS, DEADLINE_MS, RETRY_MS);
}

static void stand_patiently(struct candidate *candidate)
{
    stand(candidate, LONG_MS, LONG_MS / 2, LONG_MS / 4);
}

/* As a process that stops cleanly. */
static void step_down(struct candidate *candidate)
{
    struct fixture *fixture = candidate->fixture;

    if (!candidate->leader)
        return;
    pthread_mutex_lock(&fixture->lock);
    fixture->leading -= candidate->starts > candidate->losses; /* its work stops first */
    pthread_mutex_unlock(&fixture->lock);
    leader_stop(candidate->leader);
    leader_free(TAKE(candidate->leader));
}

/* So many since it stood. */
static void await_calls_in_all(struct candidate *candidate, unsigned calls)
{
    pthread_mutex_lock(&candidate->far.lock);
    while (candidate->far.calls < calls)
        pthread_cond_wait(&candidate->far.changed, &candidate->far.lock);
    pthread_mutex_unlock(&candidate->far.lock);
}

static void await_calls(struct candidate *candidate, unsigned more)
{
    await_calls_in_all(candidate, far_cluster_calls(&candidate->far) + more);
}

/* ---- the Lease, past all of them ---- */

static json_t *read_lease(struct fixture *fixture)
{
    struct error err = {0};
    json_t *lease = NULL;

    assert_ok(cluster_get(fixture->kit->cluster, KIND_LEASE, NS, LEADER_LEASE_NAME, &lease, &err), &err);
    return lease;
}

static void assert_holder(struct fixture *fixture, const char *holder)
{
    SCOPED(json) json_t *lease = read_lease(fixture);
    assert_string_equal(json_path_string(lease, "spec.holderIdentity"), holder);
}

static json_t *parsed(const char *text)
{
    SCOPED(string) char *copy = xstrdup(text);
    struct error err = {0};
    json_t *value = NULL;

    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    assert_ok(json_parse(copy, strlen(copy), "test", &value, &err), &err);
    return value;
}

static void make_lease(struct fixture *fixture, const char *spec)
{
    SCOPED(string)
    char *text = xasprintf("{'apiVersion': 'coordination.k8s.io/v1', 'kind': 'Lease', 'metadata': "
                           "{'name': '" LEADER_LEASE_NAME "'}, 'spec': %s}",
                           spec);
    SCOPED(json) json_t *lease = parsed(text);
    struct error err = {0};

    assert_ok(cluster_create(fixture->kit->cluster, KIND_LEASE, NS, lease, NULL, &err), &err);
}

static void patch_lease(struct fixture *fixture, const char *merge_patch)
{
    SCOPED(json) json_t *patch = parsed(merge_patch);
    struct error err = {0};

    assert_ok(
        cluster_patch(fixture->kit->cluster, KIND_LEASE, NS, LEADER_LEASE_NAME, patch, NULL, NULL, &err),
        &err);
}

/* ---- setting up ---- */

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));

    alarm(PATIENCE_S); /* what never happens ends the program */
    fixture->kit = local_kit_new();
    local_kit_open(fixture->kit);
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    for (size_t i = 0; i < CANDIDATES; i++) {
        fixture->candidates[i].fixture = fixture;
        far_cluster_init(&fixture->candidates[i].far, fixture->kit->cluster);
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < CANDIDATES; i++) {
        far_cluster_is(&fixture->candidates[i].far, FAR_WELL);
        step_down(&fixture->candidates[i]);
        far_cluster_done(&fixture->candidates[i].far);
    }
    const bool was_shared = fixture->was_shared;
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->lock);
    local_kit_free(fixture->kit);
    free(fixture);
    assert_false(was_shared); /* the law of all these tests */
    return 0;
}

/* ---- one of them leads ---- */

static void the_first_leads_and_writes_what_others_understand(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    stand_patiently(first);
    await_start(first);
    assert_true(leader_is(first->leader));
    SCOPED(json) json_t *lease = read_lease(fixture);
    assert_string_equal(json_path_string(lease, "spec.holderIdentity"), leader_identity(first->leader));
    assert_int_equal(json_integer_value(json_path(lease, "spec.leaseDurationSeconds")), LONG_MS / 1000);
    assert_int_equal(json_integer_value(json_path(lease, "spec.leaseTransitions")), 0);
    assert_int_equal(strlen(json_path_string(lease, "spec.acquireTime")),
                     strlen("2030-01-01T00:00:00.123456Z"));
    assert_string_equal(json_path_string(lease, "spec.renewTime"),
                        json_path_string(lease, "spec.acquireTime"));
}

static void a_leader_that_renews_keeps_the_lease(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0], *second = &fixture->candidates[1];

    stand_for_election(first);
    await_start(first);
    stand_for_election(second);
    SCOPED(json) json_t *before = read_lease(fixture);
    await_calls(first, LEASE_MS / RETRY_MS + 5); /* for longer than it lasts */
    SCOPED(json) json_t *after = read_lease(fixture);
    assert_true(leader_is(first->leader));
    assert_false(leader_is(second->leader));
    assert_int_equal(starts_of(second), 0);
    assert_string_not_equal(json_path_string(before, "spec.renewTime"),
                            json_path_string(after, "spec.renewTime"));
    assert_string_equal(json_path_string(before, "spec.acquireTime"),
                        json_path_string(after, "spec.acquireTime"));
}

static void a_follower_asks_nothing_while_the_leader_is_well(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0], *second = &fixture->candidates[1];

    stand_for_election(first);
    await_start(first);
    stand_for_election(second);
    await_calls(first, 10);
    assert_in_range(far_cluster_calls(&second->far), 0,
                    1); /* a look at the start; the watch tells the rest */
}

/* The watch tells them, too. */
static void a_leader_does_not_answer_its_own_writes(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    stand_for_election(first);
    await_start(first);
    far_cluster_await_watch(&first->far);
    far_cluster_is(&first->far, FAR_TELLS_FIRST);
    const int64_t begin_ms = clock_monotonic_ms();
    await_calls(first, 10);
    assert_true(clock_monotonic_ms() - begin_ms >= 5 * RETRY_MS);
}

static void the_gauge_says_who_leads(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];
    SCOPED(metrics) struct metrics *metrics = metrics_new();
    SCOPED_STRBUF struct strbuf led = STRBUF_INIT, over = STRBUF_INIT;
    struct error err = {0};
    const struct leader_options options = {.cluster = &first->far.cluster,
                                           .ns = NS,
                                           .identity = "pod",
                                           .metrics = metrics,
                                           .on_started = on_started,
                                           .on_lost = on_lost,
                                           .self = first};

    first->leader = leader_new(&options);
    assert_ok(leader_start(first->leader, &err), &err);
    await_start(first);
    metrics_render(metrics, &led);
    assert_contains(strbuf_text(&led), "stasis_leader 1");
    step_down(first);
    metrics_render(metrics, &over);
    assert_contains(strbuf_text(&over), "stasis_leader 0");
}

static void durations_that_would_let_two_lead_are_refused(void **state)
{
    static const int64_t rows[][3] = {
        {10000, 10000, 2000}, {10000, 15000, 2000}, {15000, 2000, 2000}, {15000, 10000, 12000}, {-1, 1, 1}};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct leader_options options = {.cluster = fixture->kit->cluster,
                                               .ns = NS,
                                               .identity = "pod",
                                               .lease_duration_ms = rows[i][0],
                                               .renew_deadline_ms = rows[i][1],
                                               .retry_period_ms = rows[i][2],
                                               .on_started = on_started,
                                               .on_lost = on_lost};
        SCOPED(leader) struct leader *leader = leader_new(&options);
        struct error err = {0};
        assert_fails(leader_start(leader, &err), &err, ERR_INVALID, "renew deadline");
    }
}

/* ---- the next one ---- */

static void a_released_lease_is_taken_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0], *second = &fixture->candidates[1];

    stand_patiently(first);
    await_start(first);
    stand_patiently(second);
    far_cluster_await_watch(&second->far); /* it has seen who leads */
    step_down(first);
    await_start(second); /* by the watch: all its times are too long */
    assert_holder(fixture, leader_identity(second->leader));
    SCOPED(json) json_t *lease = read_lease(fixture);
    assert_int_equal(json_integer_value(json_path(lease, "spec.leaseTransitions")), 1);
}

static void a_lease_given_back_is_nobodys(void **state)
{
    struct fixture *fixture = *state;

    stand_patiently(&fixture->candidates[0]);
    await_start(&fixture->candidates[0]);
    step_down(&fixture->candidates[0]);
    assert_holder(fixture, "");
}

static void a_follower_that_stops_leaves_the_lease_alone(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0], *second = &fixture->candidates[1];

    stand_patiently(first);
    await_start(first);
    stand_patiently(second);
    step_down(second);
    assert_holder(fixture, leader_identity(first->leader));
    assert_int_equal(starts_of(second), 0);
}

/* To the others a process that was killed looks like one whose calls do not arrive. */
static void a_leader_that_dies_is_followed_when_its_lease_runs_out_and_not_before(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0], *second = &fixture->candidates[1];

    stand_for_election(first);
    await_start(first);
    stand_for_election(second);
    await_calls(first, 2);
    far_cluster_is(&first->far, FAR_CUT);
    const int64_t died_at_ms = clock_monotonic_ms();
    await_start(second);
    assert_int_equal(losses_of(first), 1); /* before: see tear_down() */
    assert_in_range(second->started_at_ms - died_at_ms, LEASE_MS / 2, 2 * LEASE_MS);

    far_cluster_is(&first->far, FAR_WELL); /* its late write arrives */
    await_calls(second, 3);
    assert_holder(fixture, leader_identity(second->leader));
    assert_true(leader_is(second->leader));
    assert_false(leader_is(first->leader));
    assert_int_equal(starts_of(first), 1);
}

static void of_many_one_leads_at_a_time_and_each_in_its_turn(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < CANDIDATES; i++)
        stand_patiently(&fixture->candidates[i]);
    for (size_t turn = 0; turn < CANDIDATES; turn++) {
        struct candidate *leads = NULL;
        pthread_mutex_lock(&fixture->lock);
        while (fixture->leading == 0)
            pthread_cond_wait(&fixture->changed, &fixture->lock);
        pthread_mutex_unlock(&fixture->lock);
        for (size_t i = 0; i < CANDIDATES; i++)
            if (fixture->candidates[i].leader && starts_of(&fixture->candidates[i]))
                leads = &fixture->candidates[i];
        assert_non_null(leads);
        assert_holder(fixture, leader_identity(leads->leader));
        step_down(leads);
    }
    assert_holder(fixture, "");
}

/* ---- an API server that is away ---- */

static void an_absence_shorter_than_the_deadline_is_survived(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    stand(first, 3 * LEASE_MS, 2 * LEASE_MS, RETRY_MS);
    await_start(first);
    far_cluster_is(&first->far, FAR_AWAY);
    await_calls(first, 4);
    far_cluster_is(&first->far, FAR_WELL);
    await_calls(first, 2);
    assert_true(leader_is(first->leader));
    assert_int_equal(losses_of(first), 0);
    assert_int_equal(starts_of(first), 1);
}

static void an_absence_longer_than_the_deadline_ends_it_in_time(void **state)
{
    static const enum far_mood moods[] = {FAR_AWAY, FAR_HANGS};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 2; i++) {
        struct candidate *candidate = &fixture->candidates[i];
        stand_for_election(candidate);
        await_start(candidate);
        far_cluster_is(&candidate->far, moods[i]);
        const int64_t away_at_ms = clock_monotonic_ms();
        await_loss(candidate); /* even while the call that should have renewed hangs */
        assert_in_range(candidate->lost_at_ms - away_at_ms, DEADLINE_MS / 2, LEASE_MS);
        assert_string_equal(candidate->why, "the Lease could not be renewed in time");
        assert_false(leader_is(candidate->leader));
        far_cluster_is(&candidate->far, FAR_WELL);
        step_down(candidate);
        assert_int_equal(losses_of(candidate), 1);
        assert_int_equal(starts_of(candidate), 1); /* it is final */
    }
}

static void an_absence_at_the_start_only_delays(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    far_cluster_is(&first->far, FAR_AWAY);
    stand_for_election(first);
    await_calls(first, 2);
    assert_int_equal(starts_of(first), 0);
    far_cluster_is(&first->far, FAR_WELL);
    await_start(first);
}

static void a_claim_whose_answer_was_lost_is_found_to_be_ours(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    far_cluster_is(&first->far, FAR_MUTE);
    stand(first, LONG_MS, LONG_MS / 2, RETRY_MS);
    await_calls(first, 3);
    assert_int_equal(starts_of(first), 0); /* nobody knows that it leads, so it does not */
    assert_holder(fixture, leader_identity(first->leader));
    far_cluster_is(&first->far, FAR_WELL);
    await_start(first); /* not after the lease, which is its own */
}

/* ---- what others do to the Lease ---- */

static void a_foreign_holder_is_waited_for_and_succeeded(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    make_lease(fixture, "{'holderIdentity': 'somebody', 'leaseDurationSeconds': 1, 'leaseTransitions': 7, "
                        "'renewTime': '2999-01-01T00:00:00.000000Z'}");
    const int64_t begin_ms = clock_monotonic_ms();
    stand(first, LONG_MS, LONG_MS / 2, RETRY_MS);
    await_start(first);
    assert_in_range(first->started_at_ms - begin_ms, 1000, 5000);
    SCOPED(json) json_t *lease = read_lease(fixture);
    assert_int_equal(json_integer_value(json_path(lease, "spec.leaseTransitions")), 8);
}

static void a_corrupt_lease_is_somebodys_until_its_time_is_over(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    make_lease(fixture,
               "{'holderIdentity': {'a': 1}, 'leaseDurationSeconds': 'many', 'leaseTransitions': -3}");
    const int64_t begin_ms = clock_monotonic_ms();
    stand_for_election(first);
    await_start(first);
    assert_in_range(first->started_at_ms - begin_ms, LEASE_MS, 3 * LEASE_MS);
    assert_holder(fixture, leader_identity(first->leader));
}

static void an_empty_lease_is_taken_at_once(void **state)
{
    struct fixture *fixture = *state;

    make_lease(fixture, "{}");
    stand_patiently(&fixture->candidates[0]);
    await_start(&fixture->candidates[0]);
}

static void a_write_that_conflicts_is_decided_anew(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    stand_for_election(first);
    await_start(first);
    for (int i = 0; i < 10; i++) {
        SCOPED(string) char *patch = xasprintf("{'metadata': {'annotations': {'note': '%d'}}}", i);
        patch_lease(fixture, patch);
        await_calls(first, 1);
    }
    assert_true(leader_is(first->leader));
    assert_int_equal(losses_of(first), 0);
    SCOPED(json) json_t *lease = read_lease(fixture);
    assert_string_equal(json_path_string(lease, "metadata.annotations.note"), "9");
}

static void a_lease_taken_by_force_is_lost_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0];

    stand_patiently(first);
    await_start(first);
    patch_lease(fixture, "{'spec': {'holderIdentity': 'somebody'}}");
    await_loss(first);
    assert_contains(first->why, "somebody");
    step_down(first);
    assert_holder(fixture, "somebody");
}

static void a_deleted_lease_is_made_again_by_its_holder_and_by_nobody_else(void **state)
{
    struct fixture *fixture = *state;
    struct candidate *first = &fixture->candidates[0], *second = &fixture->candidates[1];
    struct error err = {0};

    stand_patiently(first);
    await_start(first);
    stand_patiently(second);
    far_cluster_await_watch(&first->far);
    far_cluster_await_watch(&second->far);
    const unsigned before = far_cluster_calls(&first->far);
    assert_ok(cluster_remove(fixture->kit->cluster, KIND_LEASE, NS, LEADER_LEASE_NAME, NULL, -1, &err), &err);
    await_calls_in_all(first, before + 1);
    step_down(second); /* whatever it was at is done */
    assert_int_equal(starts_of(second), 0);
    assert_int_equal(losses_of(first), 0);
    assert_true(leader_is(first->leader));
    step_down(first);
    assert_holder(fixture, "");
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(the_first_leads_and_writes_what_others_understand),
        SCENE(a_leader_that_renews_keeps_the_lease),
        SCENE(a_follower_asks_nothing_while_the_leader_is_well),
        SCENE(a_leader_does_not_answer_its_own_writes),
        SCENE(the_gauge_says_who_leads),
        SCENE(durations_that_would_let_two_lead_are_refused),
        SCENE(a_released_lease_is_taken_at_once),
        SCENE(a_lease_given_back_is_nobodys),
        SCENE(a_follower_that_stops_leaves_the_lease_alone),
        SCENE(a_leader_that_dies_is_followed_when_its_lease_runs_out_and_not_before),
        SCENE(of_many_one_leads_at_a_time_and_each_in_its_turn),
        SCENE(an_absence_shorter_than_the_deadline_is_survived),
        SCENE(an_absence_longer_than_the_deadline_ends_it_in_time),
        SCENE(an_absence_at_the_start_only_delays),
        SCENE(a_claim_whose_answer_was_lost_is_found_to_be_ours),
        SCENE(a_foreign_holder_is_waited_for_and_succeeded),
        SCENE(a_corrupt_lease_is_somebodys_until_its_time_is_over),
        SCENE(an_empty_lease_is_taken_at_once),
        SCENE(a_write_that_conflicts_is_decided_anew),
        SCENE(a_lease_taken_by_force_is_lost_at_once),
        SCENE(a_deleted_lease_is_made_again_by_its_holder_and_by_nobody_else),
    };
    return cmocka_run_group_tests_name("leader", tests, NULL, NULL);
}
