/* snapshots.c - the methods of public snapshots. */
#include "lifecycle-svc/sandbox/snapshots.h"

#include "lifecycle-svc/api/convert.h"
#include "lifecycle-svc/api/methods.h"

typedef Opensandbox__Lifecycle__V1__Snapshot api_snapshot;
typedef Opensandbox__Lifecycle__V1__SnapshotImage api_image;
typedef Opensandbox__Lifecycle__V1__ListSnapshotsRequest api_snapshot_query;
typedef Opensandbox__Lifecycle__V1__ListSnapshotsResponse api_snapshot_list;

static void status_to_api(const struct snapshot_view *view, struct memory *memory, api_snapshot *out)
{
    out->status = NEW_MESSAGE(memory, Opensandbox__Lifecycle__V1__SandboxStatus,
                              opensandbox__lifecycle__v1__sandbox_status__init);
    out->status->state = memory_text(memory, snapshot_state_name(view->state));
    out->status->reason = memory_text(memory, view->reason);
    out->status->message = memory_text(memory, view->message);
    out->status->last_transition_at = time_to_api(view->last_transition_unix_ms, memory);
}

static void images_to_api(const struct snapshot_view *view, struct memory *memory, api_snapshot *out)
{
    out->images = memory_take(memory, (view->image_count + 1) * sizeof(*out->images));
    for (size_t i = 0; i < view->image_count; i++) {
        api_image *image = NEW_MESSAGE(memory, api_image, opensandbox__lifecycle__v1__snapshot_image__init);
        image->container = memory_text(memory, view->images[i].container);
        image->uri = memory_text(memory, view->images[i].uri);
        image->digest = memory_text(memory, view->images[i].digest);
        out->images[out->n_images++] = image;
    }
}

static void progress_to_api(const struct snapshot_view *view, struct memory *memory, api_snapshot *out)
{
    out->progress =
        NEW_MESSAGE(memory, Opensandbox__Lifecycle__V1__Progress, opensandbox__lifecycle__v1__progress__init);
    out->progress->phase = memory_text(memory, view->work_phase);
    out->progress->bytes_read = view->bytes_read;
    out->progress->bytes_total = view->bytes_total;
    out->progress->bytes_pushed = view->bytes_pushed;
    out->progress->files = view->files;
}

static void snapshot_to_api(const struct snapshot_view *view, struct memory *memory, api_snapshot *out)
{
    out->id = memory_text(memory, view->id);
    out->sandbox_id = memory_text(memory, view->sandbox_id);
    out->name = memory_text(memory, view->name);
    status_to_api(view, memory, out);
    out->created_at = time_to_api(view->created_unix_ms, memory);
    images_to_api(view, memory, out);
    if (view->work_phase)
        progress_to_api(view, memory, out);
}

int api_create_snapshot(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__CreateSnapshotRequest *create = request;
    const struct sandbox_service *service = api_enter(call, err);
    struct sandbox_caller caller = api_caller(call, create->request_id);
    struct memory memory = {.call = call};
    SCOPED_SNAPSHOT_VIEW struct snapshot_view view = {0};
    const char *name = *create->name ? create->name : NULL; /* protobuf cannot tell an empty name from none */

    if (!service || snapshot_create(service, create->sandbox_id, name, &caller, &view, err) < 0)
        return -1;
    snapshot_to_api(&view, &memory, response);
    return 0;
}

int api_get_snapshot(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__GetSnapshotRequest *get = request;
    const struct sandbox_service *service = api_enter(call, err);
    struct memory memory = {.call = call};
    SCOPED_SNAPSHOT_VIEW struct snapshot_view view = {0};

    if (!service || snapshot_get(service, get->id, &view, err) < 0)
        return -1;
    snapshot_to_api(&view, &memory, response);
    return 0;
}

int api_list_snapshots(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const api_snapshot_query *list = request;
    api_snapshot_list *answer = response;
    const struct sandbox_service *service = api_enter(call, err);
    struct memory memory = {.call = call};
    SCOPED_SNAPSHOT_PAGE struct snapshot_page page = {0};
    struct snapshot_query query = {
        /* borrowed from the request */
        .sandbox_id = list->sandbox_id,
        .name = list->name,
        .states = {list->states, list->n_states},
    };

    if (!service || page_from_api(list->page, list->page_size, &query.page, &query.page_size, err) < 0 ||
        snapshot_list(service, &query, &page, err) < 0)
        return -1;
    answer->items = memory_take(&memory, (page.page.count + 1) * sizeof(*answer->items));
    for (size_t i = 0; i < page.page.count; i++) {
        api_snapshot *item = NEW_MESSAGE(&memory, api_snapshot, opensandbox__lifecycle__v1__snapshot__init);
        snapshot_to_api(&page.items[i], &memory, item);
        answer->items[answer->n_items++] = item;
    }
    answer->pagination = pagination_to_api(&page.page, &memory);
    return 0;
}

static int send_snapshot(void *call, const struct snapshot_view *view, struct error *err)
{
    SCOPED_MEMORY struct memory memory = {0}; /* not the call's: a watch may last for days */
    api_snapshot snapshot = OPENSANDBOX__LIFECYCLE__V1__SNAPSHOT__INIT;

    snapshot_to_api(view, &memory, &snapshot);
    return rpc_send(call, &snapshot.base, err);
}

int api_watch_snapshot(struct rpc_call *call, const void *request, struct error *err)
{
    const Opensandbox__Lifecycle__V1__GetSnapshotRequest *get = request;
    const struct sandbox_service *service = api_enter(call, err);
    struct sandbox_caller caller = api_caller(call, NULL);

    return service ? snapshot_watch(service, get->id, &caller, send_snapshot, call, err) : -1;
}

int api_delete_snapshot(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__DeleteSnapshotRequest *delete = request;
    const struct sandbox_service *service = api_enter(call, err);

    (void)response; /* empty */
    return service ? snapshot_delete(service, delete->id, err) : -1;
}
