/* sandbox_rows.h - the order of a list of sandboxes, and a part of it. Pure; any thread.
 * Spec: contract rest-api.md §5, "List". */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sandbox_row { /* all borrowed */
    void *sandbox;   /* the caller's own */
    const char *name;
    int64_t created_unix_ms;
};

/* Sorts the rows newest first (equal times by name, so that parts do not overlap) and says which of them are asked for: those
 * behind the first `skip`, at most `take`; 0 takes all. Neither is negative. */
void sandbox_rows_part(struct sandbox_row *rows, size_t count, int64_t skip, int64_t take, size_t *ret_first,
                       size_t *ret_count);
