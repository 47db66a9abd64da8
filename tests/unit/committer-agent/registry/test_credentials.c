/* registry/credentials.h: which key of a docker config belongs to which registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/registry/credentials.h"

/* user:pass */
#define AUTH "{\"auth\":\"dXNlcjpwYXNz\"}"

static int find(const char *config, const char *host, const char *repository, struct credentials *found,
                struct error *err)
{
    return credentials_find(config, strlen(config), host, repository, found, err);
}

static void a_key_matches_in_all_its_spellings(void **state)
{
    static const struct {
        const char *key, *host;
        int found;
    } cases[] = {
        {"docker.io", "docker.io", 1},
        {"index.docker.io", "docker.io", 1},
        {"https://index.docker.io/v1/", "docker.io", 1},
        {"https://index.docker.io/v1", "docker.io", 1},
        {"registry-1.docker.io", "docker.io", 1},
        {"http://docker.io", "docker.io", 1},
        {"docker.io.evil.example", "docker.io", 0},
        {"evil.example/docker.io", "docker.io", 0},
        {"registry:5000", "registry:5000", 1},
        {"http://registry:5000", "registry:5000", 1},
        {"https://registry:5000/v2/", "registry:5000", 1},
        {"registry:5001", "registry:5000", 0},
        {"registry", "registry:5000", 1},
        {"registry:5000", "registry", 0},
        {"registry:443", "registry", 1},
        {"registry", "registry:443", 1},
        {"REGISTRY:5000", "registry:5000", 1},
        {"registry:5000/team", "registry:5000", 1},
        {"registry:5000/team/app", "registry:5000", 1},
        {"registry:5000/tea", "registry:5000", 0},
        {"registry:5000/other", "registry:5000", 0},
        {"[::1]:5000", "[::1]:5000", 1},
        {"[::1]", "[::1]:5000", 1},
        {"", "registry", 0},
        {"https://", "registry", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        SCOPED_CREDENTIALS struct credentials found = {0};
        char config[256];
        (void)snprintf(config, sizeof(config), "{\"auths\":{\"%s\":" AUTH "}}", cases[i].key);
        int result = find(config, cases[i].host, "team/app", &found, &err);
        if (result != cases[i].found)
            fail_msg("key %s, host %s: %d", cases[i].key, cases[i].host, result);
        if (result == 1) {
            assert_string_equal(found.username, "user");
            assert_string_equal(found.password, "pass");
        }
    }
}

static void the_closest_key_wins(void **state)
{
    static const char config[] = "{\"auths\":{\"registry\":{\"username\":\"host\",\"password\":\"x\"},"
                                 "\"registry:5000/team\":{\"username\":\"team\",\"password\":\"x\"},"
                                 "\"registry:5000\":{\"username\":\"port\",\"password\":\"x\"}}}";
    static const struct {
        const char *host, *repository, *username;
    } cases[] = {
        {"registry:5000", "team/app", "team"},
        {"registry:5000", "teams/app", "port"},
        {"registry:6000", "team/app", "host"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        SCOPED_CREDENTIALS struct credentials found = {0};
        assert_int_equal(find(config, cases[i].host, cases[i].repository, &found, &err), 1);
        assert_string_equal(found.username, cases[i].username);
    }
}

static void an_entry_may_hold_any_of_three_kinds(void **state)
{
    struct error err = {0};
    SCOPED_CREDENTIALS struct credentials plain = {0}, token = {0}, empty = {0}, colons = {0};

    (void)state;
    assert_int_equal(
        find("{\"auths\":{\"r.io\":{\"username\":\"u\",\"password\":\"p:w\"}}}", "r.io", "a", &plain, &err),
        1);
    assert_string_equal(plain.password, "p:w");
    assert_int_equal(find("{\"auths\":{\"r.io\":{\"identitytoken\":\"t\"}}}", "r.io", "a", &token, &err), 1);
    assert_null(token.username);
    assert_string_equal(token.identity_token, "t");
    assert_int_equal(find("{\"auths\":{\"r.io\":{}},\"credsStore\":\"desktop\"}", "r.io", "a", &empty, &err),
                     0);
    assert_int_equal(find("{\"auths\":{\"r.io\":{\"auth\":\"dTpwOnc=\"}}}", "r.io", "a", &colons, &err), 1);
    assert_string_equal(colons.password, "p:w");
    assert_int_equal(find("{}", "r.io", "a", &empty, &err), 0);
}

static void a_config_that_cannot_be_read_is_refused_without_being_quoted(void **state)
{
    static const char *const bad[] = {
        "",
        "hunter2",
        "[\"hunter2\"]",
        "{\"auths\":\"hunter2\"}",
        "{\"auths\":{\"r.io\":\"hunter2\"}}",
        "{\"auths\":{\"r.io\":{\"auth\":\"hunter2\"}}}",
        "{\"auths\":{\"r.io\":{\"auth\":\"aHVudGVyMg==\"}}}", /* no colon */
        "{\"auths\":{\"r.io\":{\"auth\":\"dTpo!!!=\"}}}",
        "{\"auths\":{\"r.io\":{\"password\":\"hunter2\" hunter2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        struct credentials found = {0};
        if (find(bad[i], "r.io", "a", &found, &err) != -1)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.reason, "RegistryUnauthorized");
        assert_null(strstr(err.text, "hunter2"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_matches_in_all_its_spellings),
        cmocka_unit_test(the_closest_key_wins),
        cmocka_unit_test(an_entry_may_hold_any_of_three_kinds),
        cmocka_unit_test(a_config_that_cannot_be_read_is_refused_without_being_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
