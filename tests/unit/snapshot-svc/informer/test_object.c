#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "snapshot-svc/informer/object.h"

static json_t *versioned(const char *name, const char *version)
{
    return json_pack("{s:{s:s, s:s, s:s}}", "metadata", "namespace", "test", "name", name, "resourceVersion",
                     version);
}

static void an_object_knows_its_key_and_version(void **state)
{
    struct error err = {0};
    SCOPED(object) struct object *object = NULL;
    (void)state;

    assert_int_equal(object_adopt(versioned("a", "18446744073709551615"), &object, &err), 0);
    assert_string_equal(object->key, "test/a");
    assert_string_equal(object->uid, "");
    assert_true(object->version == UINT64_MAX);
}

static void what_has_no_name_or_version_stays_with_the_caller(void **state)
{
    static const char *const versions[] = {"", "x", "-1", "1x", "18446744073709551616"};
    struct error err = {0};
    struct object *object = NULL;
    (void)state;

    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        json_t *json = versioned("a", versions[i]);
        assert_int_equal(object_adopt(json, &object, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        json_decref(json);
    }
    json_t *nameless = json_object();
    assert_int_equal(object_adopt(nameless, &object, &err), -1);
    json_decref(nameless);
    assert_int_equal(object_adopt(NULL, &object, &err), -1);
}

static void *hold_and_let_go(void *arg)
{
    for (int i = 0; i < 20000; i++)
        object_unref(object_ref(arg));
    return NULL;
}

static void references_are_counted_across_threads(void **state)
{
    struct error err = {0};
    SCOPED(object) struct object *object = NULL;
    pthread_t threads[3];
    (void)state;

    assert_int_equal(object_adopt(versioned("a", "1"), &object, &err), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_let_go, object), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(object->refs, 1);
}

static void a_list_holds_its_objects(void **state)
{
    struct error err = {0};
    struct object *object = NULL;
    SCOPED_OBJECT_LIST struct object_list list = OBJECT_LIST_INIT;
    (void)state;

    assert_int_equal(object_adopt(versioned("a", "1"), &object, &err), 0);
    for (int i = 0; i < 100; i++)
        object_list_add(&list, object);
    object_unref(object);
    assert_int_equal(list.count, 100);
    assert_int_equal(list.items[99]->refs, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_knows_its_key_and_version),
        cmocka_unit_test(what_has_no_name_or_version_stays_with_the_caller),
        cmocka_unit_test(references_are_counted_across_threads),
        cmocka_unit_test(a_list_holds_its_objects),
    };
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
