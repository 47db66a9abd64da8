#include "lifecycle-svc/rest/snapshot_json.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/rest/json_put.h"
#include "lifecycle-svc/rest/params.h"
#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"

json_t *snapshot_json(const struct snapshot_view *view)
{
    json_t *object = json_object(), *status = json_object();

    json_put_text(status, "state", snapshot_state_name(view->state));
    json_put_text(status, "reason", view->reason);
    json_put_text(status, "message", view->message);
    json_put_time(status, "lastTransitionAt", view->last_transition_unix_ms);
    json_put_text(object, "id", view->id);
    json_put_text(object, "sandboxId", view->sandbox_id);
    json_put_text(object, "name", view->name);
    (void)json_object_set_new(object, "status", status);
    json_put_time(object, "createdAt", view->created_unix_ms);
    return object;
}

json_t *snapshot_page_json(const struct snapshot_page *page)
{
    json_t *items = json_array();

    for (size_t i = 0; i < page->page.count; i++)
        (void)json_array_append_new(items, snapshot_json(&page->items[i]));
    return json_pack("{s:o, s:o}", "items", items, "pagination", pagination_json(&page->page));
}

struct snapshot_body {
    char *name;
};

static const struct json_field body_fields[] = {
    {"name", JSON_STR, offsetof(struct snapshot_body, name), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

int snapshot_json_read(const char *body, size_t length, char **ret_name, struct error *err)
{
    SCOPED(json) json_t *document = NULL;
    struct snapshot_body read = {0};

    if (length == 0) {
        *ret_name = NULL;
        return 0;
    }
    if (json_parse(body, length, "body", &document, err) < 0)
        return refuse_as(err, CODE_INVALID_PARAMETER);
    if (!json_is_null(document) && json_read(document, body_fields, "", &read, err) < 0)
        return refuse_as(err, CODE_INVALID_PARAMETER);
    if (snapshot_check_name(read.name, err) < 0) {
        free(read.name);
        return -1;
    }
    *ret_name = read.name;
    return 0;
}

static void replace(char **slot, const char *value)
{
    free(*slot);
    *slot = *value ? xstrdup(value) : NULL;
}

int snapshot_query_read_pair(struct snapshot_query *query, const char *name, const char *value,
                             struct error *err)
{
    if (strcmp(name, "page") == 0)
        return param_read_bounded(name, value, INT32_MAX, &query->page, err);
    if (strcmp(name, "pageSize") == 0)
        return param_read_bounded(name, value, LIST_MAX_PAGE_SIZE, &query->page_size, err);
    if (strcmp(name, "sandboxId") == 0)
        replace(&query->sandbox_id, value);
    else if (strcmp(name, "name") == 0)
        replace(&query->name, value);
    else if (strcmp(name, "state") == 0)
        json_strings_add(&query->states, value);
    return 0;
}
