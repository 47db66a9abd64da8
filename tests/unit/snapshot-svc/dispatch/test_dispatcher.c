/* The dispatcher against an agent that speaks real gRPC. */
#include "tests/unit/snapshot-svc/dispatch/dispatch_kit.h"

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/rpc/tls.h"

/* ---- outcomes ---- */

static void a_key_that_was_never_asked_about_is_unknown(void **state)
{
    assert_int_equal(state_of(*state, KEY), COMMIT_UNKNOWN);
}

static void a_success_tells_every_image(void **state)
{
    struct fixture *fixture = *state;
    SCOPED_COMMIT_VIEW struct commit_view view = {0};

    follow(fixture, KEY, SOON_MS);
    assert_int_equal(state_of(fixture, KEY), COMMIT_RUNNING);
    fake_committer_await_calls(fixture->agent, 1);
    fake_committer_succeeds(fixture->agent, KEY);
    await_outcome(fixture, KEY, &view);

    assert_int_equal(view.state, COMMIT_SUCCEEDED);
    assert_int_equal(view.image_count, 1);
    assert_string_equal(view.images[0].container, "main");
    assert_string_equal(view.images[0].image, "registry:5000/demo-main:snap-gen1");
    assert_string_equal(view.images[0].digest, fake_committer_seen(fixture->agent).digest);
    assert_int_equal(view.images[0].image_size, 1000);
    assert_int_equal(view.images[0].layers, 2);
    assert_int_equal(view.frozen_ms, 7);
    assert_string_equal(fixture->told[0].snapshot, "demo-pause");
}

static void the_call_carries_credentials_hold_and_what_is_left_of_the_time(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow(fixture, KEY, SOON_MS);
    assert_succeeds(fixture, KEY);

    struct fake_seen seen = fake_committer_seen(fixture->agent);
    assert_string_equal(seen.docker_config, DOCKERCONFIG);
    assert_string_equal(seen.hold, "hold");
    assert_true(seen.insecure);
    assert_in_range(seen.timeout_ms, SOON_MS / 2, SOON_MS);
}

static void a_failure_that_the_agent_tells_is_final(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_FAILS);
    follow(fixture, KEY, SOON_MS);
    assert_fails_with(fixture, KEY, "RegistryUnauthorized");
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 1);
}

static void asking_twice_follows_once(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, SOON_MS);
    follow(fixture, KEY, SOON_MS);
    fake_committer_await_calls(fixture->agent, 1);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    follow(fixture, KEY, SOON_MS); /* known already */
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 1);
    assert_int_equal(dispatcher_load(fixture->dispatcher).followed, 0);
}

/* ---- what may pass is tried again ---- */

static void a_broken_stream_attaches_to_the_same_commit(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_breaks(fixture->agent, 3);
    follow(fixture, KEY, SOON_MS);
    fake_committer_await_calls(fixture->agent, 4);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commits_begun, 1);
}

static void an_agent_that_starts_late_is_found(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow(fixture, KEY, SOON_MS);
    fake_committer_start(fixture->agent);
    assert_succeeds(fixture, KEY);
}

static void an_agent_that_restarts_is_attached_to_again(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, SOON_MS);
    fake_committer_await_followers(fixture->agent, 1);
    fake_committer_stop(fixture->agent);
    fake_committer_start(fixture->agent);
    fake_committer_await_calls(fixture->agent, 2);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
}

/* The agent cancels what it runs when it stops; nobody here asked for that. */
static void a_commit_that_went_with_its_agent_begins_anew(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, SOON_MS);
    fake_committer_await_calls(fixture->agent, 1);
    fake_committer_fails(fixture->agent, KEY, "CommitCancelled");
    fake_committer_await_calls(fixture->agent, 2);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commits_begun, 2);
}

static void a_full_node_is_waited_for(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    fake_committer_refuses(fixture->agent, 3, ERR_EXHAUSTED, NULL);
    follow(fixture, KEY, SOON_MS);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 4);
}

static void a_pod_under_another_commit_is_waited_for(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, "other.1", SOON_MS);
    fake_committer_await_calls(fixture->agent, 1);
    follow(fixture, KEY, SOON_MS);
    fake_committer_await_calls(fixture->agent, 3); /* the second tries, and tries again */
    assert_int_equal(state_of(fixture, KEY), COMMIT_RUNNING);
    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    fake_committer_fails(fixture->agent, "other.1", "RegistryError");
    assert_succeeds(fixture, KEY);
}

static void a_secret_that_comes_back_is_used(void **state)
{
    struct fixture *fixture = *state;

    fixture->secret_failures = 2;
    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow(fixture, KEY, SOON_MS);
    assert_succeeds(fixture, KEY);
}

