/* RFC 7396: target and patch on a line each. Afterwards the target says what the patch says, and applying it
 * twice is the same as once. */
#include "tests/fuzz/fuzz.h"

#include "shared/json/json.h"

static json_t *parse(const char *text)
{
    json_t *doc = NULL;
    struct error err = {0};

    return text && json_parse(text, strlen(text), "doc", &doc, &err) == 0 ? doc : NULL;
}

/* The target is what the patch says, as far as it says something. */
static void check_applied(const json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value;

    FUZZ_CHECK(json_is_object(patch) ? json_is_object(target) : json_equal(target, patch));
    json_object_foreach((json_t *)patch, key, value)
    {
        const json_t *member = json_object_get(target, key);
        if (json_is_null(value))
            FUZZ_CHECK(!member);
        else
            check_applied(member, value);
    }
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
    check_applied(target, patch);
    FUZZ_CHECK(json_equal(patch, patch_before));

    SCOPED(json) json_t *once = json_deep_copy(target);
    target = json_merge_patch(target, patch);
    FUZZ_CHECK(json_equal(target, once));
    return 0;
}
