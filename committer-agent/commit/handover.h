/* handover.h - a killed container's writable snapshot becomes the agent's: immutable, and kept from containerd's garbage
 * collector until it is dropped.
 *
 *   T      snapshot "stasis-<key>-<container>", committed by containerd from the container's own: no byte is copied
 *   lease  "stasis-<key>", without an end: keeps T of every container of the commit, and what handover_keep_blob() adds
 *
 * Order: every process has SIGKILL and is frozen (freeze.h) -> handover_take() of each committed container -> journal.
 * Nothing can be undone from the first handover_take() on: the container's snapshot key is gone. containerd walks the
 * layer for its disk usage meanwhile: 2 ms for few files, half a second for 50,000.
 *
 * All calls are idempotent, so a crash between any two is settled by repeating. Threads: any; one key by one at a time. */
#pragma once

#include "committer-agent/containerd/containers.h"
#include "committer-agent/containerd/overlay.h"
#include "shared/base/digest.h"

#define HANDOVER_SNAPSHOTTER "overlayfs"
#define HANDOVER_LABEL       "stasis.opensandbox.io/commit" /* of leases and snapshots: the key */

/* Local chains: the kernel takes 500 lower layers, a page of mount options 353 and more (the longer the snapshot ids).
 * T and its alias add two. */
enum { HANDOVER_DEPTH_MAX = 300 };

/* Can this container's writable layer be handed over? `overlay`: its mounts as overlay_read() has them. False: *ret_why
 * is a static text for people. */
bool handover_supported(const struct container *container, const struct overlay *overlay,
                        const char **ret_why);

/* The container must be killed (no process of it ever runs again). What was taken already stays so.
 * ERR_NOT_FOUND, ContainerNotFound: neither the writable snapshot nor T exists;
 * ERR_CONFLICT: T and the writable snapshot both exist, or T is of another key. */
int handover_take(struct containerd *containerd, const struct container *container, const char *key,
                  struct error *err);

/* 1 it was taken (and not dropped), 0 not, -1. `container`: its name in the pod. */
int handover_taken(struct containerd *containerd, const char *key, const char *container, struct error *err);

/* The directory that holds T's files alone (an upper layer, as layer_capture() wants it). *ret_fd is the caller's.
 * ERR_NOT_FOUND, CommitLost: there is no T. */
int handover_open(struct containerd *containerd, const char *key, const char *container, int *ret_fd,
                  struct error *err);

/* Keeps a blob of the content store and all that its labels refer to as long as T: the base image's manifest, which an
 * upload after a restart needs, while nobody else may need the image any more. ERR_NOT_FOUND, BlobMissing. */
int handover_keep_blob(struct containerd *containerd, const char *key, const struct digest *digest,
                       struct error *err);

/* Lets all of it go: what nothing else refers to (an alias, a container) is collected. An unknown key is fine. */
int handover_drop(struct containerd *containerd, const char *key, struct error *err);

/* The keys that this node keeps something for. For start-up: a journal may be lost, a lease is not. */
struct handover_keys {
    char **items;
    size_t count;
};
int handover_list(struct containerd *containerd, struct handover_keys *ret_keys, struct error *err);
void handover_keys_done(struct handover_keys *keys);
#define SCOPED_HANDOVER_KEYS __attribute__((cleanup(handover_keys_done)))

/* The caller frees. */
char *handover_lease_id(const char *key);
char *handover_snapshot_name(const char *key, const char *container);
