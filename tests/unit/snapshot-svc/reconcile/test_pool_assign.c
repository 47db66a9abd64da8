/* Contract controller-behaviour.md §11: which Pool a sandbox gets that asks for any. */
#include "shared/json/json.h"
#include "snapshot-svc/reconcile/pool_assign.h"
#include "tests/unit/testing.h"

#define CONTAINERS(containers) "{\"spec\":{\"containers\":[" containers "]}}"
#define IMAGE(image)           "{\"name\":\"c\",\"image\":\"" image "\"}"
#define REQUESTS(requests)     "{\"image\":\"i\",\"resources\":{\"requests\":{" requests "}}}"
#define LIMITS(limits)         "{\"image\":\"i\",\"resources\":{\"limits\":{" limits "}}}"
#define SELECTS(selector)      "{\"spec\":{\"nodeSelector\":{" selector "}}}"
#define NO_TEMPLATE            "null"

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static void make_pool(const char *name, const char *labels, const char *template_, int total, int allocated,
                      struct pool *out)
{
    SCOPED(json)
    json_t *object = json_pack("{s:{s:s s:o} s:{s:o s:{s:i s:i s:i s:i}} s:{s:i s:i}}", "metadata", "name",
                               name, "labels", json_of(labels), "spec", "template", json_of(template_),
                               "capacitySpec", "bufferMin", 0, "bufferMax", 1, "poolMin", 0, "poolMax", 9,
                               "status", "total", total, "allocated", allocated);
    struct error err = {0};
    assert_ok(pool_read(object, out, &err), &err);
}

static void make_sandbox(const char *labels, const char *template_, json_t **object, struct batchsandbox *out)
{
    struct error err = {0};
    *object = json_pack("{s:{s:s s:o} s:{s:s s:o}}", "metadata", "name", "demo", "labels", json_of(labels),
                        "spec", "poolRef", "*", "template", json_of(template_));
    assert_ok(batchsandbox_read(*object, out, &err), &err);
}

static const char *const tenant[] = {"tenant"};
static const struct assign_profile by_tenant = {.label_keys = tenant, .label_key_count = 1};