/* ---- until the deadline ---- */

static void an_agent_that_nobody_reaches_fails_at_the_deadline(void **state)
{
    struct fixture *fixture = *state;

    const int64_t begin_ms = clock_monotonic_ms();
    follow(fixture, KEY, 300);
    assert_fails_with(fixture, KEY, "AgentUnreachable");
    assert_true(clock_monotonic_ms() - begin_ms >= 250);
}

static void a_node_without_an_agent_fails_at_the_deadline(void **state)
{
    struct fixture *fixture = *state;
    const struct action commit = {.type = ACTION_COMMIT,
                                  .ns = (char *)"default",
                                  .name = (char *)"demo-pause",
                                  .node = (char *)"another-node",
                                  .commit_key = (char *)KEY,
                                  .timeout_ms = 50,
                                  .deadline_ms = clock_realtime_ms() + 50};

    dispatcher_commit(fixture->dispatcher, &commit);
    assert_fails_with(fixture, KEY, "AgentUnreachable");
}

static void a_node_that_stays_full_fails_with_its_reason(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_refuses(fixture->agent, 1000, ERR_PRECONDITION, "CommitSuperseded");
    follow(fixture, KEY, 200);
    assert_fails_with(fixture, KEY, "CommitSuperseded");
    assert_true(fake_committer_seen(fixture->agent).commit_calls > 1);
}

static void a_late_attach_still_gets_the_outcome(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow(fixture, KEY, -60 * 1000); /* the deadline passed while we were not there */
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).timeout_ms, 1);
}

static void a_refused_request_fails_at_once(void **state)
{
    static const enum error_code codes[] = {ERR_INVALID, ERR_EXISTS, ERR_DENIED, ERR_UNSUPPORTED};
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        SCOPED(string) char *key = xasprintf("uid-%u.1", i);
        fake_committer_refuses(fixture->agent, 1, codes[i], NULL);
        follow(fixture, key, SOON_MS);
        assert_fails_with(fixture, key, "CommitRefused");
        assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, i + 1);
    }
}

/* A CA is renewed on one side before the other: both ends are as willing as before, a moment later. */
static void a_peer_that_is_not_trusted_yet_is_asked_again(void **state)
{
    static const char *const reasons[] = {RPC_PEER_NOT_TRUSTED, RPC_ROLE_NOT_ALLOWED};
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    for (unsigned i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        SCOPED(string) char *key = xasprintf("uid-%u.1", i);
        fake_committer_refuses(fixture->agent, 2, ERR_DENIED, reasons[i]);
        follow_on_pod(fixture, key, key, SOON_MS);
        assert_succeeds(fixture, key);
        assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 3 * (i + 1));
    }
}

/* ---- progress ---- */

static void progress_is_told_at_most_once_in_a_while_and_the_last_is_not_lost(void **state)
{
    enum { EVENTS = 50 };
    struct fixture *fixture = *state;

    follow(fixture, KEY, SOON_MS);
    fake_committer_await_followers(fixture->agent, 1);
    const int64_t begin_ms = clock_monotonic_ms();
    for (unsigned i = 1; i <= EVENTS; i++) {
        fake_committer_progresses(fixture->agent, KEY, i);
        fake_committer_await_progress(fixture->agent, i);
    }
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    const unsigned seconds = (unsigned)((clock_monotonic_ms() - begin_ms) / 1000);

    pthread_mutex_lock(&fixture->lock);
    assert_in_range(fixture->told_count, 2, 3 + seconds); /* the first, what followed it, and the outcome */
    assert_int_equal(fixture->told[0].delay_ms, 0);
    assert_in_range(fixture->told[1].delay_ms, 1, 1000); /* what came right after the first, together */
    pthread_mutex_unlock(&fixture->lock);
}

static void the_view_has_the_newest_progress(void **state)
{
    struct fixture *fixture = *state;
    SCOPED_COMMIT_VIEW struct commit_view view = {0};

    follow(fixture, KEY, SOON_MS);
    fake_committer_await_followers(fixture->agent, 1);
    fake_committer_progresses(fixture->agent, KEY, 4096);
    await_telling(fixture, 1);
    dispatcher_view(fixture->dispatcher, KEY, &view);
    assert_int_equal(view.state, COMMIT_RUNNING);
    assert_string_equal(view.progress.phase, "Capturing");
    assert_int_equal(view.progress.bytes_read, 4096);
}

/* ---- release ---- */

static void hold(struct fixture *fixture)
{
    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow(fixture, KEY, SOON_MS);
    assert_succeeds(fixture, KEY);
}

