#include "lifecycle-svc/sandbox/snapshots.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/follow.h"
#include "lifecycle-svc/sandbox/orchestrator.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "lifecycle-svc/sandbox/request_id.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/ids.h"

typedef Opensandbox__Orchestrator__V1__ListSnapshotsResponse orch_snapshot_list;

enum { MAX_ID = 63 }; /* it is a label's value, too */

static void message_free(void *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}
DEFINE_FREEP(orch_snapshot, orch_snapshot, message_free)
DEFINE_FREEP(orch_snapshot_list, orch_snapshot_list, message_free)

static int no_such_snapshot(const char *id, struct error *err)
{
    return refuse(err, CODE_SNAPSHOT_NOT_FOUND, "Snapshot %.80s not found", id);
}

/* What cannot be a label's value cannot be a snapshot's id, so nobody is asked. */
static int check_id(const char *id, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t length = strlen(id);

    if (length == 0 || length > MAX_ID || strspn(id, allowed) != length)
        return no_such_snapshot(id, err);
    return 0;
}

/* -- create ---------------------------------------------------------------------------------------------------- */

int snapshot_check_name(const char *name, struct error *err)
{
    if (name && !*name)
        return refuse(err, CODE_INVALID_PARAMETER, "name: want at least one character");
    if (name && strlen(name) > SNAPSHOT_MAX_NAME)
        return refuse(err, CODE_INVALID_PARAMETER, "name: want at most %d bytes", SNAPSHOT_MAX_NAME);
    return 0;
}

/* The id that the client's own request id stands for, or a random one. */
static void choose_id(const struct sandbox_caller *caller, char out[UUID_SIZE])
{
    if (caller->request_id)
        request_uuid("snapshot", caller->request_id, out);
    else
        uuid_v4(out);
}

static int create_error(struct error *err, const char *sandbox_id, const struct sandbox_caller *caller)
{
    if (err->code == ERR_PRECONDITION || err->code == ERR_CONFLICT)
        return refuse_as(err, CODE_SNAPSHOT_INVALID_SOURCE_STATE);
    if (err->code == ERR_UNSUPPORTED)
        return refuse_as(err, CODE_SNAPSHOT_NOT_IMPLEMENTED);
    if (err->code == ERR_EXISTS && caller->request_id) {
        (void)error_wrap(err, "X-Request-ID is that of another request, use a new one");
        return refuse_as(err, CODE_INVALID_PARAMETER);
    }
    return orchestrator_error(err, sandbox_id);
}

int snapshot_create(const struct sandbox_service *service, const char *sandbox_id, const char *name,
                    const struct sandbox_caller *caller, struct snapshot_view *ret_view, struct error *err)
{
    Opensandbox__Orchestrator__V1__CreateSnapshotRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__CREATE_SNAPSHOT_REQUEST__INIT;
    SCOPED(orch_snapshot) orch_snapshot *snapshot = NULL;
    char id[UUID_SIZE];

    if (snapshot_check_name(name, err) < 0 || sandbox_check_id(sandbox_id, err) < 0)
        return -1;
    choose_id(caller, id);
    request.id = id;
    request.sandbox = (char *)sandbox_id;
    request.display_name = (char *)(name ? name : "");
    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "CreateSnapshot", &request.base, &snapshot, NULL,
                  err) < 0)
        return create_error(err, sandbox_id, caller);
    snapshot_view_of(snapshot, ret_view);
    if (ret_view->state == SNAPSHOT_CREATING) { /* here alone the contract tells that it was taken on */
        free(ret_view->reason);
        ret_view->reason = xstrdup("snapshot_accepted");
    }
    return 0;
}

/* -- get, delete ----------------------------------------------------------------------------------------------- */

static int snapshot_error(struct error *err, const char *id)
{
    if (err->code == ERR_NOT_FOUND)
        return no_such_snapshot(id, err);
    if (err->code == ERR_PRECONDITION || err->code == ERR_CONFLICT)
        return refuse_as(err, CODE_SNAPSHOT_INVALID_STATE);
    return orchestrator_error(err, NULL);
}

static int fetch(const struct sandbox_service *service, const char *id, orch_snapshot **ret_snapshot,
                 struct error *err)
{
    Opensandbox__Orchestrator__V1__GetSnapshotRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__GET_SNAPSHOT_REQUEST__INIT;

    if (check_id(id, err) < 0)
        return -1;
    request.id = (char *)id;
    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "GetSnapshot", &request.base, ret_snapshot, NULL,
                  err) < 0)
        return snapshot_error(err, id);
    return 0;
}

int snapshot_get(const struct sandbox_service *service, const char *id, struct snapshot_view *ret_view,
                 struct error *err)
{
    SCOPED(orch_snapshot) orch_snapshot *snapshot = NULL;

    if (fetch(service, id, &snapshot, err) < 0)
        return -1;
    snapshot_view_of(snapshot, ret_view);
    return 0;
}

struct watch {
    snapshot_tell_fn *tell;
    void *self;
};

