/* The operator's template: what it may hold, and how it goes under what is generated. Contract rest-api.md §4.3. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/template.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"

static int parse(const char *yaml, struct sandbox_template **ret_template, struct error *err)
{
    return sandbox_template_parse(yaml, strlen(yaml), "file", ret_template, err);
}

static void the_merge_keeps_what_only_the_template_has(void **state)
{
    static const struct {
        const char *yaml, *generated, *merged;
    } rows[] = {
        /* objects merge, the generated member wins */
        {"{nodeSelector: {a: x, b: y}, restartPolicy: Never}", "{\"nodeSelector\":{\"a\":\"1\"}}",
         "{\"nodeSelector\":{\"a\":\"1\",\"b\":\"y\"},\"restartPolicy\":\"Never\"}"},
        /* lists are replaced */
        {"{tolerations: [{operator: Exists}], initContainers: [{name: old}]}",
         "{\"initContainers\":[{\"name\":\"new\"}]}",
         "{\"initContainers\":[{\"name\":\"new\"}],\"tolerations\":[{\"operator\":\"Exists\"}]}"},
        /* null says nothing, on either side */
        {"{hostNetwork: true, a: ~}", "{\"hostNetwork\":null,\"a\":\"1\"}",
         "{\"a\":\"1\",\"hostNetwork\":true}"},
        /* numbers and switches stay such */
        {"{terminationGracePeriodSeconds: 5, automountServiceAccountToken: false}", "{}",
         "{\"automountServiceAccountToken\":false,\"terminationGracePeriodSeconds\":5}"},
        /* volumes with new names are added */
        {"{volumes: [{name: bin, hostPath: {path: /x}}, {name: cache, emptyDir: {}}]}",
         "{\"volumes\":[{\"emptyDir\":{},\"name\":\"bin\"}]}",
         "{\"volumes\":[{\"emptyDir\":{},\"name\":\"bin\"},{\"emptyDir\":{},\"name\":\"cache\"}]}"},
        {"{volumes: [{name: cache}]}", "{}", "{\"volumes\":[{\"name\":\"cache\"}]}"},
        /* so are the mounts of the container named sandbox, each of them; its other members and neighbours are lost */
        {"{containers: [{name: other, volumeMounts: [{name: wrong}]}, {name: sandbox, tty: true, "
         "volumeMounts: "
         "[{name: bin}, "
         "{name: c, mountPath: /a}, {name: c, mountPath: /b}]}]}",
         "{\"containers\":[{\"name\":\"sandbox\",\"volumeMounts\":[{\"name\":\"bin\"}]}]}",
         "{\"containers\":[{\"name\":\"sandbox\",\"volumeMounts\":[{\"name\":\"bin\"},{\"mountPath\":\"/"
         "a\",\"name\":\"c\"},{\"mountPath\":\"/b\",\"name\":\"c\"}]}]}"},
        /* else of the first */
        {"{containers: [{name: main, volumeMounts: [{name: c}]}]}",
         "{\"containers\":[{\"name\":\"sandbox\"}]}",
         "{\"containers\":[{\"name\":\"sandbox\",\"volumeMounts\":[{\"name\":\"c\"}]}]}"},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_STRBUF struct strbuf yaml = STRBUF_INIT;
        SCOPED(sandbox_template) struct sandbox_template *template = NULL;
        SCOPED(json) json_t *spec = NULL;

        strbuf_addf(&yaml, "spec: {template: {spec: %s}}", rows[i].yaml);
        assert_ok(parse(strbuf_text(&yaml), &template, &err), &err);
        assert_ok(json_parse(rows[i].generated, strlen(rows[i].generated), "spec", &spec, &err), &err);
        SCOPED(json) json_t *pod = json_pack("{s:O}", "spec", spec);
        sandbox_template_fill(template, pod);
        SCOPED(string) char *text = json_canonical(json_object_get(pod, "spec"));
        assert_string_equal(text, rows[i].merged);
    }
}

static void labels_and_annotations_are_added_and_never_replaced(void **state)
{
    SCOPED(sandbox_template) struct sandbox_template *template = NULL;
    struct json_map labels = {0}, annotations = {0};
    struct error err = {0};

    (void)state;
    json_map_set(&labels, "team", "blue");
    assert_ok(parse("metadata: {labels: {team: red, zone: a}, annotations: {note: x}}", &template, &err),
              &err);
    sandbox_template_label(template, &labels, &annotations);
    assert_string_equal(json_map_get(&labels, "team"), "blue");
    assert_string_equal(json_map_get(&labels, "zone"), "a");
    assert_string_equal(json_map_get(&annotations, "note"), "x");
    json_map_free(&labels);
    json_map_free(&annotations);
}

