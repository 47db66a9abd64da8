/* batchsandbox.h - a BatchSandbox as a struct.
 * Spec: contract/crds.md §2. Opaque subtrees stay JSON; the object the view was read from must not change
 * meanwhile. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/model/condition.h"
#include "snapshot-svc/model/meta.h"

enum sandbox_phase {
    SANDBOX_PHASE_NONE, /* no status yet */
    SANDBOX_PENDING,
    SANDBOX_SUCCEED,
    SANDBOX_PAUSING,
    SANDBOX_PAUSED,
    SANDBOX_RESUMING,
    SANDBOX_FAILED,
    SANDBOX_PHASE_UNKNOWN, /* a word this build does not know */
    SANDBOX_PHASE_MAX
};
const char *sandbox_phase_name(enum sandbox_phase phase); /* "" for NONE, "Unknown" for UNKNOWN */
enum sandbox_phase sandbox_phase_parse(const char *name); /* NULL and "" are NONE */

enum sandbox_condition {
    CONDITION_READY,
    CONDITION_PROGRESSING,
    CONDITION_PAUSED,
    CONDITION_PAUSE_FAILED,
    CONDITION_RESUME_FAILED,
    CONDITION_POD_FAILED,
    SANDBOX_CONDITION_MAX
};
const char *sandbox_condition_name(enum sandbox_condition condition); /* "PauseFailed" */

enum pause_wish { PAUSE_ABSENT = -1, PAUSE_FALSE = 0, PAUSE_TRUE = 1 };
const char *pause_wish_name(int wish); /* "absent", "false", "true" */

struct batchsandbox_status {
    int32_t replicas, allocated, ready;
    int32_t task_running, task_succeed, task_failed, task_pending, task_unknown;
    int64_t observed_generation;
    int64_t pause_observed_generation; /* acked */
    char *phase_name;                  /* as stored; use sandbox_phase() and sandbox_set_phase() */
    struct json_list conditions;
    char *observed_pause;       /* pause_wish_name() at the last ACK; NULL: an object without memory */
    char *observed_spec_digest; /* batchsandbox_spec_digest() at the last ACK */
};

struct batchsandbox_spec {
    int32_t replicas; /* 1 when absent from the object, see replicas_set */
    bool replicas_set;
    char *pool_ref;         /* NULL or "": template mode */
    json_t *template_;      /* any; NULL: absent */
    json_t *shard_patches;  /* any; NULL: absent */
    json_t *task_template;  /* any; NULL: absent */
    int64_t expire_time_ms; /* 0: never */
    int pause;              /* enum pause_wish */
};

struct batchsandbox {
    struct object_meta meta;
    struct batchsandbox_spec spec;
    struct batchsandbox_status status;
    json_t *raw_spec; /* never NULL after a read */
    bool has_status;
};

/* Fills the zeroed struct. ERR_INVALID names the member. */
int batchsandbox_read(const json_t *object, struct batchsandbox *out, struct error *err);
void batchsandbox_done(struct batchsandbox *sandbox);
#define SCOPED_BATCHSANDBOX __attribute__((cleanup(batchsandbox_done)))

enum sandbox_phase batchsandbox_phase(const struct batchsandbox_status *status);
void batchsandbox_set_phase(struct batchsandbox_status *status, enum sandbox_phase phase);
bool batchsandbox_is_pooled(const struct batchsandbox *sandbox);

/* "sha256:..." over the canonical JSON of spec without `pause`, null members left out. The caller frees. */
char *batchsandbox_spec_digest(const struct batchsandbox *sandbox);

/* All eight counters, zero included (contract/crds.md §2.2); the memory only when there is one. */
json_t *batchsandbox_status_write(const struct batchsandbox_status *status);
int batchsandbox_status_read(const json_t *status, struct batchsandbox_status *out, struct error *err);
void batchsandbox_status_copy(const struct batchsandbox_status *from, struct batchsandbox_status *ret_copy);
void batchsandbox_status_done(struct batchsandbox_status *status);
