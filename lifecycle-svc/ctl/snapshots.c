/* snapshots.c - public snapshots: create, get, list, delete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/ctl/interrupt.h"
#include "lifecycle-svc/ctl/message.h"
#include "lifecycle-svc/ctl/print.h"
#include "lifecycle-svc/ctl/progress.h"
#include "lifecycle-svc/ctl/table.h"
#include "lifecycle-svc/ctl/watch.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"

typedef ctl_snapshot snapshot_message;
typedef Opensandbox__Lifecycle__V1__ListSnapshotsRequest list_request;
typedef Opensandbox__Lifecycle__V1__ListSnapshotsResponse list_response;

enum { PAGE_SIZE = 200 };

static void snapshot_free(snapshot_message *snapshot)
{
    if (snapshot)
        message_free(&snapshot->base);
}
DEFINE_FREEP(snapshot_message, snapshot_message, snapshot_free)

/* ---- showing ---- */

static json_t *snapshot_to_json(const snapshot_message *snapshot)
{
    json_t *object = json_object();

    put_text(object, "id", snapshot->id);
    put_text(object, "sandboxId", snapshot->sandbox_id);
    put_text(object, "name", snapshot->name);
    (void)json_object_set_new(object, "status", status_to_json(snapshot->status));
    put_time(object, "createdAt", snapshot->created_at);
    if (snapshot->n_images)
        (void)json_object_set_new(object, "images", images_to_json(snapshot->images, snapshot->n_images));
    if (snapshot->progress)
        (void)json_object_set_new(object, "progress", progress_to_json(snapshot->progress));
    return object;
}

static const char *state_of(const snapshot_message *snapshot)
{
    return snapshot->status ? snapshot->status->state : "Unknown";
}

static void add_rows(struct table *table, const list_response *page)
{
    int64_t now_s = clock_realtime_ms() / 1000;

    for (size_t i = 0; i < page->n_items; i++) {
        const snapshot_message *snapshot = page->items[i];
        const struct table_row row = {{
            xstrdup(snapshot->id),
            xstrdup(state_of(snapshot)),
            xstrdup(snapshot->sandbox_id),
            xstrdup(*snapshot->name ? snapshot->name : "-"),
            snapshot->created_at ? span_text(now_s - snapshot->created_at->seconds) : xstrdup("-"),
        }};
        table_add(table, &row);
    }
}

static void show(const snapshot_message *snapshot, enum ctl_output output)
{
    SCOPED_TABLE struct table table = {.heads = {"ID", "STATE", "SANDBOX", "NAME", "AGE"}};
    snapshot_message *items[] = {(snapshot_message *)snapshot};
    const list_response page = {.n_items = 1, .items = items};

    if (output == OUTPUT_NAME) {
        (void)puts(snapshot->id);
    } else if (output == OUTPUT_JSON || output == OUTPUT_YAML) {
        SCOPED(json) json_t *object = snapshot_to_json(snapshot);
        print_value(object, output == OUTPUT_YAML);
    } else {
        add_rows(&table, &page);
        table_print(&table);
    }
}

/* ---- commands ---- */

static int fetch(struct ctl *ctl, const char *id, snapshot_message **ret_snapshot, struct error *err)
{
    Opensandbox__Lifecycle__V1__GetSnapshotRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_SNAPSHOT_REQUEST__INIT;

    request.id = (char *)id;
    return rpc_unary(ctl->channel, LIFECYCLE, "GetSnapshot", &request.base, ret_snapshot, NULL, err);
}

static int tell_made(const snapshot_message *snapshot)
{
    if (strcmp(state_of(snapshot), "Failed") != 0)
        return CTL_OK;
    (void)fprintf(stderr, "stasisctl: the snapshot failed: %s: %s\n", snapshot->status->reason,
                  snapshot->status->message);
    return CTL_FAILED;
}

/* As progress is shown for a sandbox: by its state, or what is worked on. */
static void show_progress(struct progress *progress, const ctl_snapshot *snapshot)
{
    ctl_event event = OPENSANDBOX__LIFECYCLE__V1__SANDBOX_EVENT__INIT;
    ctl_sandbox shown = OPENSANDBOX__LIFECYCLE__V1__SANDBOX__INIT;

    shown.status = snapshot->status;
    event.sandbox = &shown;
    event.progress = snapshot->progress;
    progress_show(progress, &event, clock_monotonic_ms());
}

static int follow_to_the_end(struct watch *watch, struct error *err)
{
    struct progress progress;
    int followed = 0;

    interrupt_says("leaving; the snapshot goes on");
    progress_begin(&progress, clock_monotonic_ms());
    show_progress(&progress, watch_snapshot(watch));
    while (followed == 0 && strcmp(state_of(watch_snapshot(watch)), "Creating") == 0)
        if ((followed = watch_next(watch, err)) == 0)
            show_progress(&progress, watch_snapshot(watch));
    progress_end(&progress);
    return followed;
}

static enum ctl_output id_unless_asked(const struct options *options)
{
    return options->output == OUTPUT_DEFAULT ? OUTPUT_NAME : options->output;
}

