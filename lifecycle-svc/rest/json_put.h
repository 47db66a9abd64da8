/* json_put.h - members that many answers have. Pure; any thread. Spec: contract rest-api.md §1 (times, null members), §3.3
 * (PaginationInfo). */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lifecycle-svc/sandbox/listing.h"

/* Cleaned to UTF-8; NULL puts nothing. */
void json_put_text(json_t *object, const char *key, const char *text);

/* Kubernetes' times are whole seconds and stay so; our own clock's have milliseconds. */
void json_put_time(json_t *object, const char *key, int64_t unix_ms);

/* New reference. */
json_t *pagination_json(const struct page *page);
