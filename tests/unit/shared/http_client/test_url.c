/* http/url.h: Locations as registries send them, and who is who. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/http/url.h"

static void a_location_is_absolute_or_relative(void **state)
{
    static const char base[] = "https://r.io:5000/v2/a/blobs/uploads/";
    static const struct {
        const char *location, *url; /* NULL: refused */
    } cases[] = {
        {"/v2/a/blobs/uploads/1?_state=x", "https://r.io:5000/v2/a/blobs/uploads/1?_state=x"},
        {"1?s=y", "https://r.io:5000/v2/a/blobs/uploads/1?s=y"},
        {"?s=y", "https://r.io:5000/v2/a/blobs/uploads/?s=y"},
        {"../x", "https://r.io:5000/v2/a/blobs/x"},
        {"https://cdn.example/b", "https://cdn.example/b"},
        {"http://r.io/b", "http://r.io/b"},
        {"//cdn.example/b", "https://cdn.example/b"},
        {"", NULL},
        {"ftp://r.io/b", NULL},
        {"file:///etc/passwd", NULL},
        {"https://user:pass@r.io/b", NULL},
        {"/a b", NULL},
        {"/a\r\nX-Evil: 1", NULL},
        {"https://", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        SCOPED(string) char *url = NULL;
        int result = url_resolve(base, cases[i].location, &url, &err);
        if (cases[i].url ? result < 0 || strcmp(url, cases[i].url) != 0 : result == 0)
            fail_msg("\"%s\" gave %s", cases[i].location, url ? url : err.text);
    }
}

static void a_url_has_a_longest_length(void **state)
{
    struct error err = {0};
    char *url = NULL, location[URL_MAX + 2];

    (void)state;
    memset(location, 'a', sizeof(location) - 1);
    location[sizeof(location) - 1] = '\0';
    assert_int_equal(url_resolve("https://r.io/", location, &url, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"https://r.io/a", "https://r.io/b?c", true},
        {"https://r.io/a", "https://R.io:443/b", true},
        {"http://r.io/a", "http://r.io:80/", true},
        {"http://r.io/a", "https://r.io/a", false},
        {"https://r.io/a", "https://r.io:5000/a", false},
        {"https://r.io/a", "https://r.io.evil.example/a", false},
        {"https://r.io@evil.example/", "https://r.io/", false},
        {"nonsense://", "nonsense://", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(url_same_origin(cases[i].a, cases[i].b), cases[i].same);
}

static void a_query_grows_and_is_escaped(void **state)
{
    (void)state;
    SCOPED(string) char *first = url_add_query("https://r.io/u", "digest", "sha256:ab");
    SCOPED(string) char *second = url_add_query(first, "x", "a&b=c +%\xc3\xa9");
    assert_string_equal(first, "https://r.io/u?digest=sha256:ab");
    assert_string_equal(second, "https://r.io/u?digest=sha256:ab&x=a%26b%3Dc%20%2B%25%C3%A9");
    SCOPED(string) char *host = url_host("https://r.io:5000/x");
    assert_string_equal(host, "r.io:5000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_location_is_absolute_or_relative),
        cmocka_unit_test(a_url_has_a_longest_length),
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
        cmocka_unit_test(a_query_grows_and_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
