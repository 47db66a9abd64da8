/* snapshot_index.h - which snapshots there are of each sandbox, by names alone, so that an event of a pod or a
 * sandbox finds them without a walk over all. Threads: any. */
#pragma once

#include <stdbool.h>

#include "shared/base/cleanup.h"
#include "shared/json/json.h"

struct snapshot_index;

struct snapshot_index *snapshot_index_new(void);
void snapshot_index_free(struct snapshot_index *index);

/* finished: its phase is final and it is not being deleted. Adding again updates. */
void snapshot_index_put(struct snapshot_index *index, const char *ns, const char *sandbox,
                        const char *snapshot, bool finished);
void snapshot_index_remove(struct snapshot_index *index, const char *ns, const char *sandbox,
                           const char *snapshot);

/* Appends the names to *names (json_strings_free()). */
void snapshot_index_list(struct snapshot_index *index, const char *ns, const char *sandbox, bool finished_too,
                         struct json_strings *names);
