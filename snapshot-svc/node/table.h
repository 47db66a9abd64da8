/* table.h - the pods that the store or the agent knows, by uid, and the calls under way for each.
 * One worker at a time works on a uid (workqueue), so what it notes about its tries needs no more than the lock.
 * Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/rpc/client.h"
#include "snapshot-svc/node/pod_status.h"

struct table;

struct table *table_new(void);
void table_free(struct table *table);

/* ---- what the store says ---- */

/* A pod that is being deleted is not to be started any more: a RunPod under way is cancelled. */
void table_note_stored(struct table *table, const char *uid, const char *ns, const char *name,
                       bool is_deleting);
void table_note_unstored(struct table *table, const char *uid);

/* ---- what the agent says ---- */

/* Copies. A pod that is GONE is as one never seen. */
void table_note_seen(struct table *table, const pod_seen *seen);
/* The same for the answer to a start. The watch is another stream: an end that it told since the call began is newer. */
void table_note_started(struct table *table, const pod_seen *seen);
/* A list of all pods begins, and ends: who was not in it is gone. Between a loss of the agent and the end of the next
 * list nothing is known for sure. */
void table_list_begin(struct table *table);
void table_list_end(struct table *table);
void table_lose_agent(struct table *table);

/* ---- what a worker asks ---- */

struct pod_facts {
    char *ns, *name;
    bool is_stored;
    bool agent_known; /* `seen` is what there is, or was a moment ago */
    pod_seen *seen;   /* NULL: the agent has no such pod */
    int64_t wait_ms;  /* until the next try is due */
};

bool table_get(struct table *table, const char *uid, struct pod_facts *ret_facts); /* false: unknown */
void pod_facts_done(struct pod_facts *facts);
#define SCOPED_POD_FACTS __attribute__((cleanup(pod_facts_done)))

/* Calls fn for every uid, without the lock. */
void table_each(struct table *table, void (*fn)(void *self, const char *uid), void *self);

/* Counts a failed try to start the pod; answers the number of failures in a row and when to try again. */
unsigned table_start_failed(struct table *table, const char *uid, int64_t first_ms, int64_t max_ms,
                            int64_t *ret_delay_ms);
void table_start_worked(struct table *table, const char *uid);

/* ---- calls that can be ended ---- */

enum call_kind { CALL_START, CALL_STOP };

/* false: do not begin it: the table is closed, or the pod is not to be started any more. */
bool table_call_begin(struct table *table, const char *uid, enum call_kind kind, struct rpc_stream *stream);
/* true: it was cancelled from here. */
bool table_call_end(struct table *table, const char *uid);
/* Cancels every call, and begins none any more. */
void table_close(struct table *table);

pod_seen *pod_seen_copy(const pod_seen *seen);
void pod_seen_free(pod_seen *seen);
DEFINE_FREEP(pod_seen, pod_seen, pod_seen_free)
