/* port_kit.h - objects and waiting, for tests that talk to a cluster through the port. */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

#define WAIT_MS 20000 /* for what must come; never waited for in full when all is well */

/* JSON text with ' in the place of ". */
json_t *quoted(const char *text);
json_t *quotedf(const char *format, ...) __attribute__((format(printf, 1, 2)));

json_t *sandbox_named(const char *name);
json_t *snapshot_named(const char *name, const char *sandbox);
json_t *pod_named(const char *name);
/* An owner reference to object (controller: true). */
json_t *owned_by(json_t *object, const json_t *owner);

/* All members of the status that the schema wants, and a phase. */
json_t *status_patch(const char *phase);

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        if ((call) != 0)                                                                                     \
            fail_msg("%s: %s: %s", #call, error_code_name(err.code), err.text);                              \
    } while (0)
#define assert_refused(call, code_)                                                                          \
    do {                                                                                                     \
        error_clear(&err);                                                                                   \
        assert_int_equal((call), -1);                                                                        \
        if (err.code != (code_))                                                                             \
            fail_msg("%s: %s: %s", #call, error_code_name(err.code), err.text);                              \
    } while (0)
#define assert_text_has(text, part)                                                                          \
    do {                                                                                                     \
        if (!strstr((text), (part)))                                                                         \
            fail_msg("\"%s\" does not have \"%s\"", (text), (part));                                         \
    } while (0)

/* ---- a watch on a thread of its own, and what it has told ---- */

struct told {
    enum watch_event_type type;
    json_t *object;
};

struct watcher {
    struct cluster *cluster;
    struct cluster_watch *watch;
    pthread_t thread;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t more;
    struct told *events;
    size_t count;
    bool ended;
    struct error end;
};

/* Watches from a version on; NULL: from now. */
struct watcher *watcher_start(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                              const char *version);
/* The first event after `*at` that is of this type and name; borrowed. Moves *at behind it. NULL: none came.
 */
json_t *watcher_wait(struct watcher *watcher, enum watch_event_type type, const char *name, size_t *at);
/* Waits until the watch ended by itself. */
struct error watcher_wait_end(struct watcher *watcher);
size_t watcher_count(struct watcher *watcher);
void watcher_stop(struct watcher *watcher);
