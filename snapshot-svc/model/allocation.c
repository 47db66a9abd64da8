#include "snapshot-svc/model/allocation.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/names.h"

/* ---- the lists of a sandbox ---- */

static const struct json_field list_fields[] = {
    {"pods", JSON_STR_LIST, 0, JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static int read_list(const struct object_meta *sandbox, const char *annotation, struct json_strings *out,
                     struct error *err)
{
    const char *text = meta_annotation(sandbox, annotation);
    SCOPED(json) json_t *list = NULL;

    if (!text || !*text)
        return 0;
    if (json_parse(text, strlen(text), annotation, &list, err) < 0 ||
        json_read(list, list_fields, annotation, out, err) < 0)
        return error_wrap(err, "BatchSandbox %s: want {\"pods\":[...]}", sandbox->name);
    return 0;
}

int allocation_read(const struct object_meta *sandbox, struct allocation *out, struct error *err)
{
    if (read_list(sandbox, ANNOTATION_ALLOC_STATUS, &out->given, err) == 0 &&
        read_list(sandbox, ANNOTATION_ALLOC_RELEASE, &out->returned, err) == 0 &&
        read_list(sandbox, ANNOTATION_ALLOC_RELEASED, &out->recycled, err) == 0)
        return 0;
    allocation_done(out);
    return -1;
}

void allocation_done(struct allocation *allocation)
{
    json_strings_free(&allocation->given);
    json_strings_free(&allocation->returned);
    json_strings_free(&allocation->recycled);
}

static bool contains(const struct json_strings *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

bool allocation_ever_held(const struct allocation *allocation, const char *pod)
{
    return contains(&allocation->given, pod);
}

bool allocation_holds(const struct allocation *allocation, const char *pod)
{
    return contains(&allocation->given, pod) && !contains(&allocation->recycled, pod);
}

bool allocation_gives_back(const struct allocation *allocation, const char *pod, bool is_deleting)
{
    return allocation_holds(allocation, pod) && (is_deleting || contains(&allocation->returned, pod));
}

char *allocation_list_text(const struct json_strings *pods)
{
    SCOPED(json) json_t *names = json_array();
    for (size_t i = 0; i < pods->count; i++)
        json_array_append_new(names, json_string(pods->items[i]));
    SCOPED(json) json_t *list = json_pack("{s:O}", "pods", names);

    return json_text(list);
}

/* ---- the claim on a pod ---- */

void pod_claim_read(const struct object_meta *pod, struct pod_claim *ret_claim)
{
    const char *text = meta_annotation(pod, ANNOTATION_ALLOCATED_TO);
    const char *space = text ? strchr(text, ' ') : NULL;

    *ret_claim = (struct pod_claim){0};
    if (!text)
        return;
    ret_claim->sandbox_uid = space ? xstrndup(text, (size_t)(space - text)) : xstrdup("");
    ret_claim->sandbox_name = xstrdup(space ? space + 1 : "");
}

void pod_claim_done(struct pod_claim *claim)
{
    free(claim->sandbox_uid);
    free(claim->sandbox_name);
    *claim = (struct pod_claim){0};
}

char *pod_claim_text(const struct object_meta *sandbox)
{
    return xasprintf("%s %s", sandbox->uid, sandbox->name);
}
