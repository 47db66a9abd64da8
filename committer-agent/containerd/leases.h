/* containerd/leases.h - what keeps new snapshots and blobs from containerd's garbage collector. */
#pragma once

#include "committer-agent/containerd/containerd.h"

/* Ends by itself at expires_at_unix_s, so a crashed agent leaves nothing for ever. ERR_EXISTS. */
int lease_create(struct containerd *containerd, const char *id, int64_t expires_at_unix_s, struct error *err);
int lease_delete(struct containerd *containerd, const char *id,
                 struct error *err); /* a missing one is fine */
