#include "lifecycle-svc/rest/json_put.h"

#include "lifecycle-svc/rest/rest_call.h"
#include "shared/base/clock.h"

void json_put_text(json_t *object, const char *key, const char *text)
{
    if (text)
        (void)json_object_set_new(object, key, json_clean(text));
}

void json_put_time(json_t *object, const char *key, int64_t unix_ms)
{
    char text[RFC3339_SIZE];

    json_put_text(object, key,
                  unix_ms % 1000 ? rfc3339_format_ms(unix_ms, text) : rfc3339_format(unix_ms / 1000, text));
}

json_t *pagination_json(const struct page *page)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:b}", "page", (json_int_t)page->page, "pageSize",
                     (json_int_t)page->page_size, "totalItems", (json_int_t)page->total_items, "totalPages",
                     (json_int_t)page->total_pages, "hasNextPage", page->has_next);
}
