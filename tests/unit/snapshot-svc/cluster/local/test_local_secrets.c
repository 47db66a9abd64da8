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

static void secrets_are_not_listed_and_not_watched(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    json_t *items = NULL;
    char *version = NULL;
    struct cluster_watch *watch = NULL;

    assert_refused(cluster_list(kit->cluster, KIND_SECRET, NS, NULL, &items, &version, &err),
                   ERR_UNSUPPORTED);
    assert_refused(cluster_watch_open(kit->cluster, KIND_SECRET, NS, NULL, "1", &watch, &err),
                   ERR_UNSUPPORTED);
}

static void a_folder_is_never_written(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *object = quoted("{'metadata': {'name': 'push'}, 'data': {'key': 'bmV3'}}");

    put(kit, "push", "key", "old", 3);
    assert_refused(cluster_create(kit->cluster, KIND_SECRET, NS, object, NULL, &err), ERR_EXISTS);
    assert_refused(cluster_patch(kit->cluster, KIND_SECRET, NS, "push", object, NULL, NULL, &err),
                   ERR_UNSUPPORTED);
    assert_refused(cluster_remove(kit->cluster, KIND_SECRET, NS, "push", NULL, -1, &err), ERR_UNSUPPORTED);
    SCOPED(json) json_t *secret = get(kit, "push");
    assert_string_equal(json_path_string(secret, "data.key"), "b2xk");
}

/* ---- those that are made here ---- */

static json_t *make(struct local_kit *kit, const char *name)
{
    SCOPED(json)
    json_t *wanted = quotedf("{'metadata': {'name': '%s', 'labels': {'opensandbox.io/id': 'web'}}, 'type':"
                             " 'kubernetes.io/dockerconfigjson', 'data': {'key': 'Y29ycmVjdCBob3JzZQ=='}}",
                             name);
    struct error err = {0};
    json_t *made = NULL;
    assert_ok(cluster_create(kit->cluster, KIND_SECRET, NS, wanted, &made, &err));
    return made;
}

static void a_made_secret_reads_as_it_was_made(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(json) json_t *made = make(kit, "auth");
    SCOPED(json) json_t *secret = get(kit, "auth");

    assert_true(json_equal(made, secret));
    assert_string_equal(json_path_string(secret, "type"), "kubernetes.io/dockerconfigjson");
    assert_string_equal(json_path_string(secret, "data.key"), "Y29ycmVjdCBob3JzZQ==");
    assert_string_equal(json_path_string(secret, "metadata.namespace"), NS);
    assert_non_null(json_path_string(secret, "metadata.uid"));
    assert_non_null(json_path_string(secret, "metadata.resourceVersion"));
}

static void a_taken_name_a_bad_one_and_bad_data_are_refused(void **state)
{
    static const char *const bad[] = {
        "{'metadata': {'name': 'No Name'}}",
        "{'metadata': {}}",
        "{'metadata': {'name': 'x'}, 'data': 5}",
        "{'metadata': {'name': 'x'}, 'data': {'key': 5}}",
        "{'metadata': {'name': 'x'}, 'stringData': {'key': 'v'}}",
        "{'kind': 'Pod', 'metadata': {'name': 'x'}}",
    };
    struct local_kit *kit = *state;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        SCOPED(json) json_t *wanted = quoted(bad[i]);
        assert_refused(cluster_create(kit->cluster, KIND_SECRET, NS, wanted, NULL, &err), ERR_INVALID);
    }
    json_decref(make(kit, "auth"));
    SCOPED(json) json_t *again = quoted("{'metadata': {'name': 'auth'}}");
    assert_refused(cluster_create(kit->cluster, KIND_SECRET, NS, again, NULL, &err), ERR_EXISTS);
    assert_refused(cluster_create(kit->cluster, KIND_SECRET, "elsewhere", again, NULL, &err), ERR_NOT_FOUND);
}

