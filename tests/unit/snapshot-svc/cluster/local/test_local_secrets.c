#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#define NS "test"

static void put(struct local_kit *kit, const char *secret, const char *key, const char *value, size_t length)
{
    struct error err = {0};
    SCOPED(string) char *folder = xasprintf("%s/%s", kit->secrets_dir, secret);
    SCOPED(string) char *path = xasprintf("%s/%s", folder, key);

    assert_ok(dir_ensure(folder, 0700, &err));
    assert_ok(file_write_atomic(path, value, length, 0600, &err));
}

static json_t *get(struct local_kit *kit, const char *name)
{
    struct error err = {0};
    json_t *secret = NULL;
    assert_ok(cluster_get(kit->cluster, KIND_SECRET, NS, name, &secret, &err));
    return secret;
}

static void a_docker_config_is_read_as_the_api_server_answers_it(void **state)
{
    struct local_kit *kit = *state;

    put(kit, "push", ".dockerconfigjson", "{\"auths\":{}}", 12);
    SCOPED(json) json_t *secret = get(kit, "push");
    assert_string_equal(json_path_string(secret, "type"), "kubernetes.io/dockerconfigjson");
    assert_string_equal(json_path_string(secret, "metadata.name"), "push");
    assert_string_equal(json_path_string(secret, "metadata.namespace"), NS);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(secret, "data"), ".dockerconfigjson")),
        "eyJhdXRocyI6e319");
}

static void other_keys_make_an_opaque_secret(void **state)
{
    struct local_kit *kit = *state;
    static const char bytes[] = {0, 1, (char)0xff, 0};

    put(kit, "plain", "binary", bytes, sizeof(bytes));
    put(kit, "plain", "empty", "", 0);
    SCOPED(json) json_t *secret = get(kit, "plain");
    assert_string_equal(json_path_string(secret, "type"), "Opaque");
    assert_string_equal(json_path_string(secret, "data.binary"), "AAH/AA==");
    assert_string_equal(json_path_string(secret, "data.empty"), "");
}

/* kubelet writes "..2029_06_01/" and a link "..data" to it; the keys are links through that one. */
static void a_mounted_volume_is_read_through_its_links(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(string) char *link = xasprintf("%s/mounted/key", kit->secrets_dir);

    put(kit, "mounted/..2029_06_01", "key", "value", 5);
    assert_int_equal(symlink("..2029_06_01/key", link), 0);
    SCOPED(json) json_t *secret = get(kit, "mounted");
    assert_string_equal(json_path_string(secret, "data.key"), "dmFsdWU=");
    assert_int_equal(json_object_size(json_object_get(secret, "data")), 1);
}

static void a_change_of_the_file_is_seen_at_the_next_get(void **state)
{
    struct local_kit *kit = *state;

    put(kit, "turned", "key", "old", 3);
    json_decref(get(kit, "turned"));
    put(kit, "turned", "key", "new", 3);
    SCOPED(json) json_t *secret = get(kit, "turned");
    assert_string_equal(json_path_string(secret, "data.key"), "bmV3");
}

static void names_cannot_leave_the_folder(void **state)
{
    struct local_kit *kit = *state;
    static const char *const names[] = {"none", "..", ".", "../secrets/push", "push/..", "", "/etc"};
    struct error err = {0};
    json_t *secret = NULL;

    put(kit, "push", "key", "v", 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_refused(cluster_get(kit->cluster, KIND_SECRET, NS, names[i], &secret, &err), ERR_NOT_FOUND);
    assert_refused(cluster_get(kit->cluster, KIND_SECRET, "elsewhere", "push", &secret, &err), ERR_NOT_FOUND);
}

static void a_secret_too_large_is_refused(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    json_t *secret = NULL;
    size_t half = 600 * 1024;
    SCOPED(string) char *bytes = xcalloc(half, 1);

    put(kit, "large", "one", bytes, half);
    json_decref(get(kit, "large"));
    put(kit, "large", "two", bytes, half);
    assert_refused(cluster_get(kit->cluster, KIND_SECRET, NS, "large", &secret, &err), ERR_EXHAUSTED);
}

static void secrets_are_only_read_by_name(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *object = quoted("{'metadata': {'name': 'x'}}");
    json_t *items = NULL;
    char *version = NULL;
    struct cluster_watch *watch = NULL;

    assert_refused(cluster_create(kit->cluster, KIND_SECRET, NS, object, NULL, &err), ERR_UNSUPPORTED);
    assert_refused(cluster_patch(kit->cluster, KIND_SECRET, NS, "x", object, NULL, NULL, &err),
                   ERR_UNSUPPORTED);
    assert_refused(cluster_remove(kit->cluster, KIND_SECRET, NS, "x", NULL, -1, &err), ERR_UNSUPPORTED);
    assert_refused(cluster_list(kit->cluster, KIND_SECRET, NS, NULL, &items, &version, &err),
                   ERR_UNSUPPORTED);
    assert_refused(cluster_watch_open(kit->cluster, KIND_SECRET, NS, NULL, "1", &watch, &err),
                   ERR_UNSUPPORTED);
}

static void a_secret_is_never_copied_into_the_store(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    static const char *const suffixes[] = {"", "-wal"};

    put(kit, "push", "key", "correct horse", 13);
    json_decref(get(kit, "push"));
    SCOPED(json) json_t *object = sandbox_named("user-of-it");
    assert_ok(cluster_create(kit->cluster, KIND_BATCH_SANDBOX, NS, object, NULL, &err));
    for (int i = 0; i < 2; i++) {
        SCOPED_STRBUF struct strbuf file = STRBUF_INIT;
        SCOPED(string) char *path = xasprintf("%s%s", kit->path, suffixes[i]);
        assert_ok(file_read(path, 16 * 1024 * 1024, &file, &err));
        assert_null(memmem(file.bytes, file.length, "correct horse", 13));
        assert_null(memmem(file.bytes, file.length, "Y29ycmVjdCBob3JzZQ", 18));
    }
}

static int setup(void **state)
{
    struct local_kit *kit = local_kit_new();
    local_kit_open(kit);
    *state = kit;
    return 0;
}

static int teardown(void **state)
{
    local_kit_free(*state);
    return 0;
}

#define SECRET_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SECRET_TEST(a_docker_config_is_read_as_the_api_server_answers_it),
        SECRET_TEST(other_keys_make_an_opaque_secret),
        SECRET_TEST(a_mounted_volume_is_read_through_its_links),
        SECRET_TEST(a_change_of_the_file_is_seen_at_the_next_get),
        SECRET_TEST(names_cannot_leave_the_folder),
        SECRET_TEST(a_secret_too_large_is_refused),
        SECRET_TEST(secrets_are_only_read_by_name),
        SECRET_TEST(a_secret_is_never_copied_into_the_store),
    };
    return cmocka_run_group_tests_name("cluster/local secrets", tests, NULL, NULL);
}
