#include "shared/sandbox_state/sandbox_rows.h"

#include <stdlib.h>
#include <string.h>

static int newest_first(const void *left, const void *right)
{
    const struct sandbox_row *a = left, *b = right;

    if (a->created_unix_ms != b->created_unix_ms)
        return a->created_unix_ms < b->created_unix_ms ? 1 : -1;
    return strcmp(a->name, b->name);
}

void sandbox_rows_part(struct sandbox_row *rows, size_t count, int64_t skip, int64_t take, size_t *ret_first,
                       size_t *ret_count)
{
    const size_t first = (uint64_t)skip < count ? (size_t)skip : count;
    const size_t behind = count - first;

    if (count)
        qsort(rows, count, sizeof(*rows), newest_first);
    *ret_first = first;
    *ret_count = take && (uint64_t)take < behind ? (size_t)take : behind;
}