static void what_it_cannot_say_is_refused_by_name(void **state)
{
    static const struct {
        const char *yaml, *why;
    } rows[] = {
        {"", "file: want a BatchSandbox"},
        {"- a", "want a BatchSandbox"},
        {"kind: Pod", "kind: want BatchSandbox"},
        {"status: {}", "status: not used here"},
        {"metadata: {name: x}", "metadata.name: not used here"},
        {"metadata: {labels: {a: 1}}", "metadata.labels.a: want a text"},
        {"spec: {poolRef: p}", "spec.poolRef: not used here"},
        {"spec: {template: {containers: []}}", "spec.template.containers: not used here"},
        {"spec: {template: [1]}", "spec.template: want an object"},
        {"spec: {template: {spec: x}}", "spec.template.spec: want an object"},
        {"spec: {a", "line 2"},
    };
    struct sandbox_template *template = NULL;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_fails(parse(rows[i].yaml, &template, &err), &err, ERR_INVALID, rows[i].why);
}

static void what_says_nothing_is_fine(void **state)
{
    static const char *const rows[] = {
        "{}", "spec:", "spec: {template: ~}",
        "apiVersion: sandbox.opensandbox.io/v1alpha1\nkind: BatchSandbox\nspec: {replicas: 1, "
        "expireTime: '2020-01-01T00:00:00Z'}"};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(sandbox_template) struct sandbox_template *template = NULL;
        assert_ok(parse(rows[i], &template, &err), &err);
    }
}

#define TERMS(terms)                                                                                         \
    "spec: {template: {spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: "    \
    "{nodeSelectorTerms: [" terms "]}}}}}}"
#define ARCH(operator_and_values) "{matchExpressions: [{key: kubernetes.io/arch, " operator_and_values "}]}"

static void a_platform_that_the_template_keeps_out_is_refused(void **state)
{
    static const struct {
        const char *yaml, *arch;
        bool fine;
    } rows[] = {
        {"{}", "arm64", true},
        {"spec: {template: {spec: {nodeSelector: {kubernetes.io/arch: amd64}}}}", "amd64", true},
        {"spec: {template: {spec: {nodeSelector: {kubernetes.io/arch: amd64}}}}", "arm64", false},
        {"spec: {template: {spec: {nodeSelector: {kubernetes.io/os: windows}}}}", "amd64", false},
        {"spec: {template: {spec: {nodeSelector: {disk: ssd}}}}", "arm64", true},
        {TERMS(ARCH("operator: In, values: [amd64]")), "arm64", false},
        {TERMS(ARCH("operator: In, values: [amd64, arm64]")), "arm64", true},
        {TERMS(ARCH("operator: In, values: [amd64]") ", " ARCH("operator: In, values: [arm64]")), "arm64",
         true},
        {TERMS(ARCH("operator: NotIn, values: [arm64]")), "arm64", false},
        {TERMS(ARCH("operator: NotIn, values: [arm64]")), "amd64", true},
        {TERMS(ARCH("operator: DoesNotExist")), "amd64", false},
        {TERMS(ARCH("operator: Exists")), "amd64", true},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(sandbox_template) struct sandbox_template *template = NULL;

        assert_ok(parse(rows[i].yaml, &template, &err), &err);
        if (rows[i].fine)
            assert_ok(sandbox_template_check_platform(template, "linux", rows[i].arch, &err), &err);
        else
            assert_fails(sandbox_template_check_platform(template, "linux", rows[i].arch, &err), &err,
                         ERR_INVALID, "platform");
        assert_ok(sandbox_template_check_platform(template, NULL, NULL, &err), &err);
    }
}

static void resources_of_a_container_are_amounts(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{\"limit\":{}}",
                                      "{\"limits\":[]}",
                                      "{\"limits\":{\"cpu\":1}}",
                                      "{\"requests\":{\"cpu\":\"two\"}}"};
    SCOPED(json) json_t *resources = NULL;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(container_resources_parse(bad[i], &resources, &err), &err, ERR_INVALID, "");
    assert_ok(container_resources_parse("{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"cpu\":\"50m\"}}",
                                        &resources, &err),
              &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_merge_keeps_what_only_the_template_has),
        cmocka_unit_test(labels_and_annotations_are_added_and_never_replaced),
        cmocka_unit_test(what_it_cannot_say_is_refused_by_name),
        cmocka_unit_test(what_says_nothing_is_fine),
        cmocka_unit_test(a_platform_that_the_template_keeps_out_is_refused),
        cmocka_unit_test(resources_of_a_container_are_amounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
