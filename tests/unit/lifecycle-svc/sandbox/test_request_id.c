/* What makes a repeated request the same request. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/request_id.h"
#include "shared/base/alloc.h"

static void a_request_id_always_gives_the_same_uuid_for_a_verb(void **state)
{
    char one[UUID_SIZE], again[UUID_SIZE], other[UUID_SIZE], verb[UUID_SIZE];

    (void)state;
    request_uuid("create", "r-1", one);
    request_uuid("create", "r-1", again);
    request_uuid("create", "r-2", other);
    request_uuid("snapshot", "r-1", verb);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    assert_string_not_equal(one, verb);
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
    /* printf 'create\\0r-1' | sha256sum, with the bits of version 4 set */
    assert_string_equal(one, "d2e16a0b-017e-4623-9463-669176608e17");
}

static struct create_request plain(void)
{
    struct create_request request = {.image.uri = xstrdup("busybox"), .timeout_s = 60};

    json_strings_add(&request.entrypoint, "sleep");
    json_map_set(&request.env, "A", "1");
    json_map_set(&request.env, "B", NULL);
    json_map_set(&request.metadata, "team", "blue");
    request.image.auth = (struct image_auth){xstrdup("user"), xstrdup("secret")};
    return request;
}

static void expect(struct create_request *request, bool same)
{
    struct create_request base = plain();
    char wanted[FINGERPRINT_SIZE], got[FINGERPRINT_SIZE];

    request_fingerprint(&base, wanted);
    request_fingerprint(request, got);
    assert_int_equal(strlen(got), 64);
    assert_int_equal(strcmp(wanted, got) == 0, same);
    create_request_done(&base);
    create_request_done(request);
}

static void the_order_of_maps_and_the_password_do_not_count(void **state)
{
    struct create_request equal = plain(), turned = plain(), rotated = plain();

    (void)state;
    expect(&equal, true);
    json_map_free(&turned.env);
    json_map_set(&turned.env, "B", NULL);
    json_map_set(&turned.env, "A", "1");
    expect(&turned, true);
    rotated.image.auth.password[0] = 'S';
    expect(&rotated, true);
}

/* Every member counts, and where one ends does, too. */
static void everything_else_counts(void **state)
{
    struct create_request rows[12];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        rows[i] = plain();
    rows[count++].image.uri[0] = 'B';
    rows[count++].image.auth.username[0] = 'U';
    rows[count++].timeout_s = 61;
    rows[count++].timeout_s = 0;
    json_map_set(&rows[count++].env, "A", "2");
    json_map_set(&rows[count++].env, "B", "");
    json_map_set(&rows[count++].metadata, "x", "");
    json_map_set(&rows[count++].extensions, "x", "");
    json_map_set(&rows[count++].resource_limits, "cpu", "1");
    json_map_set(&rows[count++].resource_requests, "cpu", "1");
    json_strings_add(&rows[count++].entrypoint, "");
    rows[count++].platform = (struct platform_choice){xstrdup("linux"), xstrdup("amd64")};
    for (size_t i = 0; i < count; i++)
        expect(&rows[i], false);
    assert_int_equal(count, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_id_always_gives_the_same_uuid_for_a_verb),
        cmocka_unit_test(the_order_of_maps_and_the_password_do_not_count),
        cmocka_unit_test(everything_else_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
