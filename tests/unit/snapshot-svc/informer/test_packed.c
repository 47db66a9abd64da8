/* test_packed.c - what a cache keeps of an object is the object. */
#include <string.h>

#include "shared/json/json.h"
#include "snapshot-svc/informer/packed.h"
#include "tests/unit/testing.h"

static struct object *adopted(const char *json)
{
    struct object *object = NULL;
    struct error err = {0};
    json_t *parsed = json_loads(json, JSON_ALLOW_NUL, NULL);

    assert_non_null(parsed);
    assert_ok(object_adopt(parsed, &object, &err), &err);
    return object;
}

#define META "\"metadata\":{\"name\":\"web\",\"namespace\":\"team\",\"uid\":\"u-1\",\"resourceVersion\":\"7\""

static void what_is_opened_equals_what_was_packed(void **state)
{
    static const char *const documents[] = {
        "{" META "}}",
        "{" META "},\"spec\":{\"a\":[],\"b\":{},\"c\":null,\"d\":true,\"e\":[[[{}]]]}}",
        "{" META "},\"n\":[0,-1,9223372036854775807,-9223372036854775808,0.1,1e300,1.0]}",
        "{" META "},\"s\":[\"\",\"\\u0000 in the middle\",\"\\\"\\\\/\\n\",\"\\u00e9\\ud83d\\ude00\"]}",
        "{" META ",\"labels\":{\"\":\"\"},\"ownerReferences\":[{},{\"uid\":\"o\"}]}}",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
        SCOPED(object) struct object *object = adopted(documents[i]);
        SCOPED(packed) struct packed *packed = packed_new(object);
        SCOPED(object) struct object *opened = packed_open(packed);
        assert_true(json_equal(object->json, opened->json));
        assert_true(opened->json != object->json);
        assert_string_equal(opened->key, "team/web");
        assert_string_equal(packed->key, "team/web");
        assert_string_equal(packed->uid, "u-1");
        assert_int_equal(packed->version, 7);
    }
}

static void what_lists_decide_by_is_beside_it(void **state)
{
    SCOPED(object)
    struct object *object = adopted(
        "{" META
        ",\"creationTimestamp\":\"1970-01-01T00:00:05Z\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
        "\"labels\":{\"team\":\"red\",\"empty\":\"\"},\"annotations\":{\"sandbox.opensandbox.io/endpoints\":"
        "\"[\\\"10.0.0.1\\\"]\"},\"ownerReferences\":[{\"uid\":\"o-1\"},{\"uid\":\"o-2\"}]},"
        "\"status\":{\"phase\":\"Succeed\",\"ready\":1,\"allocated\":2}}");
    SCOPED(packed) struct packed *packed = packed_new(object);
    (void)state;

    assert_int_equal(packed->created_unix_ms, 5000);
    assert_true(packed->signs.deleting);
    assert_string_equal(packed->signs.phase, "Succeed");
    assert_int_equal(packed->signs.ready, 1);
    assert_int_equal(packed->signs.allocated, 2);
    assert_string_equal(packed->signs.endpoints, "[\"10.0.0.1\"]");
    assert_string_equal(packed_label(packed, "team"), "red");
    assert_string_equal(packed_label(packed, "empty"), "");
    assert_null(packed_label(packed, "red"));
    assert_int_equal(packed->owner_count, 2);
    assert_string_equal(packed->owners, "o-1");
    assert_string_equal(packed->owners + strlen("o-1") + 1, "o-2");
}

static void what_is_missing_or_of_another_type_counts_as_nothing(void **state)
{
    SCOPED(object)
    struct object *object = adopted("{" META ",\"creationTimestamp\":\"yesterday\",\"labels\":[\"team\"],"
                                    "\"annotations\":7,\"ownerReferences\":{}},"
                                    "\"status\":{\"phase\":1,\"ready\":\"1\",\"allocated\":null}}");
    SCOPED(packed) struct packed *packed = packed_new(object);
    (void)state;

    assert_int_equal(packed->created_unix_ms, 0);
    assert_false(packed->signs.deleting);
    assert_string_equal(packed->signs.phase, "");
    assert_int_equal(packed->signs.ready, 0);
    assert_int_equal(packed->signs.allocated, 0);
    assert_string_equal(packed->signs.endpoints, "");
    assert_null(packed_label(packed, "team"));
    assert_int_equal(packed->owner_count, 0);
}

static void nothing_opens_as_nothing(void **state)
{
    (void)state;
    assert_null(packed_open(NULL));
    assert_null(packed_ref(NULL));
    packed_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_opened_equals_what_was_packed),
        cmocka_unit_test(what_lists_decide_by_is_beside_it),
        cmocka_unit_test(what_is_missing_or_of_another_type_counts_as_nothing),
        cmocka_unit_test(nothing_opens_as_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
