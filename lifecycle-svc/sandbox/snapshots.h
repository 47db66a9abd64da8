/* snapshots.h - what clients may do to public snapshots. As service.h: no state, errors carry a contract code, any thread.
 * Spec: contract rest-api.md §12. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/listing.h"
#include "lifecycle-svc/sandbox/service.h"

enum snapshot_state {
    SNAPSHOT_CREATING,
    SNAPSHOT_READY,
    SNAPSHOT_FAILED,
    SNAPSHOT_DELETING,
    SNAPSHOT_STATE_MAX
};
const char *snapshot_state_name(enum snapshot_state state); /* "Creating" */

struct snapshot_view {
    char *id, *sandbox_id;
    char *name; /* NULL: none was given */
    enum snapshot_state state;
    char *reason, *message;
    int64_t created_unix_ms, last_transition_unix_ms;
};
void snapshot_view_done(struct snapshot_view *view);
#define SCOPED_SNAPSHOT_VIEW __attribute__((cleanup(snapshot_view_done)))

/* Answers at once: Creating, or Ready when the source is paused. name NULL: none. caller->request_id makes it safe to
 * repeat. ERR_NOT_FOUND (KUBERNETES::SANDBOX_NOT_FOUND), ERR_PRECONDITION (SNAPSHOT::INVALID_SOURCE_STATE). */
int snapshot_create(const struct sandbox_service *service, const char *sandbox_id, const char *name,
                    const struct sandbox_caller *caller, struct snapshot_view *ret_view, struct error *err);
/* ERR_NOT_FOUND (SNAPSHOT::NOT_FOUND): also for the calls below. */
int snapshot_get(const struct sandbox_service *service, const char *id, struct snapshot_view *ret_view,
                 struct error *err);
/* ERR_PRECONDITION (SNAPSHOT::INVALID_STATE): it is still being made. */
int snapshot_delete(const struct sandbox_service *service, const char *id, struct error *err);

struct snapshot_query {
    char *sandbox_id, *name;    /* NULL: any */
    struct json_strings states; /* any of them, exact case; empty: all */
    int64_t page, page_size;
};
void snapshot_query_done(struct snapshot_query *query);
#define SCOPED_SNAPSHOT_QUERY __attribute__((cleanup(snapshot_query_done)))

struct snapshot_page {
    struct page page;
    struct snapshot_view *items; /* page.count of them */
};
int snapshot_list(const struct sandbox_service *service, const struct snapshot_query *query,
                  struct snapshot_page *ret_page, struct error *err);
void snapshot_page_done(struct snapshot_page *page);
#define SCOPED_SNAPSHOT_PAGE __attribute__((cleanup(snapshot_page_done)))

/* What a sandbox made of a snapshot runs. */
struct snapshot_restore {
    char *image;       /* by digest */
    char *pull_secret; /* NULL: none is needed */
};
void snapshot_restore_done(struct snapshot_restore *restore);
#define SCOPED_SNAPSHOT_RESTORE __attribute__((cleanup(snapshot_restore_done)))
/* ERR_PRECONDITION: SNAPSHOT::NOT_READY, or SNAPSHOT::INVALID_RESTORE_CONFIG when it holds no image to choose. */
int snapshot_find_restore(const struct sandbox_service *service, const char *id,
                          struct snapshot_restore *ret_restore, struct error *err);
