/* registry/challenge.h: WWW-Authenticate as registries write it, and as they should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/registry/challenge.h"

static void registries_ask_in_many_ways(void **state)
{
    static const struct {
        const char *header;
        struct challenge wanted;
    } cases[] = {
        {"Basic realm=\"Registry\"", {.scheme = CHALLENGE_BASIC, .realm = "Registry"}},
        {"basic", {.scheme = CHALLENGE_BASIC}},
        {"Bearer realm=\"https://auth.r.io/token\",service=\"r.io\",scope=\"repository:a/b:pull,push\"",
         {.scheme = CHALLENGE_BEARER,
          .realm = "https://auth.r.io/token",
          .service = "r.io",
          .scope = "repository:a/b:pull,push"}},
        {"BEARER REALM = \"https://x\" , Error=insufficient_scope",
         {.scheme = CHALLENGE_BEARER, .realm = "https://x", .error = "insufficient_scope"}},
        {"Bearer realm=\"https://x/?q=\\\"a\\\"\"",
         {.scheme = CHALLENGE_BEARER, .realm = "https://x/?q=\"a\""}},
        {"Basic realm=\"r\", Bearer realm=\"https://x\"", {.scheme = CHALLENGE_BEARER, .realm = "https://x"}},
        {"Bearer realm=\"https://x\", Basic realm=\"r\"", {.scheme = CHALLENGE_BEARER, .realm = "https://x"}},
        {"Negotiate, Basic realm=\"r\"", {.scheme = CHALLENGE_BASIC, .realm = "r"}},
        {"Digest realm=\"d\", nonce=\"n\", Basic realm=\"r\"", {.scheme = CHALLENGE_BASIC, .realm = "r"}},
        {"Bearer service=\"x\"", {.scheme = CHALLENGE_NONE}},
        {"Bearer realm=\"https://x", {.scheme = CHALLENGE_NONE}},
        {"Digest realm=\"x\"", {.scheme = CHALLENGE_NONE}},
        {"", {.scheme = CHALLENGE_NONE}},
        {NULL, {.scheme = CHALLENGE_NONE}},
        {"=,=,\"", {.scheme = CHALLENGE_NONE}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct challenge got = challenge_parse(cases[i].header);
        if (got.scheme != cases[i].wanted.scheme)
            fail_msg("%s: scheme %d", cases[i].header, got.scheme);
        assert_string_equal(got.realm, cases[i].wanted.realm);
        assert_string_equal(got.service, cases[i].wanted.service);
        assert_string_equal(got.scope, cases[i].wanted.scope);
        assert_string_equal(got.error, cases[i].wanted.error);
    }
}

static void a_member_longer_than_its_place_is_not_cut_but_refused(void **state)
{
    char header[2000] = "Bearer realm=\"";

    (void)state;
    memset(header + strlen(header), 'a', 1500);
    strcat(header, "\"");
    assert_int_equal(challenge_parse(header).scheme, CHALLENGE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registries_ask_in_many_ways),
        cmocka_unit_test(a_member_longer_than_its_place_is_not_cut_but_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
