/* sandboxsnapshot.h - a SandboxSnapshot as a struct.
 * Spec: contract/crds.md §3; the additive members of architecture.md §4 ("Status"). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/model/condition.h"
#include "snapshot-svc/model/meta.h"

enum snapshot_phase {
    SNAPSHOT_PHASE_NONE,
    SNAPSHOT_PENDING,
    SNAPSHOT_COMMITTING,
    SNAPSHOT_SUCCEED,
    SNAPSHOT_FAILED,
    SNAPSHOT_PHASE_UNKNOWN,
    SNAPSHOT_PHASE_MAX
};
const char *snapshot_phase_name(enum snapshot_phase phase);
enum snapshot_phase snapshot_phase_parse(const char *name);

#define SNAPSHOT_CONDITION_READY  "Ready"
#define SNAPSHOT_CONDITION_FAILED "Failed"
/* While Committing by a Job that has failed or is given up: reason and message of the failure to come. Until it is told, the Job is
 * stopped and what it froze is thawed. */
#define SNAPSHOT_CONDITION_STOPPING "Stopping"
/* The pod's processes are dead and its files are the agent's, on status.sourceNodeName: the pod may go, nothing may be undone, and
 * until Succeed, or until status.keptOnNode says that a pod can start from them, that node's copy is the only one. */
#define SNAPSHOT_CONDITION_CAPTURED "Captured"

/* Who commits: decided before anything is frozen, and kept for that attempt. */
enum snapshot_committer { COMMITTER_AGENT, COMMITTER_JOB, COMMITTER_MAX };

struct snapshot_container {
    char *name, *image_uri, *image_digest; /* digest NULL until known; text, for users may patch it */
};

struct snapshot_progress {
    char *phase; /* NULL: no progress stored */
    uint64_t bytes_read, bytes_total, bytes_pushed, files;
};

struct sandboxsnapshot_status {
    char *phase_name; /* as stored; use sandboxsnapshot_phase() */
    struct json_list conditions;
    char *source_pod_name, *source_node_name, *source_pod_uid;
    struct json_list containers; /* of struct snapshot_container */
    int64_t observed_generation;
    struct snapshot_progress progress;
    int64_t start_ms, completion_ms; /* whole seconds in the document */
    uint64_t size_bytes;             /* of the images, compressed */
    int32_t layers, attempts;
    char *committer_name; /* as stored; NULL until it is decided; use sandboxsnapshot_committer() */
    char *path;           /* "Handover", "Hold", "Live"; NULL: not known */
    char *
        path_message; /* why it was Hold although Handover was asked for; NULL: it was not, or the agent does not say */
    int64_t frozen_ms;  /* 0: not told */
    char *kept_on_node; /* Failed: the images are known to this node alone; NULL: nothing is kept */
};

struct sandboxsnapshot {
    struct object_meta meta;
    char *sandbox_name;
    struct sandboxsnapshot_status status;
    bool has_status;
};

int sandboxsnapshot_read(const json_t *object, struct sandboxsnapshot *out, struct error *err);
void sandboxsnapshot_done(struct sandboxsnapshot *snapshot);
#define SCOPED_SANDBOXSNAPSHOT __attribute__((cleanup(sandboxsnapshot_done)))

enum snapshot_phase sandboxsnapshot_phase(const struct sandboxsnapshot_status *status);
void sandboxsnapshot_set_phase(struct sandboxsnapshot_status *status, enum snapshot_phase phase);
/* An attempt that does not say is the agent's. */
enum snapshot_committer sandboxsnapshot_committer(const struct sandboxsnapshot_status *status);
void sandboxsnapshot_set_committer(struct sandboxsnapshot_status *status, enum snapshot_committer committer);
bool snapshot_phase_is_final(enum snapshot_phase phase);

bool sandboxsnapshot_is_captured(const struct sandboxsnapshot_status *status);
/* Can a pod be started from it? Everywhere, or, when kept_on_node is set, on that node alone. */
bool sandboxsnapshot_has_files(const struct sandboxsnapshot_status *status);
/* Failed, and one node has the files. */
bool sandboxsnapshot_is_kept(const struct sandboxsnapshot_status *status);

/* The entry of a container, or NULL. Borrowed. */
const struct snapshot_container *sandboxsnapshot_container(const struct sandboxsnapshot_status *status,
                                                           const char *container);
void sandboxsnapshot_add_container(struct sandboxsnapshot_status *status, const char *container,
                                   const char *image_uri);

/* Does it belong to a pause of the sandbox with this uid? (controller owner of our group, crds.md §6.4) */
bool sandboxsnapshot_is_internal(const struct sandboxsnapshot *snapshot, const char *sandbox_uid);

/* "<uid>.<attempts>", the idempotency key of its commit. The caller frees. */
char *sandboxsnapshot_commit_key(const struct sandboxsnapshot *snapshot, int32_t attempts);

/* Members that say nothing are left out. */
json_t *sandboxsnapshot_status_write(const struct sandboxsnapshot_status *status);
int sandboxsnapshot_status_read(const json_t *status, struct sandboxsnapshot_status *out, struct error *err);
void sandboxsnapshot_status_copy(const struct sandboxsnapshot_status *from,
                                 struct sandboxsnapshot_status *ret_copy);
void sandboxsnapshot_status_done(struct sandboxsnapshot_status *status);
