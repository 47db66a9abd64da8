/* The credentials of an image, as the kubelet reads them. Contract rest-api.md §4.3. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/image_auth.h"
#include "shared/base/cleanup.h"

static void the_registry_is_the_images_host_or_docker_hub(void **state)
{
    static const struct {
        const char *image, *key;
    } rows[] = {
        {"busybox", "https://index.docker.io/v1/"},
        {"busybox:1.36", "https://index.docker.io/v1/"},
        {"team/app:1", "https://index.docker.io/v1/"},
        {"ghcr.io/team/app", "ghcr.io"},
        {"registry:5000/app", "registry:5000"},
        {"reg.example:443/a/b@sha256:1", "reg.example:443"},
        {"localhost/app", "localhost"},
        {"docker.io/library/busybox", "docker.io"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *key = image_registry_key(rows[i].image);
        assert_string_equal(key, rows[i].key);
    }
}

static void the_document_has_one_entry_with_all_three_members(void **state)
{
    const struct image_source image = {.uri = (char *)"ghcr.io/a/b",
                                       .auth = {(char *)"us\"er", (char *)"p\u00e4ss:word"}};
    SCOPED_DOCKER_CONFIG struct docker_config config = {0};

    (void)state;
    docker_config_of(&image, &config);
    assert_string_equal(config.bytes,
                        "{\"auths\":{\"ghcr.io\":{\"username\":\"us\\\"er\",\"password\":\"p\u00e4ss:word\","
                        "\"auth\":\"dXMiZXI6cMOkc3M6d29yZA==\"}}}");
    assert_int_equal(config.length, strlen(config.bytes));
}

static void the_secret_is_named_after_the_sandbox(void **state)
{
    SCOPED(string) char *name = image_auth_secret_name("web");

    (void)state;
    assert_string_equal(name, "opensandbox-image-auth-web");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_registry_is_the_images_host_or_docker_hub),
        cmocka_unit_test(the_document_has_one_entry_with_all_three_members),
        cmocka_unit_test(the_secret_is_named_after_the_sandbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
