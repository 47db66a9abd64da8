/* Which state a sandbox is in, and the order of lists. Contract rest-api.md §5, §6; reasons, messages and times:
 * lifecycle-svc/sandbox/test_state.c. */
#include "tests/unit/testing.h"

#include <stdlib.h>

#include "shared/base/cleanup.h"
#include "shared/sandbox_state/sandbox_rows.h"
#include "shared/sandbox_state/sandbox_state.h"

static void the_phase_decides_and_without_one_the_address(void **state)
{
    static const struct {
        struct sandbox_signs signs;
        const char *name;
    } rows[] = {
        // clang-format off
        {{false, "Pending",  0, 0, ""},            "Pending"},
        {{false, "Succeed",  1, 1, "[\"1.2.3.4\"]"}, "Running"},
        {{false, "Running",  1, 1, ""},            "Running"},
        {{false, "Pausing",  1, 1, ""},            "Pausing"},
        {{false, "Paused",   0, 0, ""},            "Paused"},
        {{false, "Resuming", 0, 0, ""},            "Resuming"},
        {{false, "Failed",   0, 0, ""},            "Failed"},
        {{true,  "Succeed",  1, 1, ""},            "Stopping"},
        {{false, "",         1, 1, "[\"1.2.3.4\"]"}, "Running"},
        {{false, "",         0, 1, "[\"1.2.3.4\"]"}, "Allocated"},
        {{false, "",         0, 1, ""},            "Pending"},
        {{false, "",         0, 0, "[\"\"]"},        "Pending"},
        {{false, "",         1, 1, "{not json"},   "Pending"},
        {{false, "Dancing",  0, 0, ""},            "Pending"},
        // clang-format on
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(sandbox_state_name(sandbox_facet_of(&rows[i].signs)->state), rows[i].name);
}

static void states_are_asked_for_in_any_case(void **state)
{
    char *names[] = {"paused", "RUNNING", "nonsense"};

    (void)state;
    assert_true(sandbox_state_is_one_of(STATE_PAUSED, names, 3));
    assert_true(sandbox_state_is_one_of(STATE_RUNNING, names, 3));
    assert_false(sandbox_state_is_one_of(STATE_PENDING, names, 3));
    assert_true(sandbox_state_is_one_of(STATE_PENDING, NULL, 0));
}

static void a_list_is_newest_first_then_by_name(void **state)
{
    struct sandbox_row rows[] = {{NULL, "b", 5}, {NULL, "old", 1}, {NULL, "a", 5}, {NULL, "new", 9}};
    static const char *const order[] = {"new", "a", "b", "old"};
    size_t first = 9, count = 9;

    (void)state;
    sandbox_rows_part(rows, 4, 0, 0, &first, &count);
    assert_int_equal(first, 0);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(rows[i].name, order[i]);
}

/* A law: parts of any size, one after the other, are the whole. */
static void parts_cover_every_row_once(void **state)
{
    enum { MOST = 9 };
    struct sandbox_row rows[MOST];
    size_t first = 0, count = 0;

    (void)state;
    for (size_t total = 0; total <= MOST; total++)
        for (int64_t take = 1; take <= MOST + 1; take++) {
            size_t seen = 0;
            do {
                for (size_t i = 0; i < total; i++)
                    rows[i] = (struct sandbox_row){NULL, "same", (int64_t)i};
                sandbox_rows_part(rows, total, (int64_t)seen, take, &first, &count);
                assert_int_equal(first, seen);
                seen += count;
            } while (count > 0);
            assert_int_equal(seen, total);
        }
    sandbox_rows_part(rows, MOST, INT64_MAX, INT64_MAX, &first, &count);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_phase_decides_and_without_one_the_address),
        cmocka_unit_test(states_are_asked_for_in_any_case),
        cmocka_unit_test(a_list_is_newest_first_then_by_name),
        cmocka_unit_test(parts_cover_every_row_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
