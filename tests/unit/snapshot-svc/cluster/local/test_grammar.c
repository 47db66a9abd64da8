#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot-svc/cluster/local/grammar.h"

static void names_are_dns_subdomains(void **state)
{
    static const char *const good[] = {"a", "0", "a-b", "a.b", "a1.b-2.c", "osb-snap-0123"};
    static const char *const bad[] = {"",     "A",    "a_b",  "-a",  "a-",  ".a",      "a.",
                                      "a..b", "a.-b", "a-.b", "a b", "a/b", "\xc3\xa4"};
    (void)state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(is_dns_subdomain(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(is_dns_subdomain(bad[i]));
}

static void lengths_are_bounded(void **state)
{
    char text[300];
    (void)state;

    memset(text, 'a', sizeof(text));
    text[SUBDOMAIN_MAX + 1] = '\0';
    assert_false(is_dns_subdomain(text));
    text[SUBDOMAIN_MAX] = '\0';
    assert_true(is_dns_subdomain(text));
    assert_false(is_dns_label(text));
    text[DNS_LABEL_MAX + 1] = '\0';
    assert_false(is_dns_label(text));
    assert_false(is_label_value(text));
    text[DNS_LABEL_MAX] = '\0';
    assert_true(is_dns_label(text));
    assert_true(is_label_value(text));
    assert_true(is_qualified_name(text));
}

static void label_values_may_be_empty_and_mixed_case(void **state)
{
    (void)state;
    assert_true(is_label_value(""));
    assert_true(is_label_value("Ab_1.c-D"));
    assert_false(is_label_value("_a"));
    assert_false(is_label_value("a."));
    assert_false(is_label_value("a b"));
    assert_false(is_label_value("a/b"));
}

static void qualified_names_may_have_one_dns_prefix(void **state)
{
    static const char *const good[] = {"name", "My_Name", "example.com/name",
                                       "local.stasis.opensandbox.io/node"};
    static const char *const bad[] = {"", "/a", "a/", "Example.com/a", "a/b/c", "a b", "-a"};
    (void)state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(is_qualified_name(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(is_qualified_name(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_dns_subdomains),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(label_values_may_be_empty_and_mixed_case),
        cmocka_unit_test(qualified_names_may_have_one_dns_prefix),
    };
    return cmocka_run_group_tests_name("grammar", tests, NULL, NULL);
}
