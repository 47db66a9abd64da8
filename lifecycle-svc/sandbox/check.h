/* check.h - what a create request may ask of this server: the semantic rules, in the contract's order.
 * Pure; any thread. Spec: contract rest-api.md §4.1, §17. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/create_request.h"
#include "lifecycle-svc/sandbox/template.h"

struct check_settings {
    int64_t max_timeout_s;                   /* 0: no cap */
    const struct json_strings *host_paths;   /* allowed prefixes of host volumes; may be empty */
    const struct sandbox_template *template; /* NULL: none */
};

/* What comes before anybody looks for a snapshot. Of a settled request, as the other one. */
int create_request_check_mode(const struct create_request *request, struct error *err);

/* Of a settled request. The error carries the contract's code, and says what is supported instead. */
int create_request_check(const struct create_request *request, const struct check_settings *settings,
                         int64_t now_ms, struct error *err);
