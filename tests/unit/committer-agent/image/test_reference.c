/* image/reference.h: docker's rules as a table, refusals by rule, and the law that text and value agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/image/reference.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
    const char *text, *host, *repository, *tag;
    bool has_digest;
} good[] = {
    {"busybox", "docker.io", "library/busybox", "", false},
    {"busybox:1.36", "docker.io", "library/busybox", "1.36", false},
    {"team/app", "docker.io", "team/app", "", false},
    {"docker.io/busybox", "docker.io", "library/busybox", "", false},
    {"index.docker.io/busybox:1", "docker.io", "library/busybox", "1", false},
    {"localhost/app", "localhost", "app", "", false},
    {"registry:5000/team/app:snap-gen1", "registry:5000", "team/app", "snap-gen1", false},
    {"registry:5000", "docker.io", "library/registry", "5000", false},
    {"registry.example/a/b/c@sha256:" HEX64, "registry.example", "a/b/c", "", true},
    {"127.0.0.1:5000/x:t@sha256:" HEX64, "127.0.0.1:5000", "x", "t", true},
    {"[::1]:5000/x", "[::1]:5000", "x", "", false},
    {"r.io/a--b__c.d-e/f_g:A_b.C-9", "r.io", "a--b__c.d-e/f_g", "A_b.C-9", false},
    {"REGISTRY.example/x", "REGISTRY.example", "x", "", false},
};

static void docker_reads_it_this_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct error err = {0};
        struct reference reference;
        if (reference_parse(good[i].text, &reference, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(reference.host, good[i].host);
        assert_string_equal(reference.repository, good[i].repository);
        assert_string_equal(reference.tag, good[i].tag);
        assert_int_equal(digest_is_set(&reference.digest), good[i].has_digest);
    }
}

static void the_full_spelling_parses_to_the_same_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct error err = {0};
        struct reference once, again;
        assert_int_equal(reference_parse(good[i].text, &once, &err), 0);
        char *text = reference_text(&once);
        assert_int_equal(reference_parse(text, &again, &err), 0);
        assert_memory_equal(&once, &again, sizeof(once));
        free(text);
    }
}

static void a_reference_that_breaks_a_rule_is_refused(void **state)
{
    static const struct {
        const char *text, *rule;
    } bad[] = {
        {"", "got nothing"},
        {"team/App", "lowercase"},
        {"UPPER", "lowercase"},
        {"app:", "want a tag"},
        {"app:-x", "want a tag"},
        {"app:a b", "want a tag"},
        {"r.io/app@sha256:abc", "64 lowercase hex"},
        {"r.io/app@md5:" HEX64, "64 lowercase hex"},
        {"r.io/", "repository"},
        {"r.io//app", "repository"},
        {"r.io/app/", "repository"},
        {"r.io/a..b", "repository"},
        {"r.io/a___b", "repository"},
        {"r.io/../app", "repository"},
        {"-r.io/app", "no host"},
        {"r.io:0/app", "no host"},
        {"r.io:99999/app", "no host"},
        {"r.io:/app", "no host"},
        {"user@r.io/app", "64 lowercase hex"},
        {"https://r.io/app", "no host"},
        {"[::1/app", "no host"},
        {"r.io/app\nx", "repository"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        struct reference reference;
        if (reference_parse(bad[i].text, &reference, &err) == 0)
            fail_msg("\"%s\" was taken", bad[i].text);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.reason, "InvalidImageReference");
        if (!strstr(err.text, bad[i].rule))
            fail_msg("\"%s\": %s", bad[i].text, err.text);
    }
}

static void a_name_of_255_characters_is_the_longest(void **state)
{
    char text[300];
    struct error err = {0};
    struct reference reference;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "r.io/", 5);
    text[255] = '\0';
    assert_int_equal(reference_parse(text, &reference, &err), 0);
    text[255] = 'a';
    text[256] = '\0';
    assert_int_equal(reference_parse(text, &reference, &err), -1);
    assert_non_null(strstr(err.text, "255"));
}

static void the_digest_decides_over_the_tag(void **state)
{
    struct error err = {0};
    struct reference reference;

    (void)state;
    assert_int_equal(reference_parse("a:t@sha256:" HEX64, &reference, &err), 0);
    assert_string_equal(reference_target(&reference), "sha256:" HEX64);
    assert_int_equal(reference_parse("a:t", &reference, &err), 0);
    assert_string_equal(reference_target(&reference), "t");
    assert_int_equal(reference_parse("a", &reference, &err), 0);
    assert_null(reference_target(&reference));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docker_reads_it_this_way),
        cmocka_unit_test(the_full_spelling_parses_to_the_same_reference),
        cmocka_unit_test(a_reference_that_breaks_a_rule_is_refused),
        cmocka_unit_test(a_name_of_255_characters_is_the_longest),
        cmocka_unit_test(the_digest_decides_over_the_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
