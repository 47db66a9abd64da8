/* packed.h - one version of one object as a cache keeps it: its JSON as text (a tenth of the memory of a parsed tree), and
 * beside it what indexes, lists and controllers decide by without reading that. Immutable, shared by reference count
 * between threads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/sandbox_state/sandbox_state.h"
#include "snapshot-svc/informer/object.h"

struct packed {
    const char *key; /* "namespace/name" */
    const char *ns, *name, *uid;
    uint64_t version;
    int64_t created_unix_ms;    /* 0: not told */
    struct sandbox_signs signs; /* of whatever kind it is: "" and 0 for what it does not have */
    const char *labels;         /* label_count times key, NUL, value, NUL */
    const char *owners;         /* owner_count times uid, NUL */
    size_t label_count, owner_count;
    const char *json;
    size_t json_length;
    int refs; /* atomic; packed_ref and packed_unref only */
};

/* One reference to the answer is the caller's. */
struct packed *packed_new(const struct object *object);
struct packed *packed_ref(struct packed *packed); /* NULL gives NULL */
void packed_unref(struct packed *packed);
DEFINE_FREEP(packed, struct packed, packed_unref)

/* The object again, with a JSON of its own; NULL gives NULL. */
struct object *packed_open(const struct packed *packed);

/* NULL: it has no such label. Borrowed. */
const char *packed_label(const struct packed *packed, const char *key);

/* References the caller owns: packed_list_done() gives them back. */
struct packed_list {
    struct packed **items;
    size_t count;
};

#define PACKED_LIST_INIT                                                                                     \
    {                                                                                                        \
        0                                                                                                    \
    }
#define SCOPED_PACKED_LIST __attribute__((cleanup(packed_list_done)))

void packed_list_add(struct packed_list *list, struct packed *packed); /* takes its own reference */
void packed_list_done(struct packed_list *list);
/* Adds each of them, opened. */
void packed_list_open(const struct packed_list *list, struct object_list *objects);
