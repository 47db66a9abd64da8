/* poster.h - one Event to the cluster, and its occurrences counted: the same again raises the count of the first. What
 * was posted is remembered within a bound; what is forgotten, or gone by now, is posted anew.
 * Spec: Kubernetes API, core/v1 Event. Threads: one. */
#pragma once

#include <stdint.h>

#include "snapshot-svc/recorder/recorder.h"

/* What is to be told; owns its texts. */
struct posting {
    enum cluster_kind kind;
    char *ns, *name, *uid; /* uid: "" for none */
    bool warning;
    char *reason, *message; /* message: clean, and short enough for the API server */
    int64_t at_unix_s;      /* when it happened, which is not when the API server hears of it */
    struct posting *prev, *next;
};

struct posting *posting_new(const struct event_subject *subject, bool warning, const char *reason,
                            const char *message);
void posting_free(struct posting *posting);

struct poster;

struct poster *poster_new(struct cluster *cluster);
void poster_free(struct poster *poster);
/* Best effort: a failure is logged at debug level. */
void poster_post(struct poster *poster, const struct posting *posting);
