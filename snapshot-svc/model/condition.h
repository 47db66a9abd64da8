/* condition.h - conditions of a status: a list keyed by type in which only true ones are stored.
 * Spec: contract/crds.md §2.3, contract/controller-behaviour.md §7.3. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/json/json.h"

struct condition {
    char *type, *status, *reason, *message;
    int64_t last_transition_ms;
};

extern const struct json_field condition_fields[];

/* Lists are struct json_list of struct condition. Borrowed; NULL: absent. */
const struct condition *condition_find(const struct json_list *list, const char *type);
bool condition_is_true(const struct json_list *list, const char *type);

/* Stores type=True. The transition time stays when status, reason and message are what they were. */
void condition_set(struct json_list *list, const char *type, const char *reason, const char *message,
                   int64_t now_unix_ms);
void condition_remove(struct json_list *list, const char *type);
