#include "tests/unit/testing.h"

#include "snapshot-svc/controller/snapshot_index.h"

static size_t count(struct snapshot_index *index, const char *ns, const char *sandbox, bool finished_too)
{
    struct json_strings names = {0};

    snapshot_index_list(index, ns, sandbox, finished_too, &names);
    size_t found = names.count;
    json_strings_free(&names);
    return found;
}

static void snapshots_are_found_by_their_sandbox_alone(void **state)
{
    struct snapshot_index *index = snapshot_index_new();

    (void)state;
    snapshot_index_put(index, "a", "demo", "one", false);
    snapshot_index_put(index, "a", "demo", "two", false);
    snapshot_index_put(index, "a", "demo", "two", false);
    snapshot_index_put(index, "b", "demo", "three", false);
    assert_int_equal(count(index, "a", "demo", true), 2);
    assert_int_equal(count(index, "b", "demo", true), 1);
    assert_int_equal(count(index, "a", "nobody", true), 0);
    snapshot_index_free(index);
}

static void finished_ones_are_left_out_when_nobody_asks(void **state)
{
    struct snapshot_index *index = snapshot_index_new();

    (void)state;
    snapshot_index_put(index, "a", "demo", "one", false);
    snapshot_index_put(index, "a", "demo", "one", true);
    assert_int_equal(count(index, "a", "demo", false), 0);
    assert_int_equal(count(index, "a", "demo", true), 1);
    snapshot_index_put(index, "a", "demo", "one", false); /* being deleted, say */
    assert_int_equal(count(index, "a", "demo", false), 1);
    snapshot_index_free(index);
}

static void removing_is_exact_and_may_be_repeated(void **state)
{
    struct snapshot_index *index = snapshot_index_new();

    (void)state;
    snapshot_index_put(index, "a", "demo", "one", false);
    snapshot_index_remove(index, "a", "demo", "two");
    snapshot_index_remove(index, "a", "other", "one");
    assert_int_equal(count(index, "a", "demo", true), 1);
    snapshot_index_remove(index, "a", "demo", "one");
    snapshot_index_remove(index, "a", "demo", "one");
    assert_int_equal(count(index, "a", "demo", true), 0);
    snapshot_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_are_found_by_their_sandbox_alone),
        cmocka_unit_test(finished_ones_are_left_out_when_nobody_asks),
        cmocka_unit_test(removing_is_exact_and_may_be_repeated),
    };
    return cmocka_run_group_tests_name("snapshot index", tests, NULL, NULL);
}
