/* orchestrator_error.h - snapshot-svc's failures in the contract's words. */
#pragma once

#include "shared/base/error.h"

/* Gives err, which came from a call about sandbox `id` (NULL: about none), its contract code. Answers -1. */
int orchestrator_error(struct error *err, const char *id);
