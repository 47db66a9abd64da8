/* RFC 7396: target and patch on a line each. A patch that is applied twice says the same as once, and what is no
 * object replaces everything. */
#include "tests/fuzz/fuzz.h"

#include "shared/json/json.h"

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

    if (!target || !patch)
        return 0;
    SCOPED(json) json_t *patch_before = json_deep_copy(patch);
    target = json_merge_patch(target, patch);
    FUZZ_CHECK(json_is_object(patch) ? json_is_object(target) : json_equal(target, patch));
    FUZZ_CHECK(json_equal(patch, patch_before));

    SCOPED(json) json_t *once = json_deep_copy(target);
    target = json_merge_patch(target, patch);
    FUZZ_CHECK(json_equal(target, once));
    return 0;
}
