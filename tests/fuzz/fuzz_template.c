/* The operator's template file, and the YAML it is written in: it is refused with a text that names the file, or what is
 * generated keeps its own words under it. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/sandbox/template.h"
#include "shared/yaml/yaml.h"

static json_t *generated(void)
{
    return json_pack("{s:{s:[{s:s, s:s}], s:s}}", "spec", "containers", "name", "sandbox", "image", "base:1",
                     "restartPolicy", "Always");
}

static void check_filled(const struct sandbox_template *template)
{
    SCOPED(json) json_t *pod = generated();

    sandbox_template_fill(template, pod);
    const json_t *containers = json_path(pod, "spec.containers");
    FUZZ_CHECK(json_array_size(containers) == 1);
    FUZZ_CHECK(strcmp(json_string_value(json_object_get(json_array_get(containers, 0), "image")), "base:1") ==
               0);
    FUZZ_CHECK(strcmp(json_path_string(pod, "spec.restartPolicy"), "Always") == 0);
}

static void check_yaml(const char *text, size_t size, enum yaml_scalars scalars)
{
    SCOPED(json) json_t *document = NULL;
    struct error err = {0};

    if (yaml_parse(text, size, scalars, "file.yaml", &document, &err) < 0) {
        FUZZ_CHECK(err.code == ERR_INVALID && strstr(err.text, "file.yaml"));
        return;
    }
    SCOPED(json) json_t *array = json_pack("[O]", document);
    SCOPED(string) char *json = json_text(array); /* what was read can be written */
    FUZZ_CHECK(*json == '[');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size ? (const char *)data : "";
    SCOPED(sandbox_template) struct sandbox_template *template = NULL;
    struct error err = {0};

    check_yaml(text, size, YAML_TEXTS);
    check_yaml(text, size, YAML_TYPED);
    if (sandbox_template_parse(text, size, "template.yaml", &template, &err) < 0)
        FUZZ_CHECK(err.code == ERR_INVALID && *err.text);
    else
        check_filled(template);
    return 0;
}
