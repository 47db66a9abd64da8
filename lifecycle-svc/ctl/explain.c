/* explain.c - the life of one sandbox as a timeline: what happened when, as its conditions, pods, snapshots and Events tell. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/ctl/message.h"
#include "lifecycle-svc/ctl/print.h"
#include "lifecycle-svc/ctl/table.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"

typedef Opensandbox__Lifecycle__V1__SandboxDescription description;
typedef Opensandbox__Lifecycle__V1__Condition condition_message;
typedef Opensandbox__Lifecycle__V1__ContainerDescription container_message;
typedef Opensandbox__Lifecycle__V1__PodDescription pod_message;
typedef Opensandbox__Lifecycle__V1__SnapshotDescription snapshot_message;
typedef Opensandbox__Lifecycle__V1__EventDescription event_message;
typedef Google__Protobuf__Timestamp timestamp;

static void description_free(description *all)
{
    if (all)
        message_free(&all->base);
}
DEFINE_FREEP(description, description, description_free)

/* ---- json ---- */

static json_t *conditions_to_json(condition_message *const *conditions, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *object = json_object();
        put_text(object, "type", conditions[i]->type);
        put_text(object, "status", conditions[i]->status);
        put_text(object, "reason", conditions[i]->reason);
        put_text(object, "message", conditions[i]->message);
        put_time(object, "lastTransitionAt", conditions[i]->last_transition_at);
        (void)json_array_append_new(array, object);
    }
    return array;
}

static json_t *container_to_json(const container_message *container)
{
    json_t *object = json_object();

    put_text(object, "name", container->name);
    put_text(object, "image", container->image);
    put_text(object, "state", container->state);
    put_text(object, "reason", container->reason);
    put_text(object, "message", container->message);
    (void)json_object_set_new(object, "exitCode", json_integer(container->exit_code));
    (void)json_object_set_new(object, "restarts", json_integer(container->restarts));
    (void)json_object_set_new(object, "ready", json_boolean(container->ready));
    return object;
}

static json_t *pod_to_json(const pod_message *pod)
{
    json_t *object = json_object(), *containers = json_array();

    for (size_t i = 0; i < pod->n_containers; i++)
        (void)json_array_append_new(containers, container_to_json(pod->containers[i]));
    put_text(object, "name", pod->name);
    put_text(object, "phase", pod->phase);
    put_text(object, "node", pod->node);
    put_text(object, "ip", pod->ip);
    (void)json_object_set_new(object, "deleting", json_boolean(pod->deleting));
    put_time(object, "createdAt", pod->created_at);
    (void)json_object_set_new(object, "containers", containers);
    return object;
}

static json_t *snapshot_to_json(const snapshot_message *snapshot)
{
    json_t *object = json_object();

    put_text(object, "name", snapshot->name);
    put_text(object, "id", snapshot->id);
    put_text(object, "phase", snapshot->phase);
    (void)json_object_set_new(object, "conditions",
                              conditions_to_json(snapshot->conditions, snapshot->n_conditions));
    (void)json_object_set_new(object, "images", images_to_json(snapshot->images, snapshot->n_images));
    (void)json_object_set_new(object, "size", json_integer((json_int_t)snapshot->size));
    (void)json_object_set_new(object, "layers", json_integer(snapshot->layers));
    (void)json_object_set_new(object, "attempts", json_integer(snapshot->attempts));
    put_time(object, "startedAt", snapshot->started_at);
    put_time(object, "completedAt", snapshot->completed_at);
    put_text(object, "path", snapshot->path);
    put_text(object, "pathMessage", snapshot->path_message);
    (void)json_object_set_new(object, "frozenMs", json_integer(snapshot->frozen_ms));
    put_text(object, "keptOnNode", snapshot->kept_on_node);
    return object;
}

static json_t *event_to_json(const event_message *event)
{
    json_t *object = json_object();

    put_text(object, "type", event->type);
    put_text(object, "reason", event->reason);
    put_text(object, "message", event->message);
    put_text(object, "object", event->object);
    (void)json_object_set_new(object, "count", json_integer(event->count));
    put_time(object, "firstAt", event->first_at);
    put_time(object, "lastAt", event->last_at);
    return object;
}

