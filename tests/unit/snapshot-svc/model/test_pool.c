/* Contract crds.md §4, §6.4: a Pool as an API server stores it, and its revision. */
#include <stdlib.h>

#include "shared/json/json.h"
#include "snapshot-svc/model/pool.h"
#include "tests/unit/testing.h"

#define CAPACITY             "\"capacitySpec\":{\"bufferMin\":1,\"bufferMax\":2,\"poolMin\":3,\"poolMax\":4}"
#define POOL(more)           "{\"metadata\":{\"name\":\"warm\"},\"spec\":{" CAPACITY more "}}"
#define POOL_SCALED(unready) POOL(",\"scaleStrategy\":{\"maxUnavailable\":" unready "}")

static int read_pool(const char *text, struct pool *out, struct error *err)
{
    SCOPED(json) json_t *object = json_loads(text, 0, NULL);

    assert_non_null(object);
    return pool_read(object, out, err);
}

static void must_read(const char *text, struct pool *out)
{
    struct error err = {0};
    assert_ok(read_pool(text, out, &err), &err);
}

static void a_pool_that_says_little_has_defaults(void **state)
{
    SCOPED_POOL struct pool pool = {0};

    (void)state;
    must_read(POOL(""), &pool);
    assert_int_equal(pool.capacity.buffer_min, 1);
    assert_int_equal(pool.capacity.buffer_max, 2);
    assert_int_equal(pool.capacity.pool_min, 3);
    assert_int_equal(pool.capacity.pool_max, 4);
    assert_int_equal(pool.recycle, RECYCLE_DELETE);
    assert_true(pool.scale_max_unavailable.is_percent && pool.scale_max_unavailable.value == 25);
    assert_true(pool.update_max_unavailable.is_percent && pool.update_max_unavailable.value == 25);
    assert_null(pool.template_);
    assert_false(pool.has_status);
}