/* Somebody may have deleted it meanwhile. */
static int tell_end(const ctl_snapshot *snapshot)
{
    int told = tell_made(snapshot);

    if (told != CTL_OK || strcmp(state_of(snapshot), "Ready") == 0)
        return told;
    (void)fprintf(stderr, "stasisctl: the snapshot is %s\n", state_of(snapshot));
    return CTL_FAILED;
}

static int wait_until_made(struct ctl *ctl, const ctl_snapshot *snapshot, struct error *err)
{
    SCOPED(watch) struct watch *watch = NULL;

    if (watch_open_snapshot(ctl, snapshot->id, &watch, err) < 0 || follow_to_the_end(watch, err) < 0)
        return error_wrap(err, "waiting for snapshot %s", snapshot->id);
    show(watch_snapshot(watch), id_unless_asked(ctl->options));
    return tell_end(watch_snapshot(watch));
}

int ctl_snapshot_create(struct ctl *ctl, struct error *err)
{
    const struct options *options = ctl->options;
    Opensandbox__Lifecycle__V1__CreateSnapshotRequest request =
        OPENSANDBOX__LIFECYCLE__V1__CREATE_SNAPSHOT_REQUEST__INIT;
    SCOPED(snapshot_message) snapshot_message *snapshot = NULL;

    request.sandbox_id = (char *)options->id;
    if (options->name)
        request.name = (char *)options->name;
    if (options->request_id)
        request.request_id = (char *)options->request_id;
    if (rpc_unary(ctl->channel, LIFECYCLE, "CreateSnapshot", &request.base, &snapshot, NULL, err) < 0)
        return -1;
    if (options->wait)
        return wait_until_made(ctl, snapshot, err);
    show(snapshot, id_unless_asked(options));
    return tell_made(snapshot);
}

int ctl_snapshot_get(struct ctl *ctl, struct error *err)
{
    SCOPED(snapshot_message) snapshot_message *snapshot = NULL;

    if (fetch(ctl, ctl->options->id, &snapshot, err) < 0)
        return -1;
    show(snapshot, ctl->options->output);
    return CTL_OK;
}

static list_request *build_list(const struct options *options)
{
    list_request *request = xcalloc(1, sizeof(*request));

    opensandbox__lifecycle__v1__list_snapshots_request__init(request);
    request->sandbox_id = xstrdup(options->sandbox ? options->sandbox : "");
    request->name = xstrdup(options->name ? options->name : "");
    request->states = copy_words(&options->states);
    request->n_states = (size_t)options->states.count;
    request->page_size = PAGE_SIZE;
    return request;
}

/* What a page adds to the answer. */
static void take_page(const list_response *page, enum ctl_output output, struct table *table, json_t *array)
{
    if (output == OUTPUT_DEFAULT || output == OUTPUT_TABLE)
        add_rows(table, page);
    for (size_t i = 0; i < page->n_items && output == OUTPUT_NAME; i++)
        (void)puts(page->items[i]->id);
    for (size_t i = 0; i < page->n_items && (output == OUTPUT_JSON || output == OUTPUT_YAML); i++)
        (void)json_array_append_new(array, snapshot_to_json(page->items[i]));
}

int ctl_snapshot_list(struct ctl *ctl, struct error *err)
{
    const enum ctl_output output = ctl->options->output;
    list_request *request = build_list(ctl->options);
    SCOPED(message) ProtobufCMessage *owned = &request->base;
    SCOPED_TABLE struct table table = {.heads = {"ID", "STATE", "SANDBOX", "NAME", "AGE"}};
    SCOPED(json) json_t *array = json_array();
    bool more = true;

    for (request->page = 1; more; request->page++) {
        list_response *page;
        if (rpc_unary(ctl->channel, LIFECYCLE, "ListSnapshots", owned, &page, NULL, err) < 0)
            return -1;
        more = page->pagination && page->pagination->has_next_page;
        take_page(page, output, &table, array);
        message_free(&page->base);
    }
    if (output == OUTPUT_DEFAULT || output == OUTPUT_TABLE)
        table_print(&table);
    else if (output != OUTPUT_NAME)
        print_value(array, output == OUTPUT_YAML);
    return CTL_OK;
}

static int wait_until_gone(struct watch *watch, struct error *err)
{
    while (watch_next(watch, err) == 0)
        ;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    error_clear(err);
    return 0;
}

int ctl_snapshot_delete(struct ctl *ctl, struct error *err)
{
    Opensandbox__Lifecycle__V1__DeleteSnapshotRequest request =
        OPENSANDBOX__LIFECYCLE__V1__DELETE_SNAPSHOT_REQUEST__INIT;
    SCOPED(message) ProtobufCMessage *answer = NULL;
    SCOPED(watch) struct watch *watch = NULL;

    request.id = (char *)ctl->options->id;
    if (ctl->options->wait && watch_open_snapshot(ctl, ctl->options->id, &watch, err) < 0)
        return -1;
    if (rpc_unary(ctl->channel, LIFECYCLE, "DeleteSnapshot", &request.base, &answer, NULL, err) < 0)
        return -1;
    if (watch && wait_until_gone(watch, err) < 0)
        return -1;
    printf("%s deleted\n", ctl->options->id);
    return CTL_OK;
}
