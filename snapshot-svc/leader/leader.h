/* leader.h - which one of several snapshot-svc leads: election by a Lease, after client-go's tools/leaderelection.
 *
 *   leader_new() -> leader_start() -> on_started() ... leader_stop() -> leader_free()
 *                                              \-> on_lost(): the process must end
 *
 * A candidate watches the Lease. When it is free (lease.h) it writes its name there, under the resourceVersion it has
 * seen, so that of several one wins. The leader writes it anew each retry period. Followers react to its release by
 * the watch, at once; when a leader dies they wait until its lease has run out.
 *
 * Why two never lead at once. Say the leader sent its last successful write at t by its clock. Others have seen that write
 * later than t, and wait the lease duration from then on: they do not lead before t + 15 s. The leader counts from t, too,
 * and not from the answer: at t + 10 s, the renew deadline, it has lost. A thread that does nothing else tells so by
 * on_lost(), even when the call that should have renewed hangs. The 5 s between are for the process to end, and for
 * clocks that do not run equally fast; they need not agree on the time, and setting one changes nothing, as all are
 * monotonic.
 *
 * What no lease can do. A process that is stopped (SIGSTOP, a frozen VM) for longer goes on in the middle of whatever it
 * did, before any of its threads looks at a clock; on a machine that was suspended the monotonic clock may even have
 * stood still. So a late write can always reach the store after another leads. leader_is() makes the gap small (it
 * compares the clock itself); what makes it harmless is not in this file: writes carry the resourceVersion that they were
 * decided on, so a stale one is a conflict; what is created has a name that follows from its cause, so the second one
 * exists already; a commit has its key, so asking twice attaches.
 *
 * Kubernetes: needs get, list, watch, create and patch on leases in the namespace.
 * Threads: two of its own and an informer's. leader_is(): any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

#define LEADER_LEASE_NAME "2fa1c467.opensandbox.io" /* contract/controller-behaviour.md */

struct metrics;

struct leader_options {
    struct cluster *cluster; /* borrowed; outlives the leader */
    const char *ns;          /* of the Lease: the system namespace */
    const char *name;        /* NULL: LEADER_LEASE_NAME */
    /* For people: the pod's name. A random number is added, so that no two are the same. */
    const char *identity;
    int64_t lease_duration_ms; /* 0: 15000; the Lease has it in whole seconds, rounded up */
    int64_t renew_deadline_ms; /* 0: 10000; shorter than the lease */
    int64_t retry_period_ms;   /* 0: 2000; shorter than the deadline */
    struct metrics *metrics;   /* gets the gauge stasis_leader; or NULL */

    /* We lead. The next renewal waits until it returns, so it starts things and does not do them. */
    void (*on_started)(void *self);
    /* We led, and do not any more: once at most, at the renew deadline at the latest, or as soon as the Lease is seen to
     * be another's. Nothing may be written from now on; the process is to end itself, by _exit(): its other threads are
     * at work. */
    void (*on_lost)(void *self, const char *why);
    void *self;
};

struct leader;

struct leader *leader_new(const struct leader_options *options);
/* ERR_INVALID: durations that do not fit each other. */
int leader_start(struct leader *leader, struct error *err);
/* Gives the Lease back if it is ours, so that the next one leads at once: call it when all that only a leader may do has
 * stopped. Waits for a call to the cluster that is under way. Then neither callback runs any more. Not from one. */
void leader_stop(struct leader *leader);
void leader_free(struct leader *leader); /* stopped, or never started */
DEFINE_FREEP(leader, struct leader, leader_free)

bool leader_is(struct leader *leader);
const char *leader_identity(const struct leader *leader); /* as it stands in the Lease */
