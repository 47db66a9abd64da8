/* containerd/diff.h - containerd's own differ: slower and less faithful than reading the upper layer, but it
 * works with every snapshotter. */
#pragma once

#include "committer-agent/containerd/snapshots.h"
#include "shared/base/digest.h"

struct diff_blob {
    struct digest digest; /* of the blob in the content store; keep it by a lease */
    uint64_t size_bytes;
};

/* The difference from `lower` to `upper` as an uncompressed layer tar (so digest is also its diffID). `ref`
 * names the ingest: unique per attempt. timeout_ms as in rpc_call_options. */
int diff_create(struct containerd *containerd, const struct snapshot_mounts *lower,
                const struct snapshot_mounts *upper, const char *ref, const char *lease, int64_t timeout_ms,
                struct diff_blob *ret_blob, struct error *err);
