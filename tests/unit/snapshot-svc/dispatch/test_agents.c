#include "tests/unit/testing.h"

#include "snapshot-svc/dispatch/agents.h"

struct diary {
    struct agents *agents;
    unsigned count;
    char node[32]; /* the last */
    bool had_agent;
};

static void write_down(void *self, const char *node)
{
    struct diary *diary = self;

    diary->count++;
    (void)snprintf(diary->node, sizeof(diary->node), "%s", node);
    diary->had_agent = agents_has(diary->agents, node); /* looking is allowed */
}

static void a_node_without_an_agent_is_named(void **state)
{
    (void)state;
    SCOPED(agents) struct agents *agents = agents_new(NULL);
    struct error err = {0};

    assert_null(agents_get(agents, "node-a", &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_string_equal(err.reason, "AgentUnreachable");
    assert_contains(err.text, "node-a");
}

static void each_change_is_told_once(void **state)
{
    (void)state;
    SCOPED(agents) struct agents *agents = agents_new(NULL);
    struct diary diary = {.agents = agents};

    agents_subscribe(agents, write_down, &diary);
    agents_put(agents, "node-a", "127.0.0.1:1");
    assert_int_equal(diary.count, 1);
    assert_string_equal(diary.node, "node-a");
    assert_true(diary.had_agent);
    agents_put(agents, "node-a", "127.0.0.1:1"); /* no news */
    assert_int_equal(diary.count, 1);
    agents_put(agents, "node-a", "127.0.0.1:2");
    assert_int_equal(diary.count, 2);
    agents_replace(agents, "node-a", "127.0.0.1:2");
    assert_int_equal(diary.count, 3);
    agents_drop(agents, "node-b"); /* never was */
    assert_int_equal(diary.count, 3);
    agents_drop(agents, "node-a");
    assert_int_equal(diary.count, 4);
    assert_false(diary.had_agent);
}

static void who_unsubscribes_hears_no_more_and_the_others_do(void **state)
{
    (void)state;
    SCOPED(agents) struct agents *agents = agents_new(NULL);
    struct diary leaves = {.agents = agents}, stays = {.agents = agents};

    agents_subscribe(agents, write_down, &leaves);
    agents_subscribe(agents, write_down, &stays);
    agents_unsubscribe(agents, write_down, &leaves);
    agents_unsubscribe(agents, write_down, &leaves); /* again is fine */
    agents_put(agents, "node-a", "127.0.0.1:1");
    assert_int_equal(leaves.count, 0);
    assert_int_equal(stays.count, 1);
}

static void a_held_channel_outlives_its_agent_and_knows_when_another_has_come(void **state)
{
    (void)state;
    SCOPED(agents) struct agents *agents = agents_new(NULL);
    struct error err = {0};

    agents_put(agents, "node-a", "127.0.0.1:1");
    SCOPED(agent_channel) struct agent_channel *channel = agents_get(agents, "node-a", &err);
    assert_false(agents_has_moved(agents, "node-a", channel));
    agents_drop(agents, "node-a");
    assert_non_null(agent_channel_rpc(channel));
    assert_false(agents_has_moved(agents, "node-a", channel)); /* gone, without a successor */
    agents_put(agents, "node-a", "127.0.0.1:1");
    assert_true(
        agents_has_moved(agents, "node-a", channel)); /* the same address is another agent all the same */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_without_an_agent_is_named),
        cmocka_unit_test(each_change_is_told_once),
        cmocka_unit_test(who_unsubscribes_hears_no_more_and_the_others_do),
        cmocka_unit_test(a_held_channel_outlives_its_agent_and_knows_when_another_has_come),
    };
    return cmocka_run_group_tests_name("agents", tests, NULL, NULL);
}
