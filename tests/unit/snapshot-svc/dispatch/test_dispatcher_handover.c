/* A commit whose pod is handed over before its image is pushed. */
#include "tests/unit/snapshot-svc/dispatch/dispatch_kit.h"

#include "shared/base/clock.h"

static bool is_releasable(const struct commit_view *view)
{
    return view->releasable;
}

static bool is_handed_over(const struct commit_view *view)
{
    return view->handed_over;
}

static bool has_trouble(const struct commit_view *view)
{
    return view->state == COMMIT_RUNNING && view->reason;
}

static bool is_certain(const struct commit_view *view)
{
    return view->state == COMMIT_RUNNING && !view->in_doubt;
}

static bool is_in_doubt(struct fixture *fixture)
{
    SCOPED_COMMIT_VIEW struct commit_view view = {0};

    dispatcher_view(fixture->dispatcher, KEY, &view);
    return view.in_doubt;
}

/* Followed, and releasable. */
static void can_be_released(struct fixture *fixture, int64_t timeout_ms)
{
    follow_pause(fixture, KEY, timeout_ms, false);
    fake_committer_await_followers(fixture->agent, 1);
    fake_committer_is_releasable(fixture->agent, KEY);
    await_view(fixture, KEY, is_releasable);
}

static void is_released(struct fixture *fixture, int64_t timeout_ms)
{
    struct error err = {0};

    can_be_released(fixture, timeout_ms);
    assert_ok(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err);
}

/* ---- asking and hearing ---- */

static void only_a_pause_asks_to_be_released_early(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow(fixture, "uid-2.1", SOON_MS);
    assert_succeeds(fixture, "uid-2.1");
    assert_false(fake_committer_seen(fixture->agent).early_release);
    follow_pause(fixture, KEY, SOON_MS, false);
    assert_succeeds(fixture, KEY);
    assert_true(fake_committer_seen(fixture->agent).early_release);
}

static void an_agent_that_never_says_releasable_holds_as_ever(void **state)
{
    struct fixture *fixture = *state;
    SCOPED_COMMIT_VIEW struct commit_view view = {0};
    struct error err = {0};

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow_pause(fixture, KEY, SOON_MS, false);
    await_outcome(fixture, KEY, &view);
    assert_int_equal(view.state, COMMIT_SUCCEEDED);
    assert_false(view.handed_over);
    assert_string_equal(view.path, "Hold");
    assert_string_equal(view.path_why, "the test says so");
    assert_ok(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err);
}

static void a_releasable_commit_is_told_and_released_while_it_runs(void **state)
{
    struct fixture *fixture = *state;
    SCOPED_COMMIT_VIEW struct commit_view view = {0};
    struct error err = {0};

    can_be_released(fixture, SOON_MS);
    assert_int_equal(fixture->told[0].delay_ms, 0);
    assert_ok(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err);
    assert_ok(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err);
    assert_true(fake_committer_seen(fixture->agent).pod_is_killed);
    await_view(fixture, KEY, is_handed_over);
    assert_int_equal(state_of(fixture, KEY), COMMIT_RUNNING);
    fake_committer_succeeds(fixture->agent, KEY);
    await_outcome(fixture, KEY, &view);
    assert_int_equal(view.state, COMMIT_SUCCEEDED);
    assert_true(view.handed_over);
}

static void who_attaches_hears_that_it_was_handed_over(void **state)
{
    struct fixture *fixture = *state;

    is_released(fixture, SOON_MS);
    end_dispatcher(fixture);
    begin_dispatcher(fixture);
    follow_pause(fixture, KEY, SOON_MS, true);
    await_view(fixture, KEY, is_handed_over);
    assert_int_equal(fake_committer_seen(fixture->agent).commits_begun, 1);
}

static void a_hold_that_ran_out_before_an_early_release_fails_the_view(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    can_be_released(fixture, SOON_MS);
    fake_committer_loses_holds(fixture->agent);
    assert_fails(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err,
                 ERR_PRECONDITION, KEY);
    assert_fails_with(fixture, KEY, "HoldExpired");
    SCOPED_COMMIT_VIEW struct commit_view view = {0};
    dispatcher_view(fixture->dispatcher, KEY, &view);
    assert_false(view.handed_over);
}

/* ---- uploads that fail ---- */