static const struct {
    enum pool_predicate predicate;
    const char *sandbox_labels, *sandbox, *pool_labels, *pool;
    bool fits;
} rows[] = {
    {PREDICATE_IMAGE, "{}", NO_TEMPLATE, "{}", CONTAINERS(IMAGE("a")), true},
    {PREDICATE_IMAGE, "{}", CONTAINERS(IMAGE("a")), "{}", CONTAINERS(IMAGE("a")), true},
    {PREDICATE_IMAGE, "{}", CONTAINERS(IMAGE("a") "," IMAGE("b")), "{}",
     CONTAINERS(IMAGE("c") "," IMAGE("b")), true},
    {PREDICATE_IMAGE, "{}", CONTAINERS(IMAGE("a")), "{}", CONTAINERS(IMAGE("a:1")), false},
    {PREDICATE_IMAGE, "{}", CONTAINERS(IMAGE("a")), "{}", NO_TEMPLATE, false},
    {PREDICATE_IMAGE, "{}", CONTAINERS("{}"), "{}", CONTAINERS("{}"), false},

    {PREDICATE_RESOURCE, "{}", NO_TEMPLATE, "{}", CONTAINERS(""), true},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(REQUESTS("")), "{}", CONTAINERS(REQUESTS("")), true},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(REQUESTS("\"cpu\":\"500m\"")), "{}",
     CONTAINERS(REQUESTS("\"cpu\":\"0.5\"")), true},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(REQUESTS("\"cpu\":\"501m\"")), "{}",
     CONTAINERS(REQUESTS("\"cpu\":\"0.5\"")), false},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(REQUESTS("\"cpu\":\"1\"")), "{}",
     CONTAINERS(REQUESTS("\"cpu\":1") "," REQUESTS("\"memory\":\"1Gi\"")), true},
    {PREDICATE_RESOURCE, "{}",
     CONTAINERS(REQUESTS("\"memory\":\"600Mi\"") "," REQUESTS("\"memory\":\"600Mi\"")), "{}",
     CONTAINERS(REQUESTS("\"memory\":\"1Gi\"")), false},
    {PREDICATE_RESOURCE, "{}",
     CONTAINERS(REQUESTS("\"memory\":\"512Mi\"") "," REQUESTS("\"memory\":\"512Mi\"")), "{}",
     CONTAINERS(REQUESTS("\"memory\":\"1Gi\"")), true},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(REQUESTS("\"gpu\":\"1\"")), "{}",
     CONTAINERS(REQUESTS("\"cpu\":\"8\"")), false},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(REQUESTS("\"gpu\":\"0\"")), "{}",
     CONTAINERS(REQUESTS("\"cpu\":\"8\"")), true},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(LIMITS("\"cpu\":\"2\"")), "{}",
     CONTAINERS(REQUESTS("\"cpu\":\"1\"")), false},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(LIMITS("\"cpu\":\"2\"")), "{}", CONTAINERS(LIMITS("\"cpu\":\"2\"")),
     true},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(REQUESTS("\"cpu\":\"much\"")), "{}",
     CONTAINERS(REQUESTS("\"cpu\":\"1\"")), false},
    {PREDICATE_RESOURCE, "{}", CONTAINERS(REQUESTS("\"cpu\":\"1\"")), "{}",
     CONTAINERS(REQUESTS("\"cpu\":\"much\"")), false},

    {PREDICATE_NODE_SELECTOR, "{}", NO_TEMPLATE, "{}", NO_TEMPLATE, true},
    {PREDICATE_NODE_SELECTOR, "{}", SELECTS("\"zone\":\"a\""), "{}", SELECTS("\"zone\":\"a\""), true},
    {PREDICATE_NODE_SELECTOR, "{}", SELECTS("\"zone\":\"a\""), "{\"zone\":\"a\"}", NO_TEMPLATE, true},
    {PREDICATE_NODE_SELECTOR, "{}", SELECTS("\"zone\":\"a\""), "{\"zone\":\"a\"}", SELECTS("\"zone\":\"b\""),
     false},
    {PREDICATE_NODE_SELECTOR, "{}", SELECTS("\"zone\":\"a\""), "{}", NO_TEMPLATE, false},

    {PREDICATE_LABELS, "{\"tenant\":\"t\"}", NO_TEMPLATE, "{\"tenant\":\"t\"}", NO_TEMPLATE, true},
    {PREDICATE_LABELS, "{\"tenant\":\"t\"}", NO_TEMPLATE, "{\"tenant\":\"u\"}", NO_TEMPLATE, false},
    {PREDICATE_LABELS, "{\"tenant\":\"t\"}", NO_TEMPLATE, "{}", NO_TEMPLATE, false},
    {PREDICATE_LABELS, "{}", NO_TEMPLATE, "{\"tenant\":\"t\"}", NO_TEMPLATE, false},
    {PREDICATE_LABELS, "{}", NO_TEMPLATE, "{}", NO_TEMPLATE,
     false}, /* carried by neither is not the same value */
};

static void pools_fit_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(json) json_t *object = NULL;
        SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
        SCOPED_POOL struct pool pool = {0};
        make_sandbox(rows[i].sandbox_labels, rows[i].sandbox, &object, &sandbox);
        make_pool("warm", rows[i].pool_labels, rows[i].pool, 0, 0, &pool);
        if (pool_satisfies(&pool, &sandbox, &by_tenant, rows[i].predicate) != rows[i].fits)
            fail_msg("%s, row %zu: want %s: %s in %s", pool_predicate_name(rows[i].predicate), i,
                     rows[i].fits ? "a fit" : "no fit", rows[i].sandbox, rows[i].pool);
    }
}

static void a_pool_scores_by_what_is_left_or_taken(void **state)
{
    static const struct {
        int total, allocated;
        double least, most;
    } scores[] = {{0, 0, 0, 0}, {4, 0, 100, 0}, {4, 1, 75, 25}, {4, 4, 0, 100}};
    const struct assign_profile most = {.balance = MOST_ALLOCATED, .weight = 100};

    (void)state;
    for (size_t i = 0; i < sizeof(scores) / sizeof(*scores); i++) {
        const struct pool pool = {.status = {.total = scores[i].total, .allocated = scores[i].allocated}};
        assert_true(pool_score(&pool, &assign_profile_default) == scores[i].least);
        assert_true(pool_score(&pool, &most) == scores[i].most);
    }
}

/* ---- the choice: three Pools, in an order that is not that of their names ---- */

#define ANY_IMAGE CONTAINERS(IMAGE("i"))

struct shop {
    struct pool pools[3];
    const struct pool *list[3];
    json_t *object;
    struct batchsandbox sandbox;
};