static void a_held_pod_is_killed_and_asking_again_is_fine(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    hold(fixture);
    assert_ok(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err);
    assert_ok(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err);
    assert_true(fake_committer_seen(fixture->agent).pod_is_killed);
    assert_int_equal(state_of(fixture, KEY), COMMIT_SUCCEEDED);
}

static void a_hold_that_ran_out_fails_the_view(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    hold(fixture);
    fake_committer_hold_runs_out(fixture->agent, KEY);
    assert_fails(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err,
                 ERR_PRECONDITION, KEY);
    assert_fails_with(fixture, KEY, "HoldExpired");
}

static void a_commit_that_the_agent_forgot_fails_the_view_even_after_a_restart_of_ours(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    assert_fails(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err, ERR_NOT_FOUND,
                 KEY);
    assert_fails_with(fixture, KEY, "CommitLost");
    assert_string_equal(fake_committer_seen(fixture->agent).unpaused_pod, POD_UID);
}

static void a_forgotten_pod_that_cannot_be_thawed_yet_is_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    hold(fixture);
    fake_committer_forgets(fixture->agent);
    fake_committer_refuses_unpause(fixture->agent, true);
    assert_fails(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err,
                 ERR_UNAVAILABLE, POD_UID);
    assert_int_equal(state_of(fixture, KEY), COMMIT_SUCCEEDED);
    fake_committer_refuses_unpause(fixture->agent, false);
    assert_fails(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err, ERR_NOT_FOUND,
                 KEY);
    assert_fails_with(fixture, KEY, "CommitLost");
}

static void an_unreachable_agent_does_not_fail_the_view(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    hold(fixture);
    fake_committer_stop(fixture->agent);
    assert_int_equal(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), -1);
    assert_true(error_is_transient(err.code));
    assert_int_equal(state_of(fixture, KEY), COMMIT_SUCCEEDED);
}

/* ---- cancel, forget, stop ---- */

static void a_cancelled_commit_is_followed_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    follow(fixture, KEY, SOON_MS);
    fake_committer_await_followers(fixture->agent, 1);
    assert_ok(dispatcher_cancel(fixture->dispatcher, NODE, KEY, &err), &err);
    fake_committer_await_followers(fixture->agent, 0);
    assert_fails_with(fixture, KEY, "CommitCancelled");
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 1);
    assert_int_equal(dispatcher_load(fixture->dispatcher).followed, 0);
}

/* So that what they were at is done. */
static void end_followers(struct fixture *fixture)
{
    dispatcher_stop(fixture->dispatcher);
}

static void an_unknown_key_can_be_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    assert_ok(dispatcher_cancel(fixture->dispatcher, NODE, "nobody.7", &err), &err);
    assert_int_equal(state_of(fixture, "nobody.7"), COMMIT_UNKNOWN);
}

static void a_cancel_that_cannot_be_told_stops_the_retries_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    follow(fixture, KEY, SOON_MS);
    assert_int_equal(dispatcher_cancel(fixture->dispatcher, NODE, KEY, &err), -1);
    assert_true(error_is_transient(err.code));
    assert_fails_with(fixture, KEY, "CommitCancelled");
    assert_int_equal(dispatcher_load(fixture->dispatcher).followed, 0);
}

static void a_cancel_that_could_not_be_told_is_told_when_the_agent_is_back(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    follow(fixture, KEY, SOON_MS);
    assert_int_equal(dispatcher_cancel(fixture->dispatcher, NODE, KEY, &err), -1);
    assert_int_equal(dispatcher_cancel(fixture->dispatcher, NODE, "of-an-earlier-process.1", &err), -1);
    dispatcher_forget(fixture->dispatcher, "uid-1"); /* the snapshot may be gone by then */
    assert_int_equal(state_of(fixture, KEY), COMMIT_UNKNOWN);
    fake_committer_start(fixture->agent);
    fake_committer_await_cancels(fixture->agent, 2);
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 0);
    end_followers(fixture);
    assert_int_equal(dispatcher_load(fixture->dispatcher).known, 0);
}

/* It may have finished meanwhile, and hold its containers frozen for nobody. */
static void a_commit_given_up_is_cancelled_when_the_agent_is_back(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, 300);
    fake_committer_await_followers(fixture->agent, 1);
    fake_committer_stop(fixture->agent);
    assert_fails_with(fixture, KEY, "AgentUnreachable");
    fake_committer_start(fixture->agent);
    fake_committer_await_cancels(fixture->agent, 1);
}

