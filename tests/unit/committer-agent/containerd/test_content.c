#include "committer-agent/containerd/content.h"
#include "tests/unit/testing.h"

static void sources_are_found_by_the_name_that_containerd_gives_a_registry(void **state)
{
    const struct {
        const char *host, *label;
    } cases[] = {
        {"registry.example.com", "containerd.io/distribution.source.registry.example.com"},
        {"registry.example.com:5000", "containerd.io/distribution.source.registry.example.com"},
        {"127.0.0.1:5000", "containerd.io/distribution.source.127.0.0.1"},
        {"[::1]:5000", "containerd.io/distribution.source.::1"},
        {"[::1]", "containerd.io/distribution.source.::1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct content_label label = {(char *)cases[i].label, (char *)"team/app,team/base"};
        const struct content_record record = {.labels = &label, .label_count = 1};
        assert_string_equal(content_sources(&record, cases[i].host), "team/app,team/base");
    }
}

static void another_registry_is_no_source(void **state)
{
    struct content_label label = {(char *)"containerd.io/distribution.source.registry.example.com",
                                  (char *)"team/app"};
    const struct content_record record = {.labels = &label, .label_count = 1};

    (void)state;
    assert_null(content_sources(&record, "example.com"));
    assert_null(content_sources(&record, "registry.example.com.evil"));
    label.value = (char *)"";
    assert_null(content_sources(&record, "registry.example.com"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_found_by_the_name_that_containerd_gives_a_registry),
        cmocka_unit_test(another_registry_is_no_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
