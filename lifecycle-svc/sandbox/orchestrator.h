/* orchestrator.h - short names for snapshot-svc's messages, which are what this service knows of a sandbox.
 */
#pragma once

#include "opensandbox/orchestrator/v1/orchestrator.pb-c.h"

typedef Opensandbox__Orchestrator__V1__Sandbox orch_sandbox;
typedef Opensandbox__Orchestrator__V1__Condition orch_condition;
typedef Opensandbox__Orchestrator__V1__Snapshot orch_snapshot;

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)

/* The True condition of this type, or NULL. Borrowed. */
const orch_condition *orch_true_condition(const orch_sandbox *sandbox, const char *type);

/* A label's value, or NULL. Borrowed. */
const char *orch_label(const orch_sandbox *sandbox, const char *key);