static void an_upload_that_may_come_through_is_tried_again_with_fresh_credentials(void **state)
{
    struct fixture *fixture = *state;

    is_released(fixture, SOON_MS);
    fixture->secret_failures = 1; /* so much is read for each try */
    fake_committer_fails_upload(fixture->agent, KEY, "RegistryUnreachable", true);
    await_view(fixture, KEY, has_trouble);
    fake_committer_await_calls(fixture->agent, 2);
    assert_int_equal(fixture->secret_failures, 0);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commits_begun, 1);
}

static void an_upload_that_cannot_come_through_ends_and_stays_handed_over(void **state)
{
    struct fixture *fixture = *state;
    SCOPED_COMMIT_VIEW struct commit_view view = {0};

    is_released(fixture, SOON_MS);
    fake_committer_fails_upload(fixture->agent, KEY, "RegistryUnauthorized", false);
    await_outcome(fixture, KEY, &view);
    assert_string_equal(view.reason, "RegistryUnauthorized");
    assert_true(view.handed_over);
    assert_false(view.kept);
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 1);
}

static void no_deadline_fails_what_was_handed_over(void **state)
{
    struct fixture *fixture = *state;
    enum { COMMIT_MS = 400 };

    is_released(fixture, COMMIT_MS);
    const int64_t late_ms = clock_realtime_ms() + COMMIT_MS;
    fake_committer_stop(fixture->agent);
    while (clock_realtime_ms() < late_ms)
        await_telling(fixture, fixture->told_count + 1); /* each try is */
    assert_int_equal(state_of(fixture, KEY), COMMIT_RUNNING);
    fake_committer_start(fixture->agent);
    fake_committer_await_calls(fixture->agent, 2);
    assert_true(fake_committer_seen(fixture->agent).timeout_ms > COMMIT_MS); /* the upload has its own */
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
}

/* ---- doubt ---- */

static void a_commit_of_an_earlier_process_is_in_doubt_until_its_agent_says_something(void **state)
{
    struct fixture *fixture = *state;

    follow_pause(fixture, KEY, -1000, true); /* long past its deadline */
    assert_true(is_in_doubt(fixture));
    fake_committer_start(fixture->agent); /* the tries before found nobody, and failed nothing */
    fake_committer_await_followers(fixture->agent, 1);
    fake_committer_progresses(fixture->agent, KEY, 1);
    await_view(fixture, KEY, is_certain);
}

static void who_is_not_let_in_does_not_fail_what_may_have_been_handed_over(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_refuses(fixture->agent, 2, ERR_DENIED, NULL);
    follow_pause(fixture, KEY, SOON_MS, true);
    fake_committer_await_followers(fixture->agent, 1);
    fake_committer_progresses(fixture->agent, KEY, 1);
    await_view(fixture, KEY, is_certain);
}

static void a_release_without_an_answer_leaves_a_doubt(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    can_be_released(fixture, SOON_MS);
    fake_committer_hands_over(fixture->agent, KEY); /* it did, and was not there to say so */
    fake_committer_stop(fixture->agent);
    assert_int_equal(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), -1);
    assert_true(is_in_doubt(fixture));
    fake_committer_start(fixture->agent);
    await_view(fixture, KEY, is_handed_over);
    assert_false(is_in_doubt(fixture));
}

/* ---- KeepLocally ---- */

static void what_is_kept_has_its_digests_and_the_reason_of_the_last_failure(void **state)
{
    struct fixture *fixture = *state;
    SCOPED_COMMIT_VIEW struct commit_view view = {0};
    struct error err = {0};

    is_released(fixture, SOON_MS);
    fake_committer_fails_upload(fixture->agent, KEY, "RegistryDenied", false);
    assert_fails_with(fixture, KEY, "RegistryDenied");
    assert_ok(dispatcher_keep_locally(fixture->dispatcher, NODE, KEY, &err), &err);
    assert_ok(dispatcher_keep_locally(fixture->dispatcher, NODE, KEY, &err), &err);
    dispatcher_view(fixture->dispatcher, KEY, &view);
    assert_int_equal(view.state, COMMIT_FAILED);
    assert_true(view.kept);
    assert_string_equal(view.reason, "RegistryDenied");
    assert_int_equal(view.image_count, 1);
    assert_memory_equal(view.images[0].digest, "sha256:", 7);
    assert_int_equal(dispatcher_load(fixture->dispatcher).followed, 0);
}

