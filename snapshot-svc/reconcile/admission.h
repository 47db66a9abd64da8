/* admission.h - may the API ask for a pause or a resume now, and how is the wish written?
 * Spec: contract/rest-api.md §7. Decide on a fresh read, and write under its resourceVersion. */
#pragma once

#include "shared/base/error.h"
#include "snapshot-svc/model/batchsandbox.h"

enum admit_step {
    ADMIT_PATCH, /* merge patch {"spec":{"pause":<target>}} */
    ADMIT_BRIDGE /* first {"spec":{"pause":null}}, then the target: the value is there already, or the last
                    try failed */
};

/* ERR_PRECONDITION with the contract's words ("already paused", "operation in progress", ...) in the text. */
int admit_pause(const struct batchsandbox *sandbox, enum admit_step *ret_step, struct error *err);
int admit_resume(const struct batchsandbox *sandbox, enum admit_step *ret_step, struct error *err);
