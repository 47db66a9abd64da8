/* listing.h - what a list is asked for, and the arithmetic of its pages. Pure; any thread.
 * Spec: contract rest-api.md §5, "List". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/json/json.h"

enum { LIST_DEFAULT_PAGE_SIZE = 20, LIST_MAX_PAGE_SIZE = 200 };

struct list_query {
    struct json_strings states; /* any of them, in any case; empty: all */
    struct json_map metadata;   /* all of them, exactly */
    int64_t page;               /* from 1 */
    int64_t page_size;          /* 1 to LIST_MAX_PAGE_SIZE */
};

void list_query_done(struct list_query *query);
#define SCOPED_LIST_QUERY __attribute__((cleanup(list_query_done)))

/* Reads the value of the `metadata` parameter, decoded once, as the form that it is: "k=v&k2=v2".
 * ERR_INVALID (INVALID_METADATA_FORMAT). */
int list_query_read_metadata(struct list_query *query, const char *form, struct error *err);

struct page {
    int64_t page, page_size, total_items, total_pages;
    bool has_next;
    size_t first, count; /* which of the sorted matches are on it */
};

/* Which of `total` sorted items are on this page; one past the end is empty. */
void page_cut(int64_t page, int64_t page_size, int64_t total, struct page *ret_page);

/* snapshot-svc filters, sorts and cuts; it is not asked for labels that clients do not see as metadata: nothing matches them. */
bool list_query_can_match(const struct list_query *query);
/* How many matches come before the page. */
int64_t list_query_skip(const struct list_query *query);
