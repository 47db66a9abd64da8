#include "lifecycle-svc/sandbox/listing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/state.h"
#include "lifecycle-svc/sandbox/view.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/http/form.h"

void list_query_done(struct list_query *query)
{
    json_strings_free(&query->states);
    json_map_free(&query->metadata);
}

int list_query_read_metadata(struct list_query *query, const char *form, struct error *err)
{
    SCOPED(string)
    char *copy = xstrdup(form);

    for (char *next = *copy ? copy : NULL, *segment; (segment = strsep(&next, "&"));) {
        char *value = strchr(segment, '=');
        if (!value)
            return refuse(err, CODE_INVALID_METADATA_FORMAT,
                          "metadata: bad query field \"%.80s\": want key=value pairs joined by '&'", segment);
        *value++ = '\0';
        (void)form_decode(segment, 1);
        (void)form_decode(value, 1);
        json_map_set(&query->metadata, segment, value);
    }
    return 0;
}

static bool matches_state(const orch_sandbox *sandbox, const struct json_strings *states)
{
    const char *state = sandbox_state_name(sandbox_state_of(sandbox));

    for (size_t i = 0; i < states->count; i++)
        if (strcasecmp(states->items[i], state) == 0)
            return true;
    return states->count == 0;
}

static bool matches_metadata(const orch_sandbox *sandbox, const struct json_map *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        const char *value = orch_label(sandbox, metadata->pairs[i].key);
        if (!value || !is_client_metadata(metadata->pairs[i].key) ||
            strcmp(value, metadata->pairs[i].value) != 0)
            return false;
    }
    return true;
}

static int newest_first(const void *left, const void *right)
{
    const orch_sandbox *a = *(orch_sandbox *const *)left, *b = *(orch_sandbox *const *)right;

    if (a->created_at_unix_ms != b->created_at_unix_ms)
        return a->created_at_unix_ms < b->created_at_unix_ms ? 1 : -1;
    return strcmp(a->name, b->name); /* equal times still have one order, so pages do not overlap */
}

void page_cut(int64_t page, int64_t page_size, int64_t total, struct page *ret_page)
{
    int64_t pages = (total + page_size - 1) / page_size;
    int64_t first = page > pages ? total : (page - 1) * page_size;

    *ret_page = (struct page){
        .page = page,
        .page_size = page_size,
        .total_items = total,
        .total_pages = pages,
        .has_next = page < pages,
        .first = (size_t)first,
        .count = (size_t)(total - first < page_size ? total - first : page_size),
    };
}

void listing_select(orch_sandbox **all, size_t count, const struct list_query *query, struct page *ret_page)
{
    size_t matches = 0;

    for (size_t i = 0; i < count; i++) {
        orch_sandbox *sandbox = all[i];
        if (!matches_state(sandbox, &query->states) || !matches_metadata(sandbox, &query->metadata))
            continue;
        all[i] = all[matches]; /* a swap, so that the owner still frees each once */
        all[matches++] = sandbox;
    }
    if (matches)
        qsort(all, matches, sizeof(*all), newest_first);
    page_cut(query->page, query->page_size, (int64_t)matches, ret_page);
}