static json_t *description_to_json(const description *all)
{
    json_t *pods = json_array(), *snapshots = json_array(), *events = json_array();

    for (size_t i = 0; i < all->n_pods; i++)
        (void)json_array_append_new(pods, pod_to_json(all->pods[i]));
    for (size_t i = 0; i < all->n_snapshots; i++)
        (void)json_array_append_new(snapshots, snapshot_to_json(all->snapshots[i]));
    for (size_t i = 0; i < all->n_events; i++)
        (void)json_array_append_new(events, event_to_json(all->events[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "sandbox", sandbox_to_json(all->sandbox), "conditions",
                     conditions_to_json(all->conditions, all->n_conditions), "pods", pods, "snapshots",
                     snapshots, "events", events);
}

/* ---- timeline ---- */

struct moment {
    int64_t at_ms;
    size_t order; /* of what happened in the same second: as it was told */
    char *object, *what, *details;
};

struct timeline {
    struct moment *moments;
    size_t count;
};

static void timeline_done(struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->count; i++) {
        free(timeline->moments[i].object);
        free(timeline->moments[i].what);
        free(timeline->moments[i].details);
    }
    free(timeline->moments);
}

/* Takes the three texts. What has no time has no place in a timeline. */
static void add(struct timeline *timeline, const timestamp *at, char *object, char *what, char *details)
{
    struct moment moment = {.order = timeline->count, .object = object, .what = what, .details = details};

    if (!at) {
        free(object);
        free(what);
        free(details);
        return;
    }
    moment.at_ms = at->seconds * 1000 + at->nanos / 1000000;
    timeline->moments = xrealloc_array(timeline->moments, timeline->count + 1, sizeof(*timeline->moments));
    timeline->moments[timeline->count++] = moment;
}

static void add_conditions(struct timeline *timeline, const char *object,
                           condition_message *const *conditions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(timeline, conditions[i]->last_transition_at, xstrdup(object),
            xasprintf("%s=%s", conditions[i]->type, conditions[i]->status),
            *conditions[i]->reason ? xasprintf("%s: %s", conditions[i]->reason, conditions[i]->message)
                                   : xstrdup(conditions[i]->message));
}

static char *images_text(const snapshot_message *snapshot)
{
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;

    for (size_t i = 0; i < snapshot->n_images; i++)
        strbuf_addf(&text, "%s%s%s%s", i ? ", " : "", snapshot->images[i]->uri,
                    *snapshot->images[i]->digest ? "@" : "", snapshot->images[i]->digest);
    return xstrdup(strbuf_text(&text));
}

static char *outcome_text(const snapshot_message *snapshot)
{
    SCOPED(string) char *images = images_text(snapshot);
    const char *path = *snapshot->path ? snapshot->path : "unknown path";

    return xasprintf("%s, frozen %" PRId64 " ms, %" PRIu64 " bytes in %u layers%s%s%s%s", path,
                     snapshot->frozen_ms, snapshot->size, snapshot->layers, *images ? ": " : "", images,
                     *snapshot->kept_on_node ? "; only on node " : "", snapshot->kept_on_node);
}

static void add_snapshot(struct timeline *timeline, const snapshot_message *snapshot)
{
    SCOPED(string) char *object = xasprintf("snapshot %s", snapshot->name);

    add(timeline, snapshot->started_at, xstrdup(object), xstrdup("Started"),
        xasprintf("attempt %u", snapshot->attempts));
    add_conditions(timeline, object, snapshot->conditions, snapshot->n_conditions);
    add(timeline, snapshot->completed_at, xstrdup(object), xstrdup(snapshot->phase), outcome_text(snapshot));
}

static void add_pod(struct timeline *timeline, const pod_message *pod)
{
    SCOPED(string) char *object = xasprintf("pod %s", pod->name);

    add(timeline, pod->created_at, xstrdup(object), xstrdup("Created"),
        xasprintf("on %s, %s now%s", *pod->node ? pod->node : "no node yet", pod->phase,
                  pod->deleting ? ", being deleted" : ""));
}

static void add_event(struct timeline *timeline, const event_message *event)
{
    char *times = event->count > 1 ? xasprintf(" (%d times)", event->count) : xstrdup("");

    add(timeline, event->last_at ? event->last_at : event->first_at, xstrdup(event->object),
        xasprintf("%s%s", event->reason, times), xstrdup(event->message));
    free(times);
}

static int by_time(const void *a_, const void *b_)
{
    const struct moment *a = a_, *b = b_;

    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void collect(const description *all, struct timeline *timeline)
{
    add(timeline, all->sandbox->created_at, xstrdup("sandbox"), xstrdup("Created"),
        xstrdup(all->sandbox->image ? all->sandbox->image->uri : all->sandbox->snapshot_id));
    add_conditions(timeline, "sandbox", all->conditions, all->n_conditions);
    for (size_t i = 0; i < all->n_pods; i++)
        add_pod(timeline, all->pods[i]);
    for (size_t i = 0; i < all->n_snapshots; i++)
        add_snapshot(timeline, all->snapshots[i]);
    for (size_t i = 0; i < all->n_events; i++)
        add_event(timeline, all->events[i]);
    if (timeline->count)
        qsort(timeline->moments, timeline->count, sizeof(*timeline->moments), by_time);
}

static void print_timeline(const description *all)
{
    __attribute__((cleanup(timeline_done))) struct timeline timeline = {0};
    SCOPED_TABLE struct table table = {.heads = {"TIME", "OBJECT", "WHAT", "DETAILS"}};
    char time[RFC3339_SIZE];

    collect(all, &timeline);
    for (size_t i = 0; i < timeline.count; i++) {
        const struct moment *moment = &timeline.moments[i];
        const struct table_row row = {{xstrdup(rfc3339_format(moment->at_ms / 1000, time)),
                                       xstrdup(moment->object), xstrdup(moment->what),
                                       xstrdup(moment->details)}};
        table_add(&table, &row);
    }
    table_print(&table);
}

int ctl_explain(struct ctl *ctl, struct error *err)
{
    const enum ctl_output output = ctl->options->output;
    Opensandbox__Lifecycle__V1__GetSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_SANDBOX_REQUEST__INIT;
    SCOPED(description) description *all = NULL;

    request.id = (char *)ctl->options->id;
    if (rpc_unary(ctl->channel, LIFECYCLE, "DescribeSandbox", &request.base, &all, NULL, err) < 0)
        return -1;
    if (!all->sandbox)
        return error_set(err, ERR_CORRUPT, "the answer of DescribeSandbox has no sandbox in it");
    if (output == OUTPUT_JSON || output == OUTPUT_YAML) {
        SCOPED(json) json_t *object = description_to_json(all);
        print_value(object, output == OUTPUT_YAML);
        return CTL_OK;
    }
    if (output == OUTPUT_NAME) {
        (void)puts(all->sandbox->id);
        return CTL_OK;
    }
    printf("%s is %s: %s\n\n", all->sandbox->id,
           all->sandbox->status ? all->sandbox->status->state : "Unknown",
           all->sandbox->status ? all->sandbox->status->message : "");
    print_timeline(all);
    return CTL_OK;
}
