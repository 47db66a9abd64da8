/* RFC 7396, section 2: MergePatch(Target, Patch), in place. */
#include "shared/json/json.h"

#include <assert.h>

static json_t *as_object(json_t *target)
{
    if (json_is_object(target))
        return target;
    json_decref(target);
    return json_object();
}

json_t *json_merge_patch(json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value;

    assert(patch);
    if (!json_is_object(patch)) {
        json_decref(target);
        return json_deep_copy(patch);
    }
    assert(patch != target); /* it would change while it is read */
    target = as_object(target);
    json_object_foreach((json_t *)patch, key, value)
    {
        if (json_is_null(value))
            (void)json_object_del(target, key); /* it may well be absent */
        else
            (void)json_object_set_new_nocheck(
                target, key, json_merge_patch(json_incref(json_object_get(target, key)), value));
    }
    return target;
}
