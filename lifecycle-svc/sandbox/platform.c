#include "lifecycle-svc/sandbox/platform.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"

static const char AFFINITY_TERMS[] =
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";

/* The one value that a term's `key In [value]` allows, or NULL. */
static const char *value_of_term(const json_t *term, const char *key)
{
    size_t at;
    json_t *expression;

    json_array_foreach(json_object_get(term, "matchExpressions"), at, expression)
    {
        const char *name = json_path_string(expression, "key"),
                   *how = json_path_string(expression, "operator");
        const json_t *values = json_object_get(expression, "values");

        if (name && how && strcmp(name, key) == 0 && strcmp(how, "In") == 0 && json_array_size(values) == 1)
            return json_string_value(json_array_get(values, 0));
    }
    return NULL;
}

static const char *value_of_affinity(const json_t *spec, const char *key)
{
    const char *pinned = NULL;
    size_t at;
    json_t *term;

    json_array_foreach(json_path(spec, AFFINITY_TERMS), at, term)
    {
        const char *value = value_of_term(term, key);

        if (!value || (pinned && strcmp(pinned, value) != 0))
            return NULL;
        pinned = value;
    }
    return pinned;
}

static const char *pinned_value(const json_t *spec, const char *key)
{
    /* Not by json_path: the keys have dots. */
    const char *selected = json_string_value(json_object_get(json_object_get(spec, "nodeSelector"), key));

    return selected ? selected : value_of_affinity(spec, key);
}

void platform_of(const json_t *spec, char **ret_os, char **ret_arch)
{
    const char *os = pinned_value(spec, "kubernetes.io/os"), *arch = pinned_value(spec, "kubernetes.io/arch");

    if (!os || !arch)
        return;
    *ret_os = xstrdup(os);
    *ret_arch = xstrdup(arch);
}
