#include "snapshot-svc/model/condition.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

/* clang-format off */
const struct json_field condition_fields[] = {
    {"type",               JSON_STR,  offsetof(struct condition, type),               JSON_REQUIRED, NULL, 0},
    {"status",             JSON_STR,  offsetof(struct condition, status),             JSON_REQUIRED, NULL, 0},
    {"reason",             JSON_STR,  offsetof(struct condition, reason),             JSON_OPTIONAL, NULL, 0},
    {"message",            JSON_STR,  offsetof(struct condition, message),            JSON_OPTIONAL, NULL, 0},
    {"lastTransitionTime", JSON_TIME, offsetof(struct condition, last_transition_ms), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};
/* clang-format on */

static struct condition *find(const struct json_list *list, const char *type)
{
    struct condition *items = list->items;

    for (size_t i = 0; i < list->count; i++)
        if (strcmp(items[i].type, type) == 0)
            return &items[i];
    return NULL;
}

const struct condition *condition_find(const struct json_list *list, const char *type)
{
    return find(list, type);
}

bool condition_is_true(const struct json_list *list, const char *type)
{
    const struct condition *condition = find(list, type);
    return condition && strcmp(condition->status, "True") == 0;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static struct condition *append(struct json_list *list, const char *type)
{
    list->items = xrealloc_array(list->items, list->count + 1, sizeof(struct condition));
    struct condition *added = (struct condition *)list->items + list->count++;
    *added = (struct condition){.type = xstrdup(type)};
    return added;
}

void condition_set(struct json_list *list, const char *type, const char *reason, const char *message,
                   int64_t now_unix_ms)
{
    struct condition *condition = find(list, type);

    if (condition && same_text(condition->status, "True") && same_text(condition->reason, reason) &&
        same_text(condition->message, message))
        return;
    if (!condition)
        condition = append(list, type);
    json_free_fields(condition_fields, condition);
    *condition = (struct condition){
        .type = xstrdup(type),
        .status = xstrdup("True"),
        .reason = xstrdup(reason),
        .message = xstrdup(message),
        .last_transition_ms = now_unix_ms - now_unix_ms % 1000, /* Kubernetes keeps whole seconds */
    };
}

void condition_remove(struct json_list *list, const char *type)
{
    struct condition *items = list->items, *condition = find(list, type);

    if (!condition)
        return;
    json_free_fields(condition_fields, condition);
    size_t at = (size_t)(condition - items);
    memmove(condition, condition + 1, (list->count - at - 1) * sizeof(*condition));
    list->count--;
}
