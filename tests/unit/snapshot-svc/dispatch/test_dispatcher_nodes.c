/* The dispatcher while agents come, move and go, and while their slots are taken. In all of these the backoff is longer than
 * any test lives: what happens, happens because of an event. */
#include "tests/unit/snapshot-svc/dispatch/dispatch_kit.h"

#include <time.h>
#include <unistd.h>

#include "shared/base/alloc.h"

#define FAR_MS     (10 * 60 * 1000) /* a deadline that no test lives to see either */
#define PATIENCE_S 100

static int set_up_slow(void **state)
{
    alarm(PATIENCE_S); /* an event that does not come ends the program */
    kit_set_up_with_agent(state);
    slow_down_retries(*state);
    return 0;
}

#define SLOW(test) cmocka_unit_test_setup_teardown(test, set_up_slow, tear_down_both)

/* ---- the other agent ---- */

static char *successor_socket(const struct fixture *fixture)
{
    return xasprintf("%s/next.sock", fixture->folder);
}

static void start_successor(struct fixture *fixture)
{
    SCOPED(string) char *socket = successor_socket(fixture);

    fake_committer_start_successor(fixture->agent, socket);
}

static void put_successor(struct fixture *fixture)
{
    SCOPED(string) char *socket = successor_socket(fixture);
    SCOPED(string) char *address = xasprintf("unix:%s", socket);

    agents_put(fixture->agents, NODE, address);
}

static int tear_down_both(void **state)
{
    struct fixture *fixture = *state;
    SCOPED(string) char *socket = successor_socket(fixture);
    SCOPED(string) char *lock_file = xasprintf("%s.lock", socket);

    end_dispatcher(fixture);
    fake_committer_stop(fixture->agent);
    (void)unlink(lock_file);
    (void)unlink(socket);
    return kit_tear_down(state);
}

/* ---- agents come, move and go ---- */

static void a_commit_follows_its_agent_to_another_address(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, FAR_MS);
    fake_committer_await_followers(fixture->agent, 1);
    start_successor(fixture);
    put_successor(fixture); /* the old one is silent, but its connection lives */
    fake_committer_await_calls(fixture->agent, 2);
    fake_committer_await_followers(fixture->agent, 1);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commits_begun, 1);
}

static void a_commit_whose_agent_went_is_found_at_its_successor(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, FAR_MS);
    fake_committer_await_followers(fixture->agent, 1);
    agents_drop(fixture->agents, NODE);
    fake_committer_stop(fixture->agent);
    assert_int_equal(state_of(fixture, KEY), COMMIT_RUNNING);
    start_successor(fixture);
    put_successor(fixture);
    fake_committer_await_calls(fixture->agent, 2);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commits_begun, 1);
}

static void an_agent_replaced_at_its_address_is_asked_at_once(void **state)
{
    struct fixture *fixture = *state;
    SCOPED(string) char *address = xasprintf("unix:%s", fixture->socket);

    follow(fixture, KEY, FAR_MS);
    fake_committer_await_followers(fixture->agent, 1);
    fake_committer_stop(fixture->agent);
    fake_committer_start(fixture->agent);
    agents_replace(fixture->agents, NODE, address);
    fake_committer_await_calls(fixture->agent, 2);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commits_begun, 1);
}

static void a_failed_try_does_not_wait_when_an_agent_comes(void **state)
{
    struct fixture *fixture = *state;

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    fake_committer_refuses(fixture->agent, 1, ERR_UNAVAILABLE, NULL);
    follow(fixture, KEY, FAR_MS);
    fake_committer_await_calls(fixture->agent, 1);
    start_successor(fixture);
    put_successor(fixture);
    assert_succeeds(fixture, KEY);
}

static void an_agent_without_a_successor_is_listened_to(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, FAR_MS);
    fake_committer_await_followers(fixture->agent, 1);
    agents_drop(fixture->agents, NODE);
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 1);
}

static void no_new_call_goes_to_an_agent_that_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow(fixture, KEY, FAR_MS);
    assert_succeeds(fixture, KEY);
    agents_drop(fixture->agents, NODE);
    assert_fails(dispatcher_release_kill(fixture->dispatcher, NODE, KEY, POD_UID, &err), &err,
                 ERR_UNAVAILABLE, NODE);
    assert_string_equal(err.reason, "AgentUnreachable");
    assert_int_equal(fake_committer_seen(fixture->agent).releases, 0);
    assert_int_equal(state_of(fixture, KEY), COMMIT_SUCCEEDED); /* what is known stays known */
}

static void an_abandoned_commit_is_ended_by_the_agent_that_comes(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    agents_drop(fixture->agents, NODE);
    follow(fixture, KEY, FAR_MS);
    assert_int_equal(dispatcher_cancel(fixture->dispatcher, NODE, KEY, &err), -1);
    start_successor(fixture);
    put_successor(fixture);
    fake_committer_await_cancels(fixture->agent, 1);
}

static void other_nodes_are_left_alone(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, FAR_MS);
    fake_committer_await_followers(fixture->agent, 1);
    agents_put(fixture->agents, "another-node", "unix:/nowhere.sock");
    agents_drop(fixture->agents, "another-node");
    fake_committer_succeeds(fixture->agent, KEY);
    assert_succeeds(fixture, KEY);
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 1);
}