static void a_snapshot_that_is_gone_is_forgotten_with_all_its_attempts(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_FAILS);
    follow(fixture, "uid-1.1", SOON_MS);
    assert_fails_with(fixture, "uid-1.1", "RegistryUnauthorized");
    fake_committer_plans(fixture->agent, FAKE_WAITS);
    follow(fixture, "uid-1.2", SOON_MS);
    follow_on_pod(fixture, "uid-12.1", "other-pod", SOON_MS);
    fake_committer_await_followers(fixture->agent, 2);

    dispatcher_forget(fixture->dispatcher, "uid-1");
    fake_committer_await_followers(fixture->agent, 1);
    assert_int_equal(state_of(fixture, "uid-1.1"), COMMIT_UNKNOWN);
    assert_int_equal(state_of(fixture, "uid-12.1"), COMMIT_RUNNING);
}

static void stopping_leaves_commits_to_the_next_process(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, SOON_MS);
    fake_committer_await_followers(fixture->agent, 1);
    end_dispatcher(fixture);
    begin_dispatcher(fixture);
    follow(fixture, KEY, SOON_MS);
    fake_committer_await_calls(fixture->agent, 2);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commits_begun, 1);
}

static void more_commits_than_followers_all_end(void **state)
{
    enum { COMMITS = 40 };
    struct fixture *fixture = *state;

    end_dispatcher(fixture);
    fixture->options.followers_max = 3;
    begin_dispatcher(fixture);
    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    for (int i = 0; i < COMMITS; i++) {
        SCOPED(string) char *key = xasprintf("uid-%d.1", i);
        SCOPED(string) char *pod = xasprintf("pod-%d", i);
        follow_on_pod(fixture, key, pod, SOON_MS);
    }
    for (int i = 0; i < COMMITS; i++) {
        SCOPED(string) char *key = xasprintf("uid-%d.1", i);
        assert_succeeds(fixture, key);
    }
    assert_int_equal(dispatcher_load(fixture->dispatcher).followed, 0);
    assert_int_equal(dispatcher_load(fixture->dispatcher).known, COMMITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITHOUT_AGENT(a_key_that_was_never_asked_about_is_unknown),
        WITH_AGENT(a_success_tells_every_image),
        WITH_AGENT(the_call_carries_credentials_hold_and_what_is_left_of_the_time),
        WITH_AGENT(a_failure_that_the_agent_tells_is_final),
        WITH_AGENT(asking_twice_follows_once),
        WITH_AGENT(a_broken_stream_attaches_to_the_same_commit),
        WITHOUT_AGENT(an_agent_that_starts_late_is_found),
        WITH_AGENT(an_agent_that_restarts_is_attached_to_again),
        WITH_AGENT(a_commit_that_went_with_its_agent_begins_anew),
        WITH_AGENT(a_full_node_is_waited_for),
        WITH_AGENT(a_pod_under_another_commit_is_waited_for),
        WITH_AGENT(a_secret_that_comes_back_is_used),
        WITHOUT_AGENT(an_agent_that_nobody_reaches_fails_at_the_deadline),
        WITH_AGENT(a_node_without_an_agent_fails_at_the_deadline),
        WITH_AGENT(a_node_that_stays_full_fails_with_its_reason),
        WITH_AGENT(a_late_attach_still_gets_the_outcome),
        WITH_AGENT(a_refused_request_fails_at_once),
        WITH_AGENT(a_peer_that_is_not_trusted_yet_is_asked_again),
        WITH_AGENT(progress_is_told_at_most_once_in_a_while_and_the_last_is_not_lost),
        WITH_AGENT(the_view_has_the_newest_progress),
        WITH_AGENT(a_held_pod_is_killed_and_asking_again_is_fine),
        WITH_AGENT(a_hold_that_ran_out_fails_the_view),
        WITH_AGENT(a_commit_that_the_agent_forgot_fails_the_view_even_after_a_restart_of_ours),
        WITH_AGENT(a_forgotten_pod_that_cannot_be_thawed_yet_is_asked_for_again),
        WITH_AGENT(an_unreachable_agent_does_not_fail_the_view),
        WITH_AGENT(a_cancelled_commit_is_followed_no_more),
        WITH_AGENT(an_unknown_key_can_be_cancelled),
        WITHOUT_AGENT(a_cancel_that_cannot_be_told_stops_the_retries_all_the_same),
        WITHOUT_AGENT(a_cancel_that_could_not_be_told_is_told_when_the_agent_is_back),
        WITH_AGENT(a_commit_given_up_is_cancelled_when_the_agent_is_back),
        WITH_AGENT(a_snapshot_that_is_gone_is_forgotten_with_all_its_attempts),
        WITH_AGENT(stopping_leaves_commits_to_the_next_process),
        WITH_AGENT(more_commits_than_followers_all_end),
    };
    return cmocka_run_group_tests_name("dispatcher", tests, NULL, NULL);
}
