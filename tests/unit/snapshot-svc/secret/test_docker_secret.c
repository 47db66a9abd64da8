#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "snapshot-svc/secret/docker_secret.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"

static int set_up(void **state)
{
    struct local_kit *kit = local_kit_new();

    local_kit_open(kit);
    *state = kit;
    return 0;
}

static int tear_down(void **state)
{
    local_kit_free(*state);
    return 0;
}

static void write_secret(struct local_kit *kit, const char *name, const char *key, const void *content,
                         size_t length)
{
    SCOPED(string) char *folder = xasprintf("%s/%s", kit->secrets_dir, name);
    SCOPED(string) char *path = xasprintf("%s/%s", folder, key);
    struct error err = {0};

    assert_ok(dir_ensure(folder, 0700, &err), &err);
    assert_ok(file_write_atomic(path, content, length, 0600, &err), &err);
}

/* ---- reading ---- */

static void the_document_comes_out_as_it_went_in(void **state)
{
    static const char document[] = "{\"auths\":{}}\n\x01\xff";
    struct local_kit *kit = *state;
    SCOPED_DOCKER_SECRET struct docker_secret secret = {0};
    struct error err = {0};

    write_secret(kit, "push", ".dockerconfigjson", document, sizeof(document) - 1);
    assert_ok(docker_secret_read(kit->cluster, "test", "push", &secret, &err), &err);
    assert_string_equal(secret.type, SECRET_TYPE_DOCKER);
    assert_int_equal(secret.config.length, sizeof(document) - 1);
    assert_memory_equal(secret.config.bytes, document, sizeof(document) - 1);
}

static void a_secret_of_another_type_has_its_type_and_no_document(void **state)
{
    struct local_kit *kit = *state;
    SCOPED_DOCKER_SECRET struct docker_secret secret = {0};
    struct error err = {0};

    write_secret(kit, "push", "password", "x", 1);
    assert_ok(docker_secret_read(kit->cluster, "test", "push", &secret, &err), &err);
    assert_string_equal(secret.type, "Opaque");
    assert_int_equal(secret.config.length, 0);
}

static void a_missing_secret_is_not_found(void **state)
{
    struct local_kit *kit = *state;
    SCOPED_DOCKER_SECRET struct docker_secret secret = {0};
    struct error err = {0};

    assert_fails(docker_secret_read(kit->cluster, "test", "push", &secret, &err), &err, ERR_NOT_FOUND,
                 "push");
}

/* ---- which registry ---- */

static void entries_serve_registries_as_docker_means_it(void **state)
{
    static const struct {
        const char *entry, *reference;
        int serves;
    } cases[] = {
        {"registry:5000", "registry:5000/team/snapshots", 1},
        {"registry:5000", "registry:5000", 1},
        {"https://registry:5000", "registry:5000/team", 1},
        {"http://registry:5000/v2/", "registry:5000/team", 1},
        {"REGISTRY.example.com", "registry.example.com/team", 1},
        {"registry", "registry:5000/team", 1}, /* without port: every port */
        {"registry:5000", "registry/team", 0},
        {"registry:5000", "registry:5001/team", 0},
        {"registry:5000", "registry:500/team", 0},
        {"egistry:5000", "registry:5000/team", 0},
        {"https://index.docker.io/v1/", "docker.io/library", 1},
        {"docker.io", "index.docker.io/library", 1},
        {"registry-1.docker.io", "docker.io/library", 1},
        {"index.docker.io.example.com", "docker.io/library", 0},
        {"[::1]:5000", "[::1]:5000/team", 1},
        {"", "registry:5000/team", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        SCOPED_STRBUF struct strbuf config = STRBUF_INIT;
        struct error err = {0};
        strbuf_addf(&config, "{\"auths\":{\"else.example.com\":{},\"%s\":{\"auth\":\"eDp5\"}}}",
                    cases[i].entry);
        int serves = docker_config_has_registry(&config, cases[i].reference, &err);
        if (serves != cases[i].serves)
            fail_msg("entry \"%s\" for %s: want %d, got %d", cases[i].entry, cases[i].reference,
                     cases[i].serves, serves);
    }
}

static void what_is_no_docker_config_is_refused_without_a_quote_of_it(void **state)
{
    static const char *const documents[] = {
        "", "s3cret", "[]", "{}", "{\"auths\":[\"s3cret\"]}", "{\"s3cret\":1}"};

    (void)state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
        SCOPED_STRBUF struct strbuf config = STRBUF_INIT;
        struct error err = {0};
        strbuf_adds(&config, documents[i]);
        assert_fails(docker_config_has_registry(&config, "registry", &err), &err, ERR_INVALID, "auths");
        assert_lacks(err.text, "s3cret");
    }
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(the_document_comes_out_as_it_went_in),
        WITH_STORE(a_secret_of_another_type_has_its_type_and_no_document),
        WITH_STORE(a_missing_secret_is_not_found),
        cmocka_unit_test(entries_serve_registries_as_docker_means_it),
        cmocka_unit_test(what_is_no_docker_config_is_refused_without_a_quote_of_it),
    };
    return cmocka_run_group_tests_name("docker secret", tests, NULL, NULL);
}
