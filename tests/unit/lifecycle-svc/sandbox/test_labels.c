/* The grammar of metadata keys and values. Contract rest-api.md §9. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/labels.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static int check(const char *key, const char *value, struct error *err)
{
    struct json_map metadata = {0};

    json_map_set(&metadata, key, value);
    int result = metadata_check(&metadata, err);
    json_map_free(&metadata);
    return result;
}

/* count times c, behind head and before tail. */
static char *long_text(const char *head, char c, int count, const char *tail)
{
    char *text = xasprintf("%s%*s%s", head, count, "", tail);

    for (int i = 0; i < count; i++)
        text[strlen(head) + (size_t)i] = c;
    return text;
}

static void good_pairs_pass(void **state)
{
    static const char *const pairs[][2] = {
        {"a", ""},          {"A", "b"},           {"team", "Blue_1.x-y"},     {"a.b_c-d", "0"},
        {"x.io/name", "v"}, {"a-b.c1/Name", "v"}, {"opensandbox.iox/a", "v"},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_ok(check(pairs[i][0], pairs[i][1], &err), &err);
}

static void bad_pairs_are_named(void **state)
{
    static const char *const pairs[][2] = {
        {"", "v"},
        {"-a", "v"},
        {"a-", "v"},
        {"a b", "v"},
        {"a/", "v"},
        {"/a", "v"},
        {"A.io/a", "v"},
        {"a..b/c", "v"},
        {"-a/b", "v"},
        {"a/b/c", "v"},
        {"a_b/c", "v"},
        {"\xc3\xa4", "v"},
        {"k", "Demo Test"},
        {"k", "-v"},
        {"k", "v."},
        {"k", "a/b"},
        {"k", "v\n"},
        {"k\n", "v"},
        {"opensandbox.io/id", "v"},
        {"opensandbox.io/", "v"},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        print_message("\"%s\"=\"%s\"\n", pairs[i][0], pairs[i][1]);
        assert_fails(check(pairs[i][0], pairs[i][1], &err), &err, ERR_INVALID, "metadata");
        assert_string_equal(err.reason, "SANDBOX::INVALID_METADATA_LABEL");
    }
}

static void lengths_are_exact(void **state)
{
    SCOPED(string) char *name63 = long_text("", 'n', 63, ""), *name64 = long_text("", 'n', 64, "");
    SCOPED(string) char *longest = long_text("", 'p', 253, "/"), *too_long = long_text("", 'p', 254, "/n");
    SCOPED(string) char *full = xasprintf("%s%s", longest, name63);
    struct error err = {0};

    (void)state;
    assert_ok(check(name63, name63, &err), &err);
    assert_ok(check(full, "", &err), &err);
    assert_fails(check(name64, "v", &err), &err, ERR_INVALID, "63");
    assert_fails(check("k", name64, &err), &err, ERR_INVALID, "63");
    assert_fails(check(too_long, "v", &err), &err, ERR_INVALID, "253");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_pairs_pass),
        cmocka_unit_test(bad_pairs_are_named),
        cmocka_unit_test(lengths_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
