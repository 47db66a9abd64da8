/* execute.h - carries out a plan; what each action promises is in reconcile/plan.h.
 * Threads: any worker; two workers never have the same object's plan. */
#pragma once

#include "snapshot-svc/controller/controller_priv.h"

/* Stops at the first action that fails. ERR_CONFLICT: somebody moved first; the informer has the newer object by now,
 * so planning again makes sense at once. ERR_CANCELLED: the controller stops. */
int execute_plan(struct controller *controller, const struct event_subject *subject, const struct plan *plan,
                 struct error *err);
