#include "snapshot-svc/informer/object.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

static const char *member(const json_t *meta, const char *name)
{
    const char *text = json_string_value(json_object_get(meta, name));
    return text ? text : "";
}

static bool parse_version(const char *text, uint64_t *ret_version)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *ret_version = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

int object_adopt(json_t *json, struct object **ret_object, struct error *err)
{
    const json_t *meta = json_object_get(json, "metadata");
    const char *name = member(meta, "name");
    uint64_t version;

    if (!name[0])
        return error_set(err, ERR_INVALID, "metadata.name: want a name");
    if (!parse_version(member(meta, "resourceVersion"), &version))
        return error_set(err, ERR_INVALID, "%s: metadata.resourceVersion: want a number", name);

    struct object *object = xcalloc(1, sizeof(*object));
    *object = (struct object){
        .json = json,
        .ns = member(meta, "namespace"),
        .name = name,
        .uid = member(meta, "uid"),
        .version = version,
        .refs = 1,
    };
    object->key = xasprintf("%s/%s", object->ns, object->name);
    *ret_object = object;
    return 0;
}

struct object *object_ref(struct object *object)
{
    if (object)
        (void)__atomic_add_fetch(&object->refs, 1, __ATOMIC_RELAXED);
    return object;
}

void object_unref(struct object *object)
{
    if (!object || __atomic_sub_fetch(&object->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    json_decref(object->json);
    free(object->key);
    free(object);
}

void object_list_add(struct object_list *list, struct object *object)
{
    if ((list->count & (list->count - 1)) == 0) /* full at each power of two */
        list->items = xrealloc_array(list->items, list->count ? list->count * 2 : 1, sizeof(list->items[0]));
    list->items[list->count++] = object_ref(object);
}

void object_list_done(struct object_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        object_unref(list->items[i]);
    free(list->items);
    *list = (struct object_list)OBJECT_LIST_INIT;
}
