/* pool_plan.h - the planner of Pools: gives warm pods to sandboxes, takes used ones back, and keeps the stock.
 * Spec: contract/controller-behaviour.md §10, §14, with K3-K5, K14, K26, K28-K30 and K37 of its §15. Pure, as all planners
 * (plan.h says what the executor promises).
 *
 * Order of the plan, which is its crash story:
 *   1. the Pool's own finalizer, before anything becomes a sandbox's
 *   2. returned pods: recycling is asked for; it is noted when it has been seen to be done
 *   3. claims, each under the pod's resourceVersion
 *   4. the lists of each sandbox, in one write under its resourceVersion
 *   5. the stock: eviction, template update, scaling
 *   6. the Pool's status, unless its finalizers were written: then the pass that that write wakes does it
 * Pods are named by the smallest numbers that are free, so that a pass which runs twice makes no pod twice. For that the
 * caches that are looked at have what this process wrote itself; they may lack what others wrote.
 *
 * Recycling by restart is not part of it yet: such pods are deleted, and an Event says so. */
#pragma once

#include "shared/base/error.h"
#include "snapshot-svc/reconcile/plan.h"
#include "snapshot-svc/reconcile/pool_census.h"

void pool_plan(const struct pool_observed *seen, struct plan *plan);