static void keeping_ends_an_upload_that_still_goes_on(void **state)
{
    struct fixture *fixture = *state;
    SCOPED_COMMIT_VIEW struct commit_view view = {0};
    struct error err = {0};

    is_released(fixture, SOON_MS);
    assert_ok(dispatcher_keep_locally(fixture->dispatcher, NODE, KEY, &err), &err);
    fake_committer_await_followers(fixture->agent, 0);
    dispatcher_view(fixture->dispatcher, KEY, &view);
    assert_true(view.kept);
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 1);
}

static void who_attaches_to_what_was_kept_keeps_it_again(void **state)
{
    struct fixture *fixture = *state;
    SCOPED_COMMIT_VIEW struct commit_view view = {0};
    struct error err = {0};

    is_released(fixture, SOON_MS);
    assert_ok(dispatcher_keep_locally(fixture->dispatcher, NODE, KEY, &err), &err);
    end_dispatcher(fixture);
    begin_dispatcher(fixture);
    follow_pause(fixture, KEY, SOON_MS, true);
    await_outcome(fixture, KEY, &view);
    assert_string_equal(view.reason, "CommitKept");
    assert_true(view.handed_over);
    assert_ok(dispatcher_keep_locally(fixture->dispatcher, NODE, KEY, &err), &err);
}

static void an_agent_that_forgot_what_it_was_handed_is_told_as_lost(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    is_released(fixture, SOON_MS);
    fake_committer_forgets(fixture->agent);
    assert_fails(dispatcher_keep_locally(fixture->dispatcher, NODE, KEY, &err), &err, ERR_NOT_FOUND, KEY);
    assert_fails_with(fixture, KEY, "CommitLost");
}

/* ---- Discard ---- */

static void a_discarded_commit_is_followed_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    is_released(fixture, SOON_MS);
    assert_ok(dispatcher_discard(fixture->dispatcher, NODE, KEY, &err), &err);
    fake_committer_await_followers(fixture->agent, 0);
    assert_int_equal(fake_committer_seen(fixture->agent).discards, 1);
    assert_int_equal(fake_committer_seen(fixture->agent).cancels, 0);
    assert_int_equal(dispatcher_load(fixture->dispatcher).followed, 0);
}

static void a_discard_that_could_not_be_told_is_told_when_the_agent_is_back(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    assert_int_equal(dispatcher_discard(fixture->dispatcher, NODE, KEY, &err), -1);
    assert_true(error_is_transient(err.code));
    fake_committer_start(fixture->agent);
    fake_committer_await_discards(fixture->agent, 1);
    assert_int_equal(fake_committer_seen(fixture->agent).cancels, 0);
}

static void an_agent_that_knows_no_discard_is_told_to_cancel(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    fake_committer_is_old(fixture->agent);
    assert_ok(dispatcher_discard(fixture->dispatcher, NODE, KEY, &err), &err);
    assert_int_equal(fake_committer_seen(fixture->agent).cancels, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_AGENT(only_a_pause_asks_to_be_released_early),
        WITH_AGENT(an_agent_that_never_says_releasable_holds_as_ever),
        WITH_AGENT(a_releasable_commit_is_told_and_released_while_it_runs),
        WITH_AGENT(who_attaches_hears_that_it_was_handed_over),
        WITH_AGENT(a_hold_that_ran_out_before_an_early_release_fails_the_view),
        WITH_AGENT(an_upload_that_may_come_through_is_tried_again_with_fresh_credentials),
        WITH_AGENT(an_upload_that_cannot_come_through_ends_and_stays_handed_over),
        WITH_AGENT(no_deadline_fails_what_was_handed_over),
        WITHOUT_AGENT(a_commit_of_an_earlier_process_is_in_doubt_until_its_agent_says_something),
        WITH_AGENT(who_is_not_let_in_does_not_fail_what_may_have_been_handed_over),
        WITH_AGENT(a_release_without_an_answer_leaves_a_doubt),
        WITH_AGENT(what_is_kept_has_its_digests_and_the_reason_of_the_last_failure),
        WITH_AGENT(keeping_ends_an_upload_that_still_goes_on),
        WITH_AGENT(who_attaches_to_what_was_kept_keeps_it_again),
        WITH_AGENT(an_agent_that_forgot_what_it_was_handed_is_told_as_lost),
        WITH_AGENT(a_discarded_commit_is_followed_no_more),
        WITHOUT_AGENT(a_discard_that_could_not_be_told_is_told_when_the_agent_is_back),
        WITH_AGENT(an_agent_that_knows_no_discard_is_told_to_cancel),
    };
    return cmocka_run_group_tests_name("dispatcher_handover", tests, NULL, NULL);
}
