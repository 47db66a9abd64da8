/* object.h - one version of one object: immutable, shared by reference count between threads.
 *
 * The strings are borrowed from the JSON. Nobody changes the JSON after object_adopt(); who needs another one
 * makes a deep copy. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct object {
    json_t *json;
    const char *ns, *name, *uid; /* "" when absent */
    uint64_t version;            /* metadata.resourceVersion as a number, to tell older from newer */
    char *key;                   /* "namespace/name" */
    int refs;                    /* atomic; object_ref and object_unref only */
};

/* Takes over the caller's reference to json on success; one reference to the answer is the caller's.
 * ERR_INVALID: not an object, no name, or a resourceVersion that is not a number; json stays the caller's. */
int object_adopt(json_t *json, struct object **ret_object, struct error *err);
struct object *object_ref(struct object *object); /* NULL gives NULL */
void object_unref(struct object *object);
DEFINE_FREEP(object, struct object, object_unref)

/* References the caller owns: object_list_done() gives them back. */
struct object_list {
    struct object **items;
    size_t count;
};

#define OBJECT_LIST_INIT                                                                                     \
    {                                                                                                        \
        0                                                                                                    \
    }
#define SCOPED_OBJECT_LIST __attribute__((cleanup(object_list_done)))

void object_list_add(struct object_list *list, struct object *object); /* takes its own reference */
void object_list_done(struct object_list *list);
