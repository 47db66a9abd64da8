#include "committer-agent/commit/request.h"
#include "shared/base/alloc.h"
#include "tests/unit/testing.h"

static char key[] = "uid-1.1", uid[] = "u", nothing[] = "", some_namespace[] = "default",
            some_name[] = "demo-0";
static struct commit_container one[] = {
    {.name = (char[]){"main"}, .image = (char[]){"registry:5000/app:snap-gen1"}}};

static struct commit_request good(void)
{
    return (struct commit_request){.key = key,
                                   .pod_uid = uid,
                                   .pod_ns = nothing,
                                   .pod_name = nothing,
                                   .containers = one,
                                   .count = 1,
                                   .hold = true};
}

static void a_good_request_is_accepted(void **state)
{
    struct commit_request request = good();
    struct error err;
    (void)state;
    assert_ok(commit_request_check(&request, &err), &err);
    request.pod_uid = nothing;
    request.pod_ns = some_namespace;
    request.pod_name = some_name;
    assert_ok(commit_request_check(&request, &err), &err);
}

static void keys_are_short_and_plain(void **state)
{
    static const char *const bad[] = {"", "a/b", "a b", "..\n", "k\xc3\xa4se"};
    struct commit_request request = good();
    char long_key[COMMIT_KEY_MAX + 2];
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        SCOPED(string) char *bad_key = xstrdup(bad[i]);
        request.key = bad_key;
        assert_fails(commit_request_check(&request, &err), &err, ERR_INVALID, "key: want");
    }
    memset(long_key, 'k', sizeof(long_key));
    long_key[sizeof(long_key) - 1] = '\0';
    request.key = long_key;
    assert_fails(commit_request_check(&request, &err), &err, ERR_INVALID, "key: want");
}

static void a_refusal_names_the_member(void **state)
{
    struct commit_container twice[] = {one[0], one[0]};
    struct commit_container untagged[] = {{.name = (char[]){"main"}, .image = (char[]){"registry:5000/app"}}};
    struct commit_container nameless[] = {{.name = (char[]){""}, .image = (char[]){"registry:5000/app:1"}}};
    struct commit_container mangled[] = {
        {.name = (char[]){"main"}, .image = (char[]){"registry:5000/APP:1"}}};
    const struct {
        struct commit_container *containers;
        size_t count;
        const char *text;
    } rows[] = {
        {NULL, 0, "containers: want 1 to"},
        {twice, 2, "containers[1].container: \"main\" is named twice"},
        {untagged, 1, "containers[0].image: want repository:tag"},
        {nameless, 1, "containers[0].container: want a container name"},
        {mangled, 1, "containers[0].image"},
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct commit_request request = good();
        request.containers = rows[i].containers;
        request.count = rows[i].count;
        assert_fails(commit_request_check(&request, &err), &err, ERR_INVALID, rows[i].text);
    }
}

static void a_pod_needs_a_uid_or_both_names(void **state)
{
    struct commit_request request = good();
    struct error err;
    (void)state;
    request.pod_uid = nothing;
    request.pod_ns = some_namespace;
    assert_fails(commit_request_check(&request, &err), &err, ERR_INVALID, "pod: want a uid");
}

static void a_copy_is_the_same_commit_and_owns_its_secret(void **state)
{
    struct commit_request request = good();
    (void)state;
    request.docker_config = (char[]){"{\"auths\":{}}"};
    request.docker_config_length = strlen(request.docker_config);
    SCOPED(commit_request) struct commit_request *copy = commit_request_copy(&request);
    assert_true(commit_request_same(&request, copy));
    assert_ptr_not_equal(copy->docker_config, request.docker_config);
    assert_string_equal(copy->docker_config, request.docker_config);
}

static void credentials_may_change_but_not_pod_image_or_hold(void **state)
{
    struct commit_container elsewhere[] = {
        {.name = (char[]){"main"}, .image = (char[]){"registry:5000/other:1"}}};
    struct commit_request request = good(), other;
    (void)state;

    other = good();
    other.docker_config = (char[]){"{}"};
    other.timeout_ms = 5;
    assert_true(commit_request_same(&request, &other));
    other = good();
    other.containers = elsewhere;
    assert_false(commit_request_same(&request, &other));
    other = good();
    other.hold = false;
    assert_false(commit_request_same(&request, &other));
    other = good();
    other.pod_uid = (char[]){"another"};
    assert_false(commit_request_same(&request, &other));
}

static void a_pod_may_be_known_by_more_names_on_one_side(void **state)
{
    struct commit_request request = good(), journalled = good();
    (void)state;
    journalled.pod_ns = some_namespace;
    journalled.pod_name = some_name;
    assert_true(commit_request_same(&request, &journalled));
    assert_true(commit_request_same(&journalled, &request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_request_is_accepted),
        cmocka_unit_test(keys_are_short_and_plain),
        cmocka_unit_test(a_refusal_names_the_member),
        cmocka_unit_test(a_pod_needs_a_uid_or_both_names),
        cmocka_unit_test(a_copy_is_the_same_commit_and_owns_its_secret),
        cmocka_unit_test(credentials_may_change_but_not_pod_image_or_hold),
        cmocka_unit_test(a_pod_may_be_known_by_more_names_on_one_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