static void stock(struct shop *shop, int c_allocated, int a_allocated, int b_allocated)
{
    make_pool("c", "{}", ANY_IMAGE, 10, c_allocated, &shop->pools[0]);
    make_pool("a", "{}", ANY_IMAGE, 10, a_allocated, &shop->pools[1]);
    make_pool("b", "{}", ANY_IMAGE, 10, b_allocated, &shop->pools[2]);
    for (size_t i = 0; i < 3; i++)
        shop->list[i] = &shop->pools[i];
    make_sandbox("{}", ANY_IMAGE, &shop->object, &shop->sandbox);
}

static void close_shop(struct shop *shop)
{
    for (size_t i = 0; i < 3; i++)
        pool_done(&shop->pools[i]);
    batchsandbox_done(&shop->sandbox);
    json_decref(shop->object);
}

static void assert_chosen(struct shop *shop, const struct assign_profile *profile, const char *name)
{
    const struct pool *best = NULL;
    struct error err = {0};
    assert_ok(pool_assign(&shop->sandbox, shop->list, 3, profile, &best, &err), &err);
    assert_string_equal(best->meta.name, name);
}

static void the_highest_score_wins_and_the_smaller_name_among_equals(void **state)
{
    static const struct {
        int c, a, b; /* allocated */
        const char *least, *most;
    } shops[] = {{5, 5, 5, "a", "a"}, {1, 5, 3, "c", "a"}, {5, 3, 3, "a", "c"}, {3, 3, 1, "b", "a"}};
    struct assign_profile most = assign_profile_default;

    (void)state;
    most.balance = MOST_ALLOCATED;
    for (size_t i = 0; i < sizeof(shops) / sizeof(*shops); i++) {
        struct shop shop = {0};
        stock(&shop, shops[i].c, shops[i].a, shops[i].b);
        assert_chosen(&shop, &assign_profile_default, shops[i].least);
        assert_chosen(&shop, &most, shops[i].most);
        close_shop(&shop);
    }
}

static void a_pool_that_is_being_deleted_is_none(void **state)
{
    struct shop shop = {0};

    (void)state;
    stock(&shop, 5, 0, 5);
    shop.pools[1].meta.deleted_ms = 1;
    assert_chosen(&shop, &assign_profile_default, "b");
    close_shop(&shop);
}

static void a_predicate_that_the_profile_leaves_out_keeps_nobody_out(void **state)
{
    struct assign_profile profile = assign_profile_default;
    struct shop shop = {0};

    (void)state;
    stock(&shop, 5, 5, 0);
    json_object_set_new(json_array_get(json_path(shop.pools[2].template_, "spec.containers"), 0), "image",
                        json_string("other"));
    assert_chosen(&shop, &profile, "a");
    profile.predicates[PREDICATE_IMAGE] = false;
    assert_chosen(&shop, &profile, "b");
    close_shop(&shop);
}

static void no_pool_is_an_error_that_says_what_kept_them_out(void **state)
{
    SCOPED(json) json_t *object = NULL;
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
    const struct pool *best = NULL;
    struct error err = {0};
    struct shop shop = {0};

    (void)state;
    stock(&shop, 0, 0, 0);
    make_sandbox("{}", CONTAINERS("{\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}"), &object,
                 &sandbox);
    json_object_set_new(json_array_get(json_path(shop.pools[0].template_, "spec.containers"), 0), "image",
                        json_string("other"));
    assert_fails(pool_assign(&sandbox, shop.list, 3, &assign_profile_default, &best, &err), &err,
                 ERR_NOT_FOUND, "3 Pools fits, 1 by image, 2 by resource");
    assert_fails(pool_assign(&sandbox, NULL, 0, &assign_profile_default, &best, &err), &err, ERR_NOT_FOUND,
                 "0 Pools");
    assert_null(best);
    close_shop(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_fit_as_the_table_says),
        cmocka_unit_test(a_pool_scores_by_what_is_left_or_taken),
        cmocka_unit_test(the_highest_score_wins_and_the_smaller_name_among_equals),
        cmocka_unit_test(a_pool_that_is_being_deleted_is_none),
        cmocka_unit_test(a_predicate_that_the_profile_leaves_out_keeps_nobody_out),
        cmocka_unit_test(no_pool_is_an_error_that_says_what_kept_them_out),
    };
    return cmocka_run_group_tests_name("pool assignment", tests, NULL, NULL);
}