static void recycle_strategies_are_read_and_unknown_ones_delete(void **state)
{
    static const struct {
        const char *text;
        enum recycle_strategy strategy;
    } rows[] = {
        {POOL(",\"recycleStrategy\":{\"type\":\"Delete\"}"), RECYCLE_DELETE},
        {POOL(",\"recycleStrategy\":{\"type\":\"Restart\"}"), RECYCLE_RESTART},
        {POOL(",\"recycleStrategy\":{\"type\":\"Noop\"}"), RECYCLE_NOOP},
        {POOL(",\"recycleStrategy\":{\"type\":\"noop\"}"), RECYCLE_DELETE},
        {POOL(",\"recycleStrategy\":{\"type\":\"Shred\"}"), RECYCLE_DELETE},
        {POOL(",\"recycleStrategy\":{}"), RECYCLE_DELETE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED_POOL struct pool pool = {0};
        must_read(rows[i].text, &pool);
        assert_int_equal(pool.recycle, rows[i].strategy);
    }
}

static void an_amount_is_a_number_or_a_share_rounded_up(void **state)
{
    static const struct {
        const char *text;
        int32_t of_0, of_1, of_9, of_max;
    } rows[] = {
        {POOL_SCALED("3"), 3, 3, 3, 3},
        {POOL_SCALED("0"), 1, 1, 1, 1},
        {POOL_SCALED("\"0%\""), 1, 1, 1, 1},
        {POOL_SCALED("\"25%\""), 1, 1, 3, 536870912},
        {POOL_SCALED("\"100%\""), 1, 1, 9, INT32_MAX},
        {POOL_SCALED("\"900%\""), 1, 9, 81, INT32_MAX},
        {POOL_SCALED("null"), 1, 1, 3, 536870912},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED_POOL struct pool pool = {0};
        must_read(rows[i].text, &pool);
        assert_int_equal(int_or_percent_of(&pool.scale_max_unavailable, 0), rows[i].of_0);
        assert_int_equal(int_or_percent_of(&pool.scale_max_unavailable, 1), rows[i].of_1);
        assert_int_equal(int_or_percent_of(&pool.scale_max_unavailable, 9), rows[i].of_9);
        assert_int_equal(int_or_percent_of(&pool.scale_max_unavailable, INT32_MAX), rows[i].of_max);
    }
}

static void what_is_no_pool_is_refused_by_the_name_of_its_member(void **state)
{
    static const struct {
        const char *text, *member;
    } rows[] = {
        {"{\"metadata\":{\"name\":\"warm\"}}", "spec"},
        {"{\"metadata\":{\"name\":\"warm\"},\"spec\":{}}", "capacitySpec"},
        {"{\"metadata\":{\"name\":\"warm\"},\"spec\":{\"capacitySpec\":{\"bufferMin\":1}}}", "bufferMax"},
        {POOL_SCALED("-1"), "spec.scaleStrategy.maxUnavailable"},
        {POOL_SCALED("2147483648"), "spec.scaleStrategy.maxUnavailable"},
        {POOL_SCALED("\"25\""), "spec.scaleStrategy.maxUnavailable"},
        {POOL_SCALED("\"%\""), "spec.scaleStrategy.maxUnavailable"},
        {POOL_SCALED("\"-5%\""), "spec.scaleStrategy.maxUnavailable"},
        {POOL_SCALED("\"9999999999%\""), "spec.scaleStrategy.maxUnavailable"},
        {POOL_SCALED("true"), "spec.scaleStrategy.maxUnavailable"},
        {POOL(",\"updateStrategy\":{\"maxUnavailable\":\"many\"}"), "spec.updateStrategy.maxUnavailable"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct pool pool = {0};
        struct error err = {0};
        assert_fails(read_pool(rows[i].text, &pool, &err), &err, ERR_INVALID, rows[i].member);
    }
}

static void assert_revision(const char *a, const char *b, bool is_same)
{
    SCOPED_POOL struct pool one = {0}, other = {0};

    must_read(a, &one);
    must_read(b, &other);
    SCOPED(string) char *first = pool_revision(&one);
    SCOPED(string) char *second = pool_revision(&other);
    assert_int_equal(strspn(first, "0123456789abcdef"), 16);
    assert_int_equal(strlen(first), 16);
    assert_int_equal(strcmp(first, second) == 0, is_same);
}

static void the_revision_follows_the_template_and_nothing_else(void **state)
{
    (void)state;
    assert_revision(POOL(",\"template\":{\"a\":1,\"b\":[2]}"), POOL(",\"template\":{\"b\":[2],\"a\":1}"),
                    true);
    assert_revision(POOL(",\"template\":{\"a\":1}"), POOL(",\"template\":{\"a\":1},\"recycleStrategy\":{}"),
                    true);
    assert_revision(POOL(",\"template\":{\"a\":1}"), POOL(",\"template\":{\"a\":2}"), false);
    assert_revision(POOL(",\"template\":{\"a\":[1,2]}"), POOL(",\"template\":{\"a\":[2,1]}"), false);
    assert_revision(POOL(",\"template\":{}"), POOL(""), false);
}

static void the_status_is_written_with_its_zeroes_and_read_again(void **state)
{
    SCOPED_POOL struct pool pool = {0};

    (void)state;
    must_read("{\"metadata\":{\"name\":\"warm\"},\"spec\":{" CAPACITY
              "},\"status\":{\"total\":5,\"allocated\":0,"
              "\"available\":0,\"revision\":\"00ff00ff00ff00ff\",\"updated\":0,\"observedGeneration\":7}}",
              &pool);
    SCOPED(json) json_t *status = pool_status_write(&pool.status);
    SCOPED(string) char *text = json_canonical(status);
    assert_true(pool.has_status);
    assert_string_equal(text, "{\"allocated\":0,\"available\":0,\"observedGeneration\":7,"
                              "\"revision\":\"00ff00ff00ff00ff\",\"total\":5,\"updated\":0}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_that_says_little_has_defaults),
        cmocka_unit_test(recycle_strategies_are_read_and_unknown_ones_delete),
        cmocka_unit_test(an_amount_is_a_number_or_a_share_rounded_up),
        cmocka_unit_test(what_is_no_pool_is_refused_by_the_name_of_its_member),
        cmocka_unit_test(the_revision_follows_the_template_and_nothing_else),
        cmocka_unit_test(the_status_is_written_with_its_zeroes_and_read_again),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
