/* POST /sandboxes: every body is refused with a code of the contract, or becomes a request that the checks judge and,
 * when they like it, a template that is JSON. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/rest/create_json.h"
#include "lifecycle-svc/sandbox/check.h"
#include "lifecycle-svc/sandbox/manifest.h"

static const int64_t NOW_MS = 1763303070000;

static void check_refusal(const struct error *err)
{
    FUZZ_CHECK(*err->reason && *err->text);
}

static void check_manifest(const struct create_request *request)
{
    SCOPED_MANIFEST struct manifest manifest = {0};
    SCOPED(json) json_t *template = NULL;
    const struct manifest_settings settings = {.execd_image = "execd:1", .image_pull_policy = "IfNotPresent"};
    const struct manifest_subject subject = {.id = "01234567-89ab-cdef-0123-456789abcdef",
                                             .image = request->image.uri ? request->image.uri : "restored:1"};
    struct error err = {0};

    manifest_build(request, &subject, &settings, NOW_MS, &manifest);
    FUZZ_CHECK(
        json_parse(manifest.template_json, strlen(manifest.template_json), "template", &template, &err) == 0);
    FUZZ_CHECK(!request->timeout_given || manifest.expire_time_unix_ms > NOW_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_CREATE_REQUEST struct create_request request = {0};
    struct json_strings host_paths = {0};
    struct check_settings settings = {.host_paths = &host_paths};
    struct error err = {0};

    json_strings_add(&host_paths, "/srv");
    if (create_json_read((const char *)data, size, &request, &err) < 0 ||
        create_request_check_mode(&request, &err) < 0 ||
        create_request_check(&request, &settings, NOW_MS, &err) < 0)
        check_refusal(&err);
    else
        check_manifest(&request);
    json_strings_free(&host_paths);
    return 0;
}
