/* lease.h - a coordination.k8s.io/v1 Lease, as leader election sees it and writes it.
 *
 * A holder promises to write the Lease more often than leaseDurationSeconds. Who sees it unchanged for so long, by its
 * own monotonic clock, may take it. The times inside are for people: the clocks of two machines are never compared.
 * A Lease that somebody deleted is remembered: its holder may not know yet.
 * Spec: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1.
 *
 * Threads: none of its own; pure functions but for memory. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct lease {
    bool known;            /* false: nobody has looked for it yet */
    bool exists;           /* false: the rest but the versions tells of the one that was there */
    char *holder;          /* "": nobody's. NULL: there never was one */
    int64_t duration_ms;   /* the holder's promise; 0: it makes none */
    int64_t transitions;   /* how often it went from one holder to another */
    char *version;         /* resourceVersion; NULL while it does not exist */
    uint64_t seen_version; /* the newest that we know of */
    char *spec;            /* as text, to tell a change */
    int64_t changed_at_ms; /* monotonic: when the change to this spec was seen */
};

void lease_done(struct lease *lease);

/* What the store says now; object NULL: there is none. */
void lease_see(struct lease *lease, const json_t *object, int64_t now_ms);

enum lease_standing {
    LEASE_FREE, /* nobody's, or its holder broke the promise */
    LEASE_OURS,
    LEASE_HELD, /* by another, until *ret_free_at_ms at least */
};
/* own_duration_ms: assumed of a holder that promises nothing. ret_free_at_ms is set for LEASE_HELD. */
enum lease_standing lease_standing(const struct lease *lease, const char *identity, int64_t own_duration_ms,
                                   int64_t now_ms, int64_t *ret_free_at_ms);

/* The spec to write: for taking or renewing (in one, because what is ours keeps its acquireTime), and for giving it up.
 * As members of a merge patch. now_us: Unix time. */
json_t *lease_claim(const struct lease *lease, const char *identity, int64_t duration_ms, int64_t now_us);
json_t *lease_release(int64_t now_us);