static void a_patch_changes_what_it_names_and_keeps_the_rest(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(json) json_t *made = make(kit, "auth");
    SCOPED(json) json_t *patch = quoted("{'metadata': {'labels': {'a': 'b'}}, 'data': {'more': 'eA=='}}");
    SCOPED(json) json_t *patched = NULL;
    SCOPED(json) json_t *again = NULL;
    struct error err = {0};

    assert_ok(cluster_patch(kit->cluster, KIND_SECRET, NS, "auth", patch, NULL, &patched, &err));
    assert_string_equal(json_path_string(patched, "data.key"), "Y29ycmVjdCBob3JzZQ==");
    assert_string_equal(json_path_string(patched, "data.more"), "eA==");
    assert_string_equal(json_path_string(patched, "metadata.labels.a"), "b");
    assert_string_equal(json_path_string(patched, "metadata.uid"), json_path_string(made, "metadata.uid"));
    assert_string_not_equal(json_path_string(patched, "metadata.resourceVersion"),
                            json_path_string(made, "metadata.resourceVersion"));
    assert_ok(cluster_patch(kit->cluster, KIND_SECRET, NS, "auth", patch, NULL, &again, &err));
    assert_true(json_equal(patched, again));
}

static void a_version_or_uid_that_is_not_its_own_is_a_conflict(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(json) json_t *made = make(kit, "auth");
    SCOPED(json) json_t *patch = quoted("{'metadata': {'labels': {'a': 'b'}}}");
    const char *uid = json_path_string(made, "metadata.uid");
    const char *old = json_path_string(made, "metadata.resourceVersion");
    struct error err = {0};

    assert_ok(cluster_patch(kit->cluster, KIND_SECRET, NS, "auth", patch, old, NULL, &err));
    assert_refused(cluster_patch(kit->cluster, KIND_SECRET, NS, "auth", patch, old, NULL, &err),
                   ERR_CONFLICT);
    assert_refused(cluster_remove_version(kit->cluster, KIND_SECRET, NS, "auth", uid, old, -1, &err),
                   ERR_CONFLICT);
    assert_refused(cluster_remove(kit->cluster, KIND_SECRET, NS, "auth", "another", -1, &err), ERR_CONFLICT);
    assert_ok(cluster_remove(kit->cluster, KIND_SECRET, NS, "auth", uid, -1, &err));
    assert_refused(cluster_remove(kit->cluster, KIND_SECRET, NS, "auth", uid, -1, &err), ERR_NOT_FOUND);
    assert_refused(cluster_patch(kit->cluster, KIND_SECRET, NS, "auth", patch, NULL, NULL, &err),
                   ERR_NOT_FOUND);
}

static void own(struct local_kit *kit, const char *secret, const char *uid)
{
    SCOPED(json)
    json_t *patch = quotedf("{'metadata': {'ownerReferences': [{'apiVersion':"
                            " 'sandbox.opensandbox.io/v1alpha1', 'kind': 'BatchSandbox', 'name': 'web',"
                            " 'uid': '%s', 'controller': false}]}}",
                            uid);
    struct error err = {0};
    assert_ok(cluster_patch(kit->cluster, KIND_SECRET, NS, secret, patch, NULL, NULL, &err));
}

static void a_secret_goes_with_the_sandbox_that_owns_it(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(json) json_t *wanted = sandbox_named("web");
    SCOPED(json) json_t *sandbox = NULL;
    json_t *gone = NULL;
    struct error err = {0};

    json_decref(make(kit, "auth"));
    json_decref(make(kit, "other"));
    assert_ok(cluster_create(kit->cluster, KIND_BATCH_SANDBOX, NS, wanted, &sandbox, &err));
    own(kit, "auth", json_path_string(sandbox, "metadata.uid"));
    json_decref(get(kit, "auth"));
    assert_ok(cluster_remove(kit->cluster, KIND_BATCH_SANDBOX, NS, "web", NULL, 0, &err));
    assert_refused(cluster_get(kit->cluster, KIND_SECRET, NS, "auth", &gone, &err), ERR_NOT_FOUND);
    json_decref(get(kit, "other"));
}

