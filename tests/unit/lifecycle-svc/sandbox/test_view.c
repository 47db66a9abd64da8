/* A sandbox as clients see it, whatever its template looks like. Contract rest-api.md §5. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/view.h"

static orch_sandbox sandbox_of(const char *template_json)
{
    orch_sandbox sandbox = OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX__INIT;

    sandbox.name = (char *)"by-hand";
    sandbox.phase = (char *)"Succeed";
    sandbox.template_json = (char *)template_json;
    return sandbox;
}

static void a_template_that_is_absent_or_broken_leaves_the_object_visible(void **state)
{
    static const char *const templates[] = {"",
                                            "null",
                                            "{}",
                                            "{\"spec\":null}",
                                            "{\"spec\":{\"containers\":[]}}",
                                            "{\"spec\":{\"containers\":[7]}}",
                                            "[]",
                                            "{broken"};

    (void)state;
    for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
        orch_sandbox sandbox = sandbox_of(templates[i]);
        SCOPED_VIEW struct sandbox_view view;

        sandbox_view_of(&sandbox, &view);
        assert_string_equal(view.id, "by-hand");
        assert_string_equal(view.image_uri, "unknown");
        assert_int_equal(view.entrypoint.count, 0);
        assert_null(view.os);
    }
}

#define TERM(os, arch)                                                                                       \
    "{\"matchExpressions\":[{\"key\":\"kubernetes.io/os\",\"operator\":\"In\",\"values\":[\"" os "\"]},"     \
    "{\"key\":\"kubernetes.io/arch\",\"operator\":\"In\",\"values\":[\"" arch "\"]}]}"
#define AFFINITY(terms)                                                                                      \
    "\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"                   \
    "\"nodeSelectorTerms\":[" terms "]}}}"

static void a_platform_comes_from_selector_or_affinity_or_both(void **state)
{
    static const struct {
        const char *spec, *os, *arch;
    } rows[] = {
        {"\"nodeSelector\":{\"kubernetes.io/os\":\"linux\",\"kubernetes.io/arch\":\"amd64\"}", "linux",
         "amd64"},
        {"\"nodeSelector\":{\"kubernetes.io/os\":\"linux\"}", NULL, NULL},
        {AFFINITY(TERM("linux", "arm64")), "linux", "arm64"},
        {AFFINITY(TERM("linux", "arm64") "," TERM("linux", "arm64")), "linux", "arm64"},
        {AFFINITY(TERM("linux", "arm64") "," TERM("linux", "amd64")), NULL, NULL},
        {AFFINITY(TERM("linux", "arm64") ",{}"), NULL, NULL},
        {"\"nodeSelector\":{\"kubernetes.io/os\":\"linux\"}," AFFINITY(TERM("windows", "arm64")), "linux",
         "arm64"},
        {AFFINITY("{\"matchExpressions\":[{\"key\":\"kubernetes.io/"
                  "os\",\"operator\":\"NotIn\",\"values\":[\"linux\"]}]}"),
         NULL, NULL},
        {"\"nodeSelector\":null", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char template[1024];
        SCOPED_VIEW struct sandbox_view view;

        snprintf(template, sizeof(template), "{\"spec\":{%s}}", rows[i].spec);
        orch_sandbox sandbox = sandbox_of(template);
        sandbox_view_of(&sandbox, &view);
        assert_string_equal(view.os ? view.os : "none", rows[i].os ? rows[i].os : "none");
        assert_string_equal(view.arch ? view.arch : "none", rows[i].arch ? rows[i].arch : "none");
    }
}

static void a_restored_sandbox_shows_its_snapshot_instead_of_an_image(void **state)
{
    Opensandbox__Orchestrator__V1__Sandbox__LabelsEntry entries[3] = {
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX__LABELS_ENTRY__INIT,
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX__LABELS_ENTRY__INIT,
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX__LABELS_ENTRY__INIT,
    };
    Opensandbox__Orchestrator__V1__Sandbox__LabelsEntry *labels[] = {&entries[0], &entries[1], &entries[2]};
    static const char *const pairs[][2] = {
        {"opensandbox.io/id", "web"}, {"opensandbox.io/snapshot-id", "s-1"}, {"team", "blue"}};
    orch_sandbox sandbox = sandbox_of("{\"spec\":{\"containers\":[{\"image\":\"b\"}]}}");
    SCOPED_VIEW struct sandbox_view view;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        entries[i].key = (char *)pairs[i][0];
        entries[i].value = (char *)pairs[i][1];
    }
    sandbox.labels = labels;
    sandbox.n_labels = 3;
    sandbox_view_of(&sandbox, &view);
    assert_string_equal(view.id, "web");
    assert_string_equal(view.snapshot_id, "s-1");
    assert_null(view.image_uri);
    assert_int_equal(view.metadata.count, 1);
    assert_string_equal(json_map_get(&view.metadata, "team"), "blue");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_that_is_absent_or_broken_leaves_the_object_visible),
        cmocka_unit_test(a_platform_comes_from_selector_or_affinity_or_both),
        cmocka_unit_test(a_restored_sandbox_shows_its_snapshot_instead_of_an_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
