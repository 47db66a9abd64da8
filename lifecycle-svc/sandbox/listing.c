#include "lifecycle-svc/sandbox/listing.h"

#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
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

bool list_query_can_match(const struct list_query *query)
{
    for (size_t i = 0; i < query->metadata.count; i++)
        if (!is_client_metadata(query->metadata.pairs[i].key))
            return false;
    return true;
}

int64_t list_query_skip(const struct list_query *query)
{
    const int64_t pages = query->page - 1;

    return pages > INT64_MAX / query->page_size ? INT64_MAX : pages * query->page_size;
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
