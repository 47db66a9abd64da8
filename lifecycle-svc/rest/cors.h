/* cors.h - browsers may call from anywhere: any origin, method and header, with credentials.
 * No cookie is ever looked at, so this opens nothing that a key does not guard.
 * Spec: WHATWG Fetch, "CORS protocol"; contract rest-api.md §1. */
#pragma once

#include "shared/http/server.h"

void cors_allow(struct http_exchange *exchange);
bool cors_is_preflight(const struct http_exchange *exchange);
void cors_answer_preflight(
    struct http_exchange *exchange); /* comes before the API key: it cannot carry one */
