/* test_table.c - what is kept of a pod, for how long, and which calls may begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "snapshot-svc/node/table.h"

/* Never cancelled in here, so never looked into. */
static struct rpc_stream *const some_call = (struct rpc_stream *)(uintptr_t)1;

static int setup(void **state)
{
    *state = table_new();
    return 0;
}

static int teardown(void **state)
{
    table_free(*state);
    return 0;
}

static bool knows(struct table *table, const char *uid)
{
    SCOPED_POD_FACTS struct pod_facts facts = {0};
    return table_get(table, uid, &facts);
}

typedef void note_fn(struct table *table, const pod_seen *seen);

static void note(struct table *table, note_fn *fn, const char *uid,
                 Opensandbox__Committer__V1__PodState pod_state)
{
    pod_seen seen = OPENSANDBOX__COMMITTER__V1__POD__INIT;
    Opensandbox__Committer__V1__PodRef ref = OPENSANDBOX__COMMITTER__V1__POD_REF__INIT;

    ref.uid = (char *)uid;
    ref.namespace_ = "test";
    ref.name = "web-0";
    seen.pod = &ref;
    seen.state = pod_state;
    fn(table, &seen);
}

static void see(struct table *table, const char *uid, Opensandbox__Committer__V1__PodState pod_state)
{
    note(table, table_note_seen, uid, pod_state);
}

static int state_of(struct table *table, const char *uid)
{
    SCOPED_POD_FACTS struct pod_facts facts = {0};
    assert_true(table_get(table, uid, &facts));
    return facts.seen ? (int)facts.seen->state : (int)OPENSANDBOX__COMMITTER__V1__POD_STATE__GONE;
}

#define READY OPENSANDBOX__COMMITTER__V1__POD_STATE__READY
#define ENDED OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED
#define GONE  OPENSANDBOX__COMMITTER__V1__POD_STATE__GONE

/* A law: a pod that neither side knows takes no memory. */
static void a_pod_is_forgotten_when_store_and_agent_have_let_it_go(void **state)
{
    struct table *table = *state;

    table_note_stored(table, "u", "test", "web-0", false);
    see(table, "u", READY);
    table_note_unstored(table, "u");
    assert_true(knows(table, "u"));
    see(table, "u", GONE);
    assert_false(knows(table, "u"));

    table_note_stored(table, "u", "test", "web-0", false);
    see(table, "u", READY);
    see(table, "u", GONE);
    assert_true(knows(table, "u"));
    table_note_unstored(table, "u");
    assert_false(knows(table, "u"));
}

static void a_pod_that_is_gone_and_was_never_known_is_not_remembered(void **state)
{
    see(*state, "u", GONE);
    assert_false(knows(*state, "u"));
}

static void a_call_keeps_its_pod_until_it_ends(void **state)
{
    struct table *table = *state;

    see(table, "u", READY);
    assert_true(table_call_begin(table, "u", CALL_STOP, some_call));
    see(table, "u", GONE);
    assert_true(knows(table, "u"));
    assert_false(table_call_end(table, "u"));
    assert_false(knows(table, "u"));
}

static void only_a_stored_pod_that_is_to_stay_may_be_started(void **state)
{
    struct table *table = *state;

    assert_false(table_call_begin(table, "u", CALL_START, some_call));
    see(table, "u", READY);
    assert_false(table_call_begin(table, "u", CALL_START, some_call));
    table_note_stored(table, "u", "test", "web-0", false);
    assert_true(table_call_begin(table, "u", CALL_START, some_call));
    (void)table_call_end(table, "u");
    table_note_stored(table, "u", "test", "web-0", true);
    assert_false(table_call_begin(table, "u", CALL_START, some_call));
    assert_true(table_call_begin(table, "u", CALL_STOP, some_call));
    (void)table_call_end(table, "u");
}

static void a_closed_table_begins_no_call(void **state)
{
    struct table *table = *state;

    table_note_stored(table, "u", "test", "web-0", false);
    table_close(table);
    assert_false(table_call_begin(table, "u", CALL_START, some_call));
    assert_false(table_call_begin(table, "u", CALL_STOP, some_call));
}

static void a_list_is_the_truth_only_once_it_has_ended(void **state)
{
    struct table *table = *state;
    SCOPED_POD_FACTS struct pod_facts facts = {0};

    table_note_stored(table, "u", "test", "web-0", false);
    see(table, "u", READY);
    table_list_begin(table);
    assert_true(table_get(table, "u", &facts));
    assert_false(facts.agent_known);
    assert_non_null(facts.seen);
    pod_facts_done(&facts);
    table_list_end(table);
    assert_true(table_get(table, "u", &facts));
    assert_true(facts.agent_known);
    assert_null(facts.seen);
    pod_facts_done(&facts);
    table_lose_agent(table);
    assert_true(table_get(table, "u", &facts));
    assert_false(facts.agent_known);
}

static void each_failure_waits_longer_until_a_start_works(void **state)
{
    struct table *table = *state;
    SCOPED_POD_FACTS struct pod_facts facts = {0};
    int64_t first_ms, second_ms;

    table_note_stored(table, "u", "test", "web-0", false);
    assert_int_equal(table_start_failed(table, "u", 10000, 300000, &first_ms), 1);
    assert_int_equal(table_start_failed(table, "u", 10000, 300000, &second_ms), 2);
    assert_true(second_ms > first_ms);
    assert_true(table_get(table, "u", &facts));
    assert_true(facts.wait_ms > first_ms);
    pod_facts_done(&facts);
    table_start_worked(table, "u");
    assert_true(table_get(table, "u", &facts));
    assert_int_equal(facts.wait_ms, 0);
}

/* Nothing would ever correct it: the end is told once. */
static void an_end_that_the_watch_told_first_outlives_the_answer_to_the_start(void **state)
{
    static const Opensandbox__Committer__V1__PodState ends[] = {ENDED, GONE};
    struct table *table = *state;

    table_note_stored(table, "u", "test", "web-0", false);
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        assert_true(table_call_begin(table, "u", CALL_START, some_call));
        assert_false(table_call_end(table, "u"));
        see(table, "u", ends[i]);
        note(table, table_note_started, "u", READY);
        assert_int_equal(state_of(table, "u"), ends[i]);
    }
}

static void a_start_is_believed_after_an_end_from_before_it(void **state)
{
    struct table *table = *state;

    table_note_stored(table, "u", "test", "web-0", false);
    see(table, "u", ENDED);
    assert_true(table_call_begin(table, "u", CALL_START, some_call));
    assert_false(table_call_end(table, "u"));
    note(table, table_note_started, "u", READY);
    assert_int_equal(state_of(table, "u"), READY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_pod_is_forgotten_when_store_and_agent_have_let_it_go),
        TEST(a_pod_that_is_gone_and_was_never_known_is_not_remembered),
        TEST(a_call_keeps_its_pod_until_it_ends),
        TEST(only_a_stored_pod_that_is_to_stay_may_be_started),
        TEST(a_closed_table_begins_no_call),
        TEST(a_list_is_the_truth_only_once_it_has_ended),
        TEST(each_failure_waits_longer_until_a_start_works),
        TEST(an_end_that_the_watch_told_first_outlives_the_answer_to_the_start),
        TEST(a_start_is_believed_after_an_end_from_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
