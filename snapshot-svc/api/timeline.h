/* timeline.h - the Events about a sandbox and what belongs to it, as they happened.
 *
 * An Event about an object that is there is known by its uid. What is gone since (the pod before a pause, the Job of a
 * commit) has left Events that are known by its name, when they are no older than the sandbox. */
#pragma once

#include "shared/json/json.h"
#include "snapshot-svc/api/message_memory.h"
#include "snapshot-svc/cluster/cluster.h"

enum { TIMELINE_MAX = 200, TIMELINE_NAMES_MAX = 16 };

typedef Opensandbox__Orchestrator__V1__EventDescription event_message;

struct timeline_subject {
    const char *sandbox, *sandbox_uid;
    int64_t since_ms; /* when the sandbox was made */
    struct json_strings
        names; /* of all objects, the sandbox's included; the first TIMELINE_NAMES_MAX are asked for */
    struct json_strings uids; /* of those that are there */
};

void timeline_subject_done(struct timeline_subject *subject);
#define SCOPED_TIMELINE_SUBJECT __attribute__((cleanup(timeline_subject_done)))

/* The newest TIMELINE_MAX, oldest first. *ret_events is memory's. */
int timeline_read(struct cluster *cluster, const char *ns, const struct timeline_subject *subject,
                  const struct message_memory *memory, event_message ***ret_events, size_t *ret_count,
                  struct error *err);
