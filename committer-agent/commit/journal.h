/* journal.h - what the agent owes the world, written down before it owes it.
 *
 * One file per commit in <state>/commits/, replaced atomically and fsynced. A record exists from before the
 * first container is frozen until nothing is owed any more. At start-up the records are read back and settled
 * (commits.h).
 *
 *   stage      what a crash leaves behind                     settled by
 *   FREEZING   containers may be frozen, spool files           thaw, remove the spool
 *   HOLDING    containers frozen, image pushed                 goes on holding until released or run out
 *   KILLING    some processes have SIGKILL, containers frozen   the rest is killed, too, and the layers are taken
 *   HANDED_OVER  the same for all; their layers are the agent's,  kept until its image is pushed, or made known to
 *              immutable, and not pushed yet                     this node alone, or nobody needs it
 *   KILLED     the same, and the image is made                   kept until the containers are gone
 *   EXPIRED    containers thawed, the image is stale           kept so that a late release is refused
 *   DONE       nothing; the result of a live snapshot          kept a while for callers that come back
 *
 * Threads: any; a record of one key is written by one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/json/json.h"

enum commit_stage {
    STAGE_FREEZING,
    STAGE_HOLDING,
    STAGE_KILLING,
    STAGE_HANDED_OVER,
    STAGE_KILLED,
    STAGE_EXPIRED,
    STAGE_DONE,
    STAGE_MAX
};
const char *commit_stage_name(enum commit_stage stage);

/* What a layer could not carry (request.h). */
struct journal_skipped {
    char *kind;
    uint64_t count;
    char *example;
};

/* One container of the pod that the commit froze; the ones with an image are committed. */
struct journal_container {
    char *name;
    char *id;    /* containerd container id */
    char *image; /* where it is pushed; NULL: frozen only */
    /* Of those with an image in a record that hands over: what is found again when the container is gone. */
    char *snapshotter, *snapshot_key; /* its writable layer */
    char *base_manifest;              /* digest of what it was made from */
    /* The result, from HOLDING or KILLED on. */
    char *digest, *layer_digest, *diff_id, *chain_id;
    uint64_t layer_size, image_size, files;
    int32_t layers;
    struct json_list skipped; /* of journal_skipped */
};

struct journal_record {
    char *key;
    enum commit_stage stage;
    char *pod_uid, *pod_ns, *pod_name;
    bool hold;
    bool hands_over;            /* whoever kills takes the writable layers over, too (handover.h) */
    bool warm;                  /* KILLED: a pod of these images starts on this node without a pull */
    bool kept;                  /* KILLED: the images are on this node alone, in no registry */
    int64_t hold_until_unix_ms; /* HOLDING: when the hold runs out; 0 otherwise */
    int64_t frozen_ms;
    int64_t changed_unix_ms;              /* when this stage was written */
    struct journal_container *containers; /* the ones with an image first, in the order of the request */
    size_t count;
};

void journal_record_free(struct journal_record *record);
/* Forgets all containers after the first `count`. */
void journal_record_keep(struct journal_record *record, size_t count);

/* Forgets a result. */
void journal_container_reset(struct journal_container *container);

/* Is the image made? */
bool journal_record_has_results(const struct journal_record *record);

bool journal_record_has(const struct journal_record *record, const char *container_id);

struct journal;

/* Makes the folder when it is missing. */
int journal_open(const char *state_dir, struct journal **ret_journal, struct error *err);
void journal_free(struct journal *journal);

int journal_write(struct journal *journal, const struct journal_record *record, struct error *err);
int journal_remove(struct journal *journal, const char *key, struct error *err);

/* Calls back for every record, which is the callback's then, and for every file that is none: `why` names it.
 * Fails only when the folder cannot be read. */
int journal_each(struct journal *journal, void (*each)(void *self, struct journal_record *record),
                 void (*unreadable)(void *self, const struct error *why), void *self, struct error *err);