static void a_stopped_dispatcher_hears_of_no_agent(void **state)
{
    struct fixture *fixture = *state;

    follow(fixture, KEY, FAR_MS);
    fake_committer_await_followers(fixture->agent, 1);
    end_dispatcher(fixture);
    put_successor(fixture);
    agents_drop(fixture->agents, NODE);
    assert_int_equal(fake_committer_seen(fixture->agent).commit_calls, 1);
}

/* ---- slots ---- */

/* Nothing tells that a commit has joined the line; nobody but this test needs to know. */
static void await_line(struct fixture *fixture, unsigned length)
{
    while (dispatcher_load(fixture->dispatcher).in_line < length)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
}

/* Each is in its place before the next one comes: `slots` of them run, the others wait. */
static void follow_numbers(struct fixture *fixture, unsigned count, unsigned slots)
{
    fake_committer_slots(fixture->agent, slots);
    for (unsigned i = 0; i < count; i++) {
        SCOPED(string) char *key = xasprintf("uid-%u.1", i);
        SCOPED(string) char *pod = xasprintf("pod-%u", i);
        follow_on_pod(fixture, key, pod, FAR_MS);
        if (i < slots)
            fake_committer_await_begun(fixture->agent, i + 1);
        else
            await_line(fixture, i + 1 - slots);
    }
}

static void finish_number(struct fixture *fixture, unsigned number)
{
    SCOPED(string) char *key = xasprintf("uid-%u.1", number);

    assert_true(fake_committer_runs(fixture->agent, key));
    fake_committer_succeeds(fixture->agent, key);
}

static void a_slot_that_comes_free_goes_to_the_oldest_at_once(void **state)
{
    enum { COMMITS = 30, SLOTS = 2 };
    struct fixture *fixture = *state;

    follow_numbers(fixture, COMMITS, SLOTS);
    for (unsigned i = 0; i < COMMITS; i++) {
        fake_committer_await_begun(fixture->agent, i + SLOTS < COMMITS ? i + SLOTS : COMMITS);
        finish_number(fixture, i); /* which runs, as those before it are done */
    }
    for (unsigned i = 0; i < COMMITS; i++) {
        SCOPED(string) char *key = xasprintf("uid-%u.1", i);
        assert_succeeds(fixture, key);
    }
}

static void several_slots_that_come_free_together_are_all_taken(void **state)
{
    enum { COMMITS = 8, SLOTS = 4 };
    struct fixture *fixture = *state;

    follow_numbers(fixture, COMMITS, SLOTS);
    for (unsigned i = 0; i < SLOTS; i++)
        finish_number(fixture, i);
    fake_committer_await_begun(fixture->agent, COMMITS);
}

static void one_that_leaves_the_line_does_not_hold_it_up(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};

    follow_numbers(fixture, 4, 1);
    dispatcher_forget(fixture->dispatcher, "uid-2"); /* before it is the first, and asks */
    assert_ok(dispatcher_cancel(fixture->dispatcher, NODE, "uid-1.1", &err), &err);
    finish_number(fixture, 0);
    fake_committer_await_begun(fixture->agent, 2);
    finish_number(fixture, 3);
    assert_succeeds(fixture, "uid-3.1");
}

/* Somebody else's commits: the first in line asks now and then. */
static void slots_of_others_come_free_too(void **state)
{
    struct fixture *fixture = *state;

    end_dispatcher(fixture);
    fixture->options.line_retry_ms = 100;
    begin_dispatcher(fixture);
    fake_committer_refuses(fixture->agent, 3, ERR_EXHAUSTED, NULL);
    fake_committer_plans(fixture->agent, FAKE_SUCCEEDS);
    follow_on_pod(fixture, "uid-1.1", "pod-1", FAR_MS);
    follow_on_pod(fixture, "uid-2.1", "pod-2", FAR_MS);
    assert_succeeds(fixture, "uid-1.1");
    assert_succeeds(fixture, "uid-2.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOW(a_commit_follows_its_agent_to_another_address),
        SLOW(a_commit_whose_agent_went_is_found_at_its_successor),
        SLOW(an_agent_replaced_at_its_address_is_asked_at_once),
        SLOW(a_failed_try_does_not_wait_when_an_agent_comes),
        SLOW(an_agent_without_a_successor_is_listened_to),
        SLOW(no_new_call_goes_to_an_agent_that_is_gone),
        SLOW(an_abandoned_commit_is_ended_by_the_agent_that_comes),
        SLOW(other_nodes_are_left_alone),
        SLOW(a_stopped_dispatcher_hears_of_no_agent),
        SLOW(a_slot_that_comes_free_goes_to_the_oldest_at_once),
        SLOW(several_slots_that_come_free_together_are_all_taken),
        SLOW(one_that_leaves_the_line_does_not_hold_it_up),
        SLOW(slots_of_others_come_free_too),
    };
    return cmocka_run_group_tests_name("dispatcher: nodes", tests, NULL, NULL);
}
