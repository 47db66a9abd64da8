/* shardPatches: a pod template and a patch, on a line each. */
#include "tests/fuzz/fuzz.h"

#include "shared/json/json.h"
#include "snapshot-svc/reconcile/strategic_merge.h"

static json_t *parse(const char *text)
{
    json_t *doc = NULL;
    struct error err = {0};

    return text && json_parse(text, strlen(text), "doc", &doc, &err) == 0 ? doc : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    char *rest = text;
    SCOPED(json) json_t *target = parse(fuzz_line(&rest));
    SCOPED(json) json_t *patch = parse(rest);
    struct error err = {0};

    if (!json_is_object(target) || !patch)
        return 0;
    SCOPED(json) json_t *patch_before = json_deep_copy(patch);
    if (strategic_merge(target, patch, &err) < 0)
        FUZZ_CHECK(err.code == ERR_INVALID || err.code == ERR_UNSUPPORTED);
    FUZZ_CHECK(json_equal(patch, patch_before));
    SCOPED(string) char *written = json_text(target); /* ends the process if it contains itself */
    FUZZ_CHECK(*written);
    return 0;
}
