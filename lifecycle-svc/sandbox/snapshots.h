/* snapshots.h - what clients may do to public snapshots. As service.h: no state, errors carry a contract code, any thread.
 * Spec: contract rest-api.md §12. */
#pragma once

#include <stdint.h>

#include "lifecycle-svc/sandbox/listing.h"
#include "lifecycle-svc/sandbox/service.h"
#include "lifecycle-svc/sandbox/snapshot_view.h"

enum { SNAPSHOT_MAX_NAME = 1024 }; /* bytes */
/* NULL is fine. ERR_INVALID (SANDBOX::INVALID_PARAMETER): empty, or too long. */
int snapshot_check_name(const char *name, struct error *err);

/* Answers at once: Creating, or Ready when the source is paused. name NULL: none. caller->request_id makes it safe to
 * repeat; with another source or name, a used one is ERR_INVALID (SANDBOX::INVALID_PARAMETER).
 * ERR_NOT_FOUND (KUBERNETES::SANDBOX_NOT_FOUND), ERR_PRECONDITION (SNAPSHOT::INVALID_SOURCE_STATE),
 * ERR_UNSUPPORTED (SNAPSHOT::NOT_IMPLEMENTED): this runtime cannot. */
int snapshot_create(const struct sandbox_service *service, const char *sandbox_id, const char *name,
                    const struct sandbox_caller *caller, struct snapshot_view *ret_view, struct error *err);
/* ERR_NOT_FOUND (SNAPSHOT::NOT_FOUND): also for the calls below. */
int snapshot_get(const struct sandbox_service *service, const char *id, struct snapshot_view *ret_view,
                 struct error *err);
/* ERR_PRECONDITION (SNAPSHOT::INVALID_STATE): it is still being made. */
/* Calls tell(self) with the snapshot now and after every change, until it answers -1 with err. ERR_NOT_FOUND
 * (SNAPSHOT::NOT_FOUND): it is gone; ERR_TIMEOUT: the caller's own deadline passed. */
typedef int snapshot_tell_fn(void *self, const struct snapshot_view *view, struct error *err);
int snapshot_watch(const struct sandbox_service *service, const char *id, const struct sandbox_caller *caller,
                   snapshot_tell_fn *tell, void *self, struct error *err);

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
