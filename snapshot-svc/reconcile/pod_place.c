#include "snapshot-svc/reconcile/pod_place.h"

#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"
#define REQUIRED  "requiredDuringSchedulingIgnoredDuringExecution"

/* The member, made when it is absent; NULL: it is something else. */
static json_t *object_in(json_t *object, const char *name)
{
    json_t *member = json_object_get(object, name);

    if (!member || json_is_null(member)) {
        member = json_object();
        json_object_set_new(object, name, member);
    }
    return json_is_object(member) ? member : NULL;
}

static json_t *array_in(json_t *object, const char *name)
{
    json_t *member = json_object_get(object, name);

    if (!member || json_is_null(member)) {
        member = json_array();
        json_object_set_new(object, name, member);
    }
    return json_is_array(member) ? member : NULL;
}

static json_t *is_one_of(const char *key, const char *node)
{
    return json_pack("{s:s, s:s, s:[s]}", "key", key, "operator", "In", "values", node);
}

static void prefer(json_t *affinity, const char *node)
{
    json_t *wishes = array_in(affinity, PREFERRED);

    if (wishes)
        json_array_append_new(wishes,
                              json_pack("{s:i, s:{s:[o]}}", "weight", 100, "preference", "matchExpressions",
                                        is_one_of("kubernetes.io/hostname", node)));
}

/* Terms are alternatives. One without any condition allows no node, and has to stay like that. */
static void require(json_t *affinity, const char *node)
{
    json_t *required = object_in(affinity, REQUIRED);
    json_t *terms = required ? array_in(required, "nodeSelectorTerms") : NULL, *term;
    size_t i;

    if (!terms)
        return;
    if (json_array_size(terms) == 0)
        json_array_append_new(terms, json_pack("{s:[o]}", "matchFields", is_one_of("metadata.name", node)));
    else
        json_array_foreach(terms, i, term)
        {
            json_t *fields = json_object_size(term) > 0 ? array_in(term, "matchFields") : NULL;
            if (fields)
                json_array_append_new(fields, is_one_of("metadata.name", node));
        }
}

void pod_place(json_t *pod, const char *preferred, const char *required)
{
    json_t *spec = json_object_get(pod, "spec");
    json_t *affinity = preferred || required ? object_in(spec, "affinity") : NULL;
    json_t *of_node = affinity ? object_in(affinity, "nodeAffinity") : NULL;

    if (of_node && preferred)
        prefer(of_node, preferred);
    if (of_node && required)
        require(of_node, required);
}
