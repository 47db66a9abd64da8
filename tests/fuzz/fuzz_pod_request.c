/* A Pod of the store becomes a request to the agent, or is refused as InvalidPod. */
#include "tests/fuzz/fuzz.h"

#include "snapshot-svc/node/expand.h"
#include "snapshot-svc/node/pod_request.h"

static void check_build(const json_t *pod)
{
    SCOPED_VOLUMES struct volumes volumes = {0};
    SCOPED(pod_request) run_pod_request *request = NULL;
    struct json_strings ignored = {0};
    struct error err = {0};
    const char *uid = json_path_string(pod, "metadata.uid");
    const struct volume_places places = {.volumes_dir = "/var/lib/volumes",
                                         .claims_dir = "/var/lib/claims",
                                         .ns = "team",
                                         .pod_uid = uid ? uid : "uid"};

    if (volumes_read(json_object_get(pod, "spec"), &places, &volumes, &ignored, &err) < 0 ||
        pod_request_build(pod, &volumes, &request, &ignored, &err) < 0)
        FUZZ_CHECK(err.code == ERR_INVALID && strcmp(err.reason, "InvalidPod") == 0);
    for (size_t i = 0; i < volumes.count; i++)
        FUZZ_CHECK(volumes.items[i].path[0] == '/' && !strstr(volumes.items[i].path, "/../"));
    json_strings_free(&ignored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(json) json_t *pod = NULL;
    SCOPED(string) char *text = fuzz_text(data, size);
    struct json_map variables = {0};
    struct error err = {0};

    json_map_set(&variables, "NAME", "value");
    SCOPED(string) char *expanded = expand(text, &variables);
    FUZZ_CHECK(strchr(text, '$') || strcmp(expanded, text) == 0);
    json_map_free(&variables);
    if (json_parse((const char *)data, size, "pod", &pod, &err) == 0)
        check_build(pod);
    return 0;
}
