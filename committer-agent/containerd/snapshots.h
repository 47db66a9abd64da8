/* containerd/snapshots.h - containerd snapshots: file system layers, not our API's Snapshot. */
#pragma once

#include "committer-agent/containerd/containerd.h"

struct snapshot_mount {
    char *type; /* "overlay", "bind" */
    char *source;
    char **options; /* "upperdir=/...", "lowerdir=/...:/..." */
    size_t option_count;
};

struct snapshot_mounts {
    struct snapshot_mount *items;
    size_t count;
};

/* How to mount the snapshot. ERR_NOT_FOUND, ContainerNotFound. */
int snapshot_mounts(struct containerd *containerd, const char *snapshotter, const char *key,
                    struct snapshot_mounts *ret_mounts, struct error *err);
void snapshot_mounts_done(struct snapshot_mounts *mounts);
#define SCOPED_SNAPSHOT_MOUNTS __attribute__((cleanup(snapshot_mounts_done)))

/* The snapshot right below; *ret_parent is the caller's, "" at the bottom. ERR_NOT_FOUND, ContainerNotFound. */
int snapshot_parent(struct containerd *containerd, const char *snapshotter, const char *key,
                    char **ret_parent, struct error *err);

enum { SNAPSHOT_MAX_PARENTS = 512 }; /* the kernel stops at 500 lower layers */

struct snapshot_chain {
    char **names; /* committed snapshots below the key, nearest first; CRI names them by chainID */
    size_t count;
};

/* ERR_NOT_FOUND, ContainerNotFound; ERR_EXHAUSTED: more than SNAPSHOT_MAX_PARENTS. */
int snapshot_parents(struct containerd *containerd, const char *snapshotter, const char *key,
                     struct snapshot_chain *ret_chain, struct error *err);
void snapshot_chain_done(struct snapshot_chain *chain);
#define SCOPED_SNAPSHOT_CHAIN __attribute__((cleanup(snapshot_chain_done)))

/* 1 there is a snapshot of that name or key, 0 not, -1. */
int snapshot_exists(struct containerd *containerd, const char *snapshotter, const char *key,
                    struct error *err);

enum snapshot_kind { SNAPSHOT_VIEW, SNAPSHOT_ACTIVE, SNAPSHOT_COMMITTED };

/* 1: *ret_kind is set, and *ret_label the caller's value of that label ("": it has none; label_key NULL: not asked
 * for); 0: there is no snapshot of that name or key; -1. */
int snapshot_find(struct containerd *containerd, const char *snapshotter, const char *key,
                  const char *label_key, enum snapshot_kind *ret_kind, char **ret_label, struct error *err);

/* The changing calls take a lease that keeps the result from the garbage collector; NULL: none.
 * Prepare: a writable (View: read-only) snapshot on parent ("" for none); *ret_mounts may be NULL.
 * Commit: key becomes the committed snapshot `name`, with these labels (NULL: none); one that is mounted stays
 * mounted. ERR_EXISTS: `name` is taken.
 * Remove: a missing one is fine. */
int snapshot_prepare(struct containerd *containerd, const char *snapshotter, const char *key,
                     const char *parent, const char *lease, struct snapshot_mounts *ret_mounts,
                     struct error *err);
int snapshot_view(struct containerd *containerd, const char *snapshotter, const char *key, const char *parent,
                  const char *lease, struct snapshot_mounts *ret_mounts, struct error *err);
int snapshot_commit(struct containerd *containerd, const char *snapshotter, const char *name, const char *key,
                    const char *lease, const struct resource_labels *labels, struct error *err);
int snapshot_remove(struct containerd *containerd, const char *snapshotter, const char *key,
                    struct error *err);