static int tell_view(void *self, const orch_snapshot *snapshot, struct error *err)
{
    const struct watch *watch = self;
    SCOPED_SNAPSHOT_VIEW struct snapshot_view view = {0};

    snapshot_view_of(snapshot, &view);
    return watch->tell(watch->self, &view, err);
}

int snapshot_watch(const struct sandbox_service *service, const char *id, const struct sandbox_caller *caller,
                   snapshot_tell_fn *tell, void *self, struct error *err)
{
    struct watch watch = {tell, self};

    if (check_id(id, err) < 0)
        return -1;
    if (snapshot_follow(service, id, caller, FOLLOW_FOR_EVER, tell_view, &watch, err) == 0)
        return 0;
    /* Only the caller's own deadline ends a wait for ever. */
    return err->code == ERR_TIMEOUT ? -1 : snapshot_error(err, id);
}

int snapshot_delete(const struct sandbox_service *service, const char *id, struct error *err)
{
    Opensandbox__Orchestrator__V1__DeleteSnapshotRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__DELETE_SNAPSHOT_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;

    if (check_id(id, err) < 0)
        return -1;
    request.id = (char *)id;
    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "DeleteSnapshot", &request.base, &answer, NULL, err) <
        0)
        return snapshot_error(err, id);
    message_free(answer);
    return 0;
}

/* -- list ------------------------------------------------------------------------------------------------------ */

void snapshot_query_done(struct snapshot_query *query)
{
    free(query->sandbox_id);
    free(query->name);
    json_strings_free(&query->states);
}

static bool is_wanted(const orch_snapshot *snapshot, const struct json_strings *states)
{
    const char *state = snapshot_state_name(snapshot_state_of(snapshot));

    for (size_t i = 0; i < states->count; i++)
        if (strcmp(states->items[i], state) == 0)
            return true;
    return states->count == 0;
}

/* Moves the wanted ones to the front, in their order; every one still has its place, so that the owner frees each
 * once. */
static size_t select_wanted(orch_snapshot **all, size_t count, const struct json_strings *states)
{
    size_t wanted = 0;

    for (size_t i = 0; i < count; i++) {
        orch_snapshot *snapshot = all[i];
        if (!is_wanted(snapshot, states))
            continue;
        all[i] = all[wanted];
        all[wanted++] = snapshot;
    }
    return wanted;
}

int snapshot_list(const struct sandbox_service *service, const struct snapshot_query *query,
                  struct snapshot_page *ret_page, struct error *err)
{
    Opensandbox__Orchestrator__V1__ListSnapshotsRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__LIST_SNAPSHOTS_REQUEST__INIT;
    SCOPED(orch_snapshot_list) orch_snapshot_list *all = NULL;

    request.sandbox = query->sandbox_id ? query->sandbox_id : "";
    request.display_name = query->name ? query->name : "";
    if (rpc_unary(service->orchestrator, ORCHESTRATOR, "ListSnapshots", &request.base, &all, NULL, err) < 0)
        return orchestrator_error(err, NULL);
    size_t wanted = select_wanted(all->snapshots, all->n_snapshots, &query->states);
    page_cut(query->page, query->page_size, (int64_t)wanted, &ret_page->page);
    ret_page->items = xcalloc(ret_page->page.count + 1, sizeof(*ret_page->items));
    for (size_t i = 0; i < ret_page->page.count; i++)
        snapshot_view_of(all->snapshots[ret_page->page.first + i], &ret_page->items[i]);
    return 0;
}

void snapshot_page_done(struct snapshot_page *page)
{
    for (size_t i = 0; page->items && i < page->page.count; i++)
        snapshot_view_done(&page->items[i]);
    free(page->items);
}

/* -- restore --------------------------------------------------------------------------------------------------- */

void snapshot_restore_done(struct snapshot_restore *restore)
{
    free(restore->image);
    free(restore->pull_secret);
}

int snapshot_find_restore(const struct sandbox_service *service, const char *id,
                          struct snapshot_restore *ret_restore, struct error *err)
{
    SCOPED(orch_snapshot) orch_snapshot *snapshot = NULL;

    if (fetch(service, id, &snapshot, err) < 0)
        return -1;
    enum snapshot_state state = snapshot_state_of(snapshot);
    if (state == SNAPSHOT_FAILED && strcmp(snapshot->phase, "Succeed") == 0)
        return refuse(err, CODE_SNAPSHOT_INVALID_RESTORE_CONFIG,
                      "Snapshot %.80s holds no image that a sandbox could run", id);
    if (state != SNAPSHOT_READY)
        return refuse(err, CODE_SNAPSHOT_NOT_READY, "Snapshot %.80s is %s: want Ready", id,
                      snapshot_state_name(state));
    ret_restore->image = xstrdup(snapshot->restore_image);
    ret_restore->pull_secret = *snapshot->pull_secret ? xstrdup(snapshot->pull_secret) : NULL;
    return 0;
}
