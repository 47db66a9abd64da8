/* pool_pass.h - one pass over a Pool. Private to snapshot-svc/reconcile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "snapshot-svc/reconcile/actions.h"
#include "snapshot-svc/reconcile/pool_census.h"

struct pool_pass {
    const struct pool_observed *seen;
    const struct pool *pool;
    struct pool_census census; /* changes with what is planned */
    char *revision;
    struct plan plan;
    int32_t replaced; /* pods that a template update takes away in this pass */
};

void pool_serve(struct pool_pass *pass); /* steps 2 to 4 of pool_plan.h */
void pool_stock(struct pool_pass *pass); /* step 5 */

bool pool_pod_is_current(const struct pool_pass *pass,
                         const struct pool_pod *pod); /* of the current revision */
/* Deletes it, once in a pass. */
void pool_pod_delete(struct pool_pass *pass, struct pool_pod *pod);
void pool_event(struct pool_pass *pass, bool warning, const char *reason, const char *message);
