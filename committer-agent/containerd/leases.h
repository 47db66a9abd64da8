/* containerd/leases.h - what keeps snapshots and blobs from containerd's garbage collector, with all that they refer to
 * (a snapshot its parents, a blob what its labels name). A lease that is deleted or has expired frees what nothing else
 * refers to, at the collector's next run, which its deletion brings about. */
#pragma once

#include "committer-agent/containerd/containerd.h"
#include "shared/base/digest.h"

#define LEASE_FOREVER ((int64_t)0)

/* Ends by itself at expires_at_unix_s, so a crashed agent leaves nothing for ever; LEASE_FOREVER: somebody must delete
 * it. labels may be NULL. ERR_EXISTS. */
int lease_create(struct containerd *containerd, const char *id, int64_t expires_at_unix_s,
                 const struct resource_labels *labels, struct error *err);
int lease_delete(struct containerd *containerd, const char *id,
                 struct error *err); /* a missing one is fine */

/* Keeps something that is there already. Idempotent. ERR_NOT_FOUND: no such lease. That there is such a snapshot or blob
 * is not checked: it may be collected until the call returns, so look for it afterwards. */
int lease_add_snapshot(struct containerd *containerd, const char *id, const char *snapshotter,
                       const char *name, struct error *err);
int lease_add_blob(struct containerd *containerd, const char *id, const struct digest *digest,
                   struct error *err);

struct lease {
    char *id;
    char *label; /* the value of the label that was asked for */
};
struct lease_list {
    struct lease *items;
    size_t count;
};

/* The leases with a label of that key, whatever its value, in no order. None is no error. */
int leases_with_label(struct containerd *containerd, const char *key, struct lease_list *ret_list,
                      struct error *err);
void lease_list_done(struct lease_list *list);
#define SCOPED_LEASE_LIST __attribute__((cleanup(lease_list_done)))
