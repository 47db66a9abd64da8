/* names.h - the names in a folder, sorted by their bytes, within a budget of memory.
 *
 * A folder whose names do not fit the budget is delivered in several batches: each is the smallest names
 * beyond the last one delivered, found by reading the folder again. So a folder of millions costs time, never
 * memory, and the order is that of strcmp() whatever the file system answers.
 *
 *   names_init(&names)
 *   names_read(&names, dir_fd, "", budget)         the first batch
 *   names_next(&names) ...                         NULL: this batch is used up
 *   names.more ? names_read(&names, dir_fd, names.ceiling, budget) : done
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

struct names {
    char *bytes; /* the names, each with its NUL */
    size_t bytes_used, bytes_room;
    uint32_t *starts; /* where each name begins in bytes; sorted */
    size_t count, starts_room;
    size_t next;
    bool more;                        /* the folder has names beyond this batch... */
    char ceiling[NAMES_NAME_MAX + 1]; /* ...and this is the last name of the batch: go on after it */
};

void names_init(struct names *names);
void names_done(struct names *names); /* frees; leaves an empty batch */

/* Memory that the batch holds. */
size_t names_held_bytes(const struct names *names);

/* Replaces the batch by the names after `after` ("" for all). dir_fd is borrowed and rewound. budget_bytes of
 * at least NAMES_BUDGET_MIN bound the memory held. ERR_UNSUPPORTED: a name longer than NAMES_NAME_MAX. */
int names_read(struct names *names, int dir_fd, const char *after, size_t budget_bytes, struct error *err);

/* The next name, borrowed until the batch changes; NULL at its end. */
const char *names_next(struct names *names);
