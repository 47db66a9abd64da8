/* pool_census.h - whose the pods of a Pool are, and who waits for one.
 * Spec: contract/controller-behaviour.md §10.1-§10.3 with K3, K4, K26, K28, K30 and K37 of its §15; model/allocation.h says how
 * objects tell it. Pure: it is taken anew in every pass, so there is no table that a crash could lose. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot-svc/model/allocation.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/pod.h"
#include "snapshot-svc/model/pool.h"
#include "snapshot-svc/reconcile/pool_capacity.h"

struct pool_observed {
    const struct pool *pool;
    const struct pod *const *pods; /* controlled by the Pool's uid, terminating ones included; any order */
    size_t pod_count;
    /* Those with this poolRef, and those that some pod's claim names. One that is named and not here is gone, as a read says
     * that is not cached. The first is served first. */
    const struct batchsandbox *const *sandboxes;
    size_t sandbox_count;
};

enum pool_pod_standing {
    POOL_POD_GOING, /* being deleted: counts nowhere */
    POOL_POD_IDLE,  /* nobody's, and clean */
    POOL_POD_HELD,  /* its tenant's, and listed there */
    POOL_POD_LISTED, /* its tenant's by the list alone, as another controller gave it: the claim has to be written */
    POOL_POD_CLAIMED, /* its tenant's by the claim alone, for we were interrupted: to be listed */
    POOL_POD_SURPLUS, /* the same, but its tenant has enough: to be listed and asked back in one write */
    POOL_POD_DIRTY,   /* to be recycled: asked back, or its tenant is going, gone or on its own (§13) */
    POOL_POD_CLEAN,   /* recycled, as its tenant says: the claim is left to be taken away */
    POOL_POD_STANDING_MAX
};
const char *pool_pod_standing_name(enum pool_pod_standing standing); /* "Idle" */

/* A sandbox that this Pool serves. */
struct pool_tenant {
    const struct batchsandbox *sandbox;
    struct allocation allocation;
    bool is_unreadable; /* then nothing is known of `allocation`, and whatever it claims is held */
    int32_t need;       /* pods to be given yet */
    bool is_changed;    /* a plan changed `allocation`: it has to be written */
};

struct pool_pod {
    const struct pod *pod;
    enum pool_pod_standing standing;
    struct pool_tenant *tenant; /* NULL: none, or an orphan's */
    bool is_leaving;            /* a plan deletes it */
};

struct pool_census {
    struct pool_pod *pods; /* in the order they were seen */
    size_t pod_count;
    struct pool_tenant *tenants; /* in the order they were seen */
    size_t tenant_count;
    /* A tenant whose lists cannot be read: nobody can say which pods are its. Nothing may be given, recycled or removed in this Pool
     * until a user repairs them. NULL: none. */
    const struct batchsandbox *unreadable;
    struct error unreadable_why;
};

void pool_census_take(const struct pool_observed *seen, struct pool_census *ret_census);
void pool_census_done(struct pool_census *census);
#define SCOPED_POOL_CENSUS __attribute__((cleanup(pool_census_done)))

struct pool_population pool_census_population(const struct pool_census *census);

/* Ready, and may be given to the next who asks: idle, and nobody asked for its eviction. */
bool pool_pod_is_available(const struct pool_pod *pod);
/* And this tenant never had it: its lists cannot say that it has a pod for the second time. */
bool pool_tenant_may_get(const struct pool_tenant *tenant, const struct pool_pod *pod);
bool pool_pod_is_to_be_evicted(const struct pool_pod *pod); /* idle, and an operator asked for it */
