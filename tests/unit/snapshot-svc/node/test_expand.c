/* test_expand.c - $(NAME); the rows are those of Kubernetes' own expansion tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/base/cleanup.h"
#include "snapshot-svc/node/expand.h"

static const struct row {
    const char *text, *expanded;
} rows[] = {
    // clang-format off
    {"", ""},
    {"plain", "plain"},
    {"$(A)", "a"},
    {"x-$(A)-$(B)-y", "x-a-$(A)-y"},     /* what a value says is not expanded again */
    {"$(EMPTY)", ""},
    {"$(UNKNOWN)", "$(UNKNOWN)"},
    {"$$(A)", "$(A)"},
    {"$$$(A)", "$a"},
    {"$$$$(A)", "$$(A)"},
    {"$$", "$"},
    {"$", "$"},
    {"$A", "$A"},
    {"$(A", "$(A"},
    {"$(", "$("},
    {"$()", "$()"},
    {"$(A)$", "a$"},
    {"$(A)(B)", "a(B)"},
    {"$($(A))", "$($(A))"},
    // clang-format on
};

static void each_text_is_expanded_as_kubernetes_does(void **state)
{
    struct json_map variables = {0};

    (void)state;
    json_map_set(&variables, "A", "a");
    json_map_set(&variables, "B", "$(A)");
    json_map_set(&variables, "EMPTY", "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(string) char *expanded = expand(rows[i].text, &variables);
        assert_string_equal(expanded, rows[i].expanded);
    }
    json_map_free(&variables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_text_is_expanded_as_kubernetes_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