static void a_sandbox_that_waits_for_a_finalizer_keeps_its_secret_until_then(void **state)
{
    struct local_kit *kit = *state;
    SCOPED(json)
    json_t *wanted =
        quoted("{'metadata': {'name': 'web', 'finalizers': ['x.io/y']}, 'spec': {'template': {}}}");
    SCOPED(json) json_t *release = quoted("{'metadata': {'finalizers': null}}");
    SCOPED(json) json_t *sandbox = NULL;
    json_t *gone = NULL;
    struct error err = {0};

    json_decref(make(kit, "auth"));
    assert_ok(cluster_create(kit->cluster, KIND_BATCH_SANDBOX, NS, wanted, &sandbox, &err));
    own(kit, "auth", json_path_string(sandbox, "metadata.uid"));
    assert_ok(cluster_remove(kit->cluster, KIND_BATCH_SANDBOX, NS, "web", NULL, 0, &err));
    json_decref(get(kit, "auth"));
    assert_ok(cluster_patch(kit->cluster, KIND_BATCH_SANDBOX, NS, "web", release, NULL, NULL, &err));
    assert_refused(cluster_get(kit->cluster, KIND_SECRET, NS, "auth", &gone, &err), ERR_NOT_FOUND);
}

static void a_secret_whose_owner_has_gone_before_goes_at_once(void **state)
{
    struct local_kit *kit = *state;
    json_t *gone = NULL;
    struct error err = {0};

    json_decref(make(kit, "auth"));
    own(kit, "auth", "3f6c0000-0000-4000-8000-000000000000");
    assert_refused(cluster_get(kit->cluster, KIND_SECRET, NS, "auth", &gone, &err), ERR_NOT_FOUND);
}

static void a_restart_forgets_what_was_made(void **state)
{
    struct local_kit *kit = *state;
    json_t *gone = NULL;
    struct error err = {0};

    json_decref(make(kit, "auth"));
    local_kit_close(kit);
    local_kit_open(kit);
    assert_refused(cluster_get(kit->cluster, KIND_SECRET, NS, "auth", &gone, &err), ERR_NOT_FOUND);
}

static void their_memory_is_bounded(void **state)
{
    struct local_kit *kit = *state;
    size_t length = 1024 * 1024 - 16;
    SCOPED(string) char *text = xcalloc(length + 1, 1);
    struct error err = {0};
    int made = 0;

    memset(text, 'A', length);
    for (;; made++) {
        SCOPED(string) char *name = xasprintf("auth-%d", made);
        SCOPED(json)
        json_t *wanted = json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", name, "data", "key", text);
        if (cluster_create(kit->cluster, KIND_SECRET, NS, wanted, NULL, &err) < 0)
            break;
        assert_true(made < 70);
    }
    assert_int_equal(err.code, ERR_EXHAUSTED);
    assert_int_equal(made, 64);
    error_clear(&err);
    assert_ok(cluster_remove(kit->cluster, KIND_SECRET, NS, "auth-7", NULL, -1, &err));
    SCOPED(json)
    json_t *another = json_pack("{s:{s:s}, s:{s:s}}", "metadata", "name", "auth-7", "data", "key", text);
    assert_ok(cluster_create(kit->cluster, KIND_SECRET, NS, another, NULL, &err));
}

static void a_secret_is_never_copied_into_the_store(void **state)
{
    struct local_kit *kit = *state;
    struct error err = {0};
    static const char *const suffixes[] = {"", "-wal"};

    put(kit, "push", "key", "correct horse", 13);
    json_decref(get(kit, "push"));
    json_decref(make(kit, "made")); /* the same text */
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
        SECRET_TEST(secrets_are_not_listed_and_not_watched),
        SECRET_TEST(a_folder_is_never_written),
        SECRET_TEST(a_made_secret_reads_as_it_was_made),
        SECRET_TEST(a_taken_name_a_bad_one_and_bad_data_are_refused),
        SECRET_TEST(a_patch_changes_what_it_names_and_keeps_the_rest),
        SECRET_TEST(a_version_or_uid_that_is_not_its_own_is_a_conflict),
        SECRET_TEST(a_secret_goes_with_the_sandbox_that_owns_it),
        SECRET_TEST(a_sandbox_that_waits_for_a_finalizer_keeps_its_secret_until_then),
        SECRET_TEST(a_secret_whose_owner_has_gone_before_goes_at_once),
        SECRET_TEST(a_restart_forgets_what_was_made),
        SECRET_TEST(their_memory_is_bounded),
        SECRET_TEST(a_secret_is_never_copied_into_the_store),
    };
    return cmocka_run_group_tests_name("cluster/local secrets", tests, NULL, NULL);
}
