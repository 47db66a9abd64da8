/* names.h - the names in a folder, or in several folders taken together, sorted by their bytes, within a
 * budget of memory.
 *
 * A folder whose names do not fit the budget is delivered in several batches: each is the smallest names
 * beyond the last one delivered, found by reading the folder again. So a folder of millions costs time, never
 * memory, and the order is that of strcmp() whatever the file system answers.
 *
 *   names_init(&names)
 *   names_read(&names, &folders, "", budget)         the first batch
 *   names_next(&names, &folder) ...                  NULL: this batch is used up
 *   names.more ? names_read(&names, &folders, names.ceiling, budget) : done
 *
 * Threads: none of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"

/* What Linux file systems allow; a longer name is refused. */
#define NAMES_NAME_MAX 255

/* At least one name of any length fits. */
#define NAMES_BUDGET_MIN ((size_t)1024)

struct names_folders {
    const int *fds; /* each is rewound when it is read */
    size_t count;
};

struct name_place {
    uint32_t start;  /* in the bytes */
    uint32_t folder; /* the first of the folders that has the name, as an index */
};

struct names {
    char *bytes; /* the names, each with its NUL */
    size_t bytes_used, bytes_room;
    struct name_place *places; /* sorted by name */
    size_t count, places_room;
    size_t next;
    bool more;                        /* the folder has names beyond this batch... */
    char ceiling[NAMES_NAME_MAX + 1]; /* ...and this is the last name of the batch: go on after it */
};

void names_init(struct names *names);
void names_done(struct names *names); /* frees; leaves an empty batch */

/* Memory that the batch holds. */
size_t names_held_bytes(const struct names *names);

/* Replaces the batch by the names after `after` ("" for all), each once. The folders are borrowed. budget_bytes
 * of at least NAMES_BUDGET_MIN bound the memory held. ERR_UNSUPPORTED: a name longer than NAMES_NAME_MAX. */
int names_read(struct names *names, const struct names_folders *folders, const char *after,
               size_t budget_bytes, struct error *err);

/* The next name, borrowed until the batch changes, and the first folder that has it; NULL at its end. */
const char *names_next(struct names *names, size_t *ret_folder);
