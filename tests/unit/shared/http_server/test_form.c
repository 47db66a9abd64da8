/* The form spelling of queries: every rule as a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"
#include "shared/http/form.h"

static void write_pair(void *self, const char *name, const char *value)
{
    strbuf_addf(self, "[%s|%s]", name, value);
}

static void every_spelling_gives_its_pairs(void **state)
{
    static const struct {
        const char *query, *pairs;
    } rows[] = {
        {"", ""},
        {"a=1", "[a|1]"},
        {"a=1&a=2&b=", "[a|1][a|2][b|]"},
        {"flag", "[flag|]"},
        {"&&a=1&", "[a|1]"},
        {"a=x+y%20z", "[a|x y z]"},
        {"a%3Db=c%26d", "[a=b|c&d]"},
        {"a=b=c", "[a|b=c]"},
        {"a=%zz%4", "[a|%zz%4]"},
        {"a=%00b", "[a|%00b]"},
        {"a=%", "[a|%]"},
        {"%C3%A4=%e2%82%ac", "[\xc3\xa4|\xe2\x82\xac]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_STRBUF struct strbuf pairs = STRBUF_INIT;
        form_each(rows[i].query, write_pair, &pairs);
        assert_string_equal(strbuf_text(&pairs), rows[i].pairs);
    }
}

static void a_path_keeps_its_plus(void **state)
{
    char text[] = "a+b%2Bc";

    (void)state;
    assert_int_equal(form_decode(text, 0), 5);
    assert_string_equal(text, "a+b+c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_gives_its_pairs),
        cmocka_unit_test(a_path_keeps_its_plus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
