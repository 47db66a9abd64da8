/* names.h - keys and derived names. Spec: contract/crds.md §6. All answers are the caller's to free. */
#pragma once

#include <stdint.h>

#include "shared/base/error.h"

#define LABEL_SANDBOX_NAME "batch-sandbox.sandbox.opensandbox.io/name"
#define LABEL_POD_INDEX    "batch-sandbox.sandbox.opensandbox.io/pod-index"
#define LABEL_SANDBOX_ID   "opensandbox.io/id"

/* On public snapshots (the first also on sandboxes made of one). */
#define LABEL_SNAPSHOT_ID       "opensandbox.io/snapshot-id"
#define LABEL_SOURCE_SANDBOX_ID "opensandbox.io/source-sandbox-id"
#define LABEL_SNAPSHOT_SCOPE    "opensandbox.io/snapshot-scope"
#define SNAPSHOT_SCOPE_PUBLIC   "public"
/* The uid of the source, so that another one of its name is not taken for it; absent on those that others made. */
#define ANNOTATION_SOURCE_UID   "stasis.opensandbox.io/source-uid"
#define ANNOTATION_DISPLAY_NAME "stasis.opensandbox.io/display-name"

/* What makes requests safe to repeat: of the create, hex SHA-256 of what the client asked for; of the last pause or resume,
 * "<verb> <32 hex digits of SHA-256 of its request id> <generation>". */
#define ANNOTATION_REQUEST_FINGERPRINT "stasis.opensandbox.io/request-fingerprint"
#define ANNOTATION_LAST_WISH           "stasis.opensandbox.io/last-wish"

/* RFC 3339, UTC: since when the time to live stands still; absent: it runs. */
#define ANNOTATION_TTL_STOPPED_AT "stasis.opensandbox.io/ttl-stopped-at"
/* "<generation> <spec digest>" that the controller made when it moved expireTime by the time that stood still: no wish of anybody's. */
#define ANNOTATION_TTL_STARTED "stasis.opensandbox.io/ttl-started"
/* RFC 3339, UTC: when a sandbox that stays paused is deleted, as its user was told. */
#define ANNOTATION_RETENTION_ENDS_AT "stasis.opensandbox.io/retention-ends-at"

#define ANNOTATION_ENDPOINTS "sandbox.opensandbox.io/endpoints"
/* N of the last pause (or, on a snapshot, of its pause): the tag is snap-gen<N>. Never reused, gaps are
 * harmless. */
#define ANNOTATION_PAUSE_CYCLE "sandbox.opensandbox.io/pause-cycle"
/* Which pause that N belongs to: the pauseObservedGeneration written when it was accepted. */
#define ANNOTATION_PAUSE_CYCLE_OF "sandbox.opensandbox.io/pause-cycle-of"
/* {"<container>":"<image>"}: what the last resume wrote into the template; shard patches do not override it.
 */
#define ANNOTATION_RESTORED_IMAGES "sandbox.opensandbox.io/restored-images"

/* The generation whose wish lets a failed resume be tried again: written, under the resourceVersion, before its pod is removed. */
#define ANNOTATION_RESUME_RETRY "sandbox.opensandbox.io/resume-retry"

/* Which node has the images of the last resume: its pods start there without a pull; any other will do. And: no other node has them,
 * for they could not be pushed. At most one of the two. */
#define ANNOTATION_RESUME_NODE   "stasis.opensandbox.io/resume-node"
#define ANNOTATION_REQUIRED_NODE "stasis.opensandbox.io/required-node"

/* On commit and unpause Jobs and their pods. Both keys name the snapshot (crds.md §6.1: OpenSandbox's and the Guide's); a label holds 63
 * characters, so the whole name is in the annotation. */
#define LABEL_JOB_SNAPSHOT       "sandbox.opensandbox.io/sandbox-snapshot-name"
#define LABEL_JOB_SNAPSHOT_GUIDE "sandbox.opensandbox.io/snapshot"
#define LABEL_NODE_ACCESS        "sandbox.opensandbox.io/privileged-node-access"
#define ANNOTATION_JOB_SNAPSHOT  "sandbox.opensandbox.io/snapshot-name"
#define ANNOTATION_COMMIT_KEY    "sandbox.opensandbox.io/commit-key" /* sandboxsnapshot_commit_key() */
#define LABEL_OF_JOB             "job-name" /* set by the Job controller on a Job's pods */
#define LABEL_OF_JOB_NEW         "batch.kubernetes.io/job-name"

/* Of pooled sandboxes and the pods of Pools. The lists are {"pods":["p1",...]}: what a sandbox was ever given, in order; what it gave
 * back; what of that was recycled (contract/crds.md §6.2). */
#define LABEL_POOL_NAME           "sandbox.opensandbox.io/pool-name"
#define LABEL_POOL_REVISION       "sandbox.opensandbox.io/pool-revision"
#define LABEL_EVICT               "pool.opensandbox.io/evict"
#define ANNOTATION_ALLOC_STATUS   "sandbox.opensandbox.io/alloc-status"
#define ANNOTATION_ALLOC_RELEASE  "sandbox.opensandbox.io/alloc-release"
#define ANNOTATION_ALLOC_RELEASED "sandbox.opensandbox.io/alloc-released"
/* On a pod of a Pool: "<uid> <name>" of the sandbox that has it, or had it and it was not recycled since (allocation.h). */
#define ANNOTATION_ALLOCATED_TO "stasis.opensandbox.io/allocated-to"

#define FINALIZER_POOL_ALLOCATION "pool.sandbox.opensandbox.io/pool-allocation"
/* On a Pool while some pod of it is a sandbox's: its pods go with it, and nobody's work may (K5). */
#define FINALIZER_POOL_IN_USE  "pool.sandbox.opensandbox.io/in-use"
#define FINALIZER_SNAPSHOT     "sandboxsnapshot.sandbox.opensandbox.io/cleanup"
#define FINALIZER_TASK_CLEANUP "batch-sandbox.sandbox.opensandbox.io/task-cleanup"

char *name_pod(const char *sandbox, int32_t index); /* "<bs>-<index>" */
/* "<pool>-" and five characters that follow from the Pool's uid and the number, so that making it twice makes one. */
char *name_pool_pod(const char *pool, const char *pool_uid, uint32_t number);
char *name_internal_snapshot(const char *sandbox); /* "<bs>-pause" */
char *
name_public_snapshot(const char *id); /* "osb-snap-" + 32 hex digits: the UUID's, else of the id's SHA-256 */
char *
name_commit_job(const char *snapshot); /* "<snapshot>-commit", at most 63 characters: it becomes a label */
char *name_unpause_job(const char *snapshot); /* "<snapshot>-unpause", likewise */
char *name_label_value(const char *name);     /* itself, or cut and hashed to 63 characters */

/* The value of ANNOTATION_PAUSE_CYCLE: 0 absent (NULL), -1 no positive number. */
int64_t pause_cycle_parse(const char *text);

char *tag_internal(int64_t cycle);           /* "snap-gen<N>" */
char *tag_public(const char *snapshot_name); /* "snap-" + 32 hex digits */

/* "<registry>/<sandbox>-<container>:<tag>" with a repository name that OCI allows: lowercase, and cut and
 * hashed where the registry prefix leaves too little room. ERR_INVALID: the registry prefix or the tag cannot
 * be part of a reference. */
int name_snapshot_image(const char *registry, const char *sandbox, const char *container, const char *tag,
                        char **ret_image, struct error *err);
