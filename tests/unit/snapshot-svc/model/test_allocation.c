/* Contract crds.md §6.2: the lists by which a sandbox and a Pool speak of pods, and the claim on a pod. */
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/allocation.h"
#include "snapshot-svc/model/names.h"
#include "tests/unit/testing.h"

static struct object_meta sandbox_with(const char *given, const char *returned, const char *recycled)
{
    struct object_meta meta = {.name = (char *)"demo", .uid = (char *)"u-1"};

    if (given)
        json_map_set(&meta.annotations, ANNOTATION_ALLOC_STATUS, given);
    if (returned)
        json_map_set(&meta.annotations, ANNOTATION_ALLOC_RELEASE, returned);
    if (recycled)
        json_map_set(&meta.annotations, ANNOTATION_ALLOC_RELEASED, recycled);
    return meta;
}

#define P1      "{\"pods\":[\"p1\"]}"
#define P1_P2   "{\"pods\":[\"p1\",\"p2\"]}"
#define NO_PODS "{\"pods\":[]}"

static void a_pod_is_held_until_it_is_recycled(void **state)
{
    static const struct {
        const char *given, *returned, *recycled;
        bool holds, gives_back, gives_back_deleting; /* p1 */
    } rows[] = {
        {NULL, NULL, NULL, false, false, false},
        {"", "", "", false, false, false},
        {"{}", NO_PODS, NULL, false, false, false},
        {P1_P2, NULL, NULL, true, false, true},
        {P1_P2, P1, NULL, true, true, true},
        {P1_P2, P1, P1, false, false, false},
        {P1_P2, NULL, P1, false, false, false},
        {"{\"pods\":[\"p2\"]}", P1, NULL, false, false, false},  /* asked back without having been given */
        {"{\"pods\":[\"p11\"]}", P1, NULL, false, false, false}, /* a name, not its beginning */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct object_meta meta = sandbox_with(rows[i].given, rows[i].returned, rows[i].recycled);
        SCOPED_ALLOCATION struct allocation allocation = {0};
        struct error err = {0};
        assert_ok(allocation_read(&meta, &allocation, &err), &err);
        assert_int_equal(allocation_holds(&allocation, "p1"), rows[i].holds);
        assert_int_equal(allocation_gives_back(&allocation, "p1", false), rows[i].gives_back);
        assert_int_equal(allocation_gives_back(&allocation, "p1", true), rows[i].gives_back_deleting);
        json_map_free(&meta.annotations);
    }
}

static void a_list_that_is_none_is_refused_by_name(void **state)
{
    static const char *const texts[] = {"p1",         "[\"p1\"]", "{\"pods\":\"p1\"}", "{\"pods\":[1]}",
                                        "{\"pods\":", "null"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct object_meta meta = sandbox_with(P1, texts[i], NULL);
        struct allocation allocation = {0};
        struct error err = {0};
        assert_fails(allocation_read(&meta, &allocation, &err), &err, ERR_INVALID, ANNOTATION_ALLOC_RELEASE);
        assert_non_null(strstr(err.text, "demo"));
        json_map_free(&meta.annotations);
    }
}

static void a_list_is_written_as_it_is_read(void **state)
{
    static const char *const texts[] = {NO_PODS, P1, "{\"pods\":[\"p2\",\"p1\"]}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct object_meta meta = sandbox_with(texts[i], NULL, NULL);
        SCOPED_ALLOCATION struct allocation allocation = {0};
        struct error err = {0};
        assert_ok(allocation_read(&meta, &allocation, &err), &err);
        SCOPED(string) char *text = allocation_list_text(&allocation.given);
        assert_string_equal(text, texts[i]);
        json_map_free(&meta.annotations);
    }
}

static void a_claim_names_its_sandbox_and_an_unreadable_one_is_still_a_claim(void **state)
{
    const struct object_meta sandbox = {.name = (char *)"demo", .uid = (char *)"u-1"};
    SCOPED(string) char *ours = pod_claim_text(&sandbox);
    const struct {
        const char *text, *uid, *name;
    } rows[] = {
        {NULL, NULL, NULL}, {ours, "u-1", "demo"}, {"", "", ""}, {"u-1", "", ""}, {"u-1 ", "u-1", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct object_meta pod = {.name = (char *)"p1"};
        if (rows[i].text)
            json_map_set(&pod.annotations, ANNOTATION_ALLOCATED_TO, rows[i].text);
        SCOPED_POD_CLAIM struct pod_claim claim;
        pod_claim_read(&pod, &claim);
        if (rows[i].uid) {
            assert_string_equal(claim.sandbox_uid, rows[i].uid);
            assert_string_equal(claim.sandbox_name, rows[i].name);
        } else {
            assert_null(claim.sandbox_uid);
        }
        json_map_free(&pod.annotations);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_is_held_until_it_is_recycled),
        cmocka_unit_test(a_list_that_is_none_is_refused_by_name),
        cmocka_unit_test(a_list_is_written_as_it_is_read),
        cmocka_unit_test(a_claim_names_its_sandbox_and_an_unreadable_one_is_still_a_claim),
    };
    return cmocka_run_group_tests_name("allocation", tests, NULL, NULL);
}
