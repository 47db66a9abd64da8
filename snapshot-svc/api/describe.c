/* describe.c - DescribeSandbox: a sandbox, its pods, its snapshots and what happened to them. Pods and snapshots are told
 * from the cache, Events are read from the cluster: nobody keeps them. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "snapshot-svc/api/orchestrator_priv.h"
#include "snapshot-svc/api/pod_message.h"
#include "snapshot-svc/api/sandbox_message.h"
#include "snapshot-svc/api/timeline.h"
#include "snapshot-svc/model/names.h"

typedef Opensandbox__Orchestrator__V1__GetSandboxRequest get_request;
typedef Opensandbox__Orchestrator__V1__SandboxDescription description;
typedef Opensandbox__Orchestrator__V1__ListSnapshotsRequest list_request;
typedef Opensandbox__Orchestrator__V1__ListSnapshotsResponse list_response;

static void fill_sandbox(const struct message_memory *memory, const struct object *sandbox,
                         const struct object *snapshot, description *out)
{
    out->sandbox = message_part(memory, sizeof(*out->sandbox));
    opensandbox__orchestrator__v1__sandbox__init(out->sandbox);
    sandbox_message_fill(memory, sandbox->json, snapshot ? snapshot->json : NULL, out->sandbox);
}

static int by_name(const void *a_, const void *b_)
{
    const pod_message *a = *(pod_message *const *)a_, *b = *(pod_message *const *)b_;
    return strcmp(a->name, b->name);
}

static void fill_pods(const struct message_memory *memory, const struct object_list *pods, description *out)
{
    out->pods = message_part(memory, (pods->count + 1) * sizeof(*out->pods));
    for (size_t i = 0; i < pods->count; i++) {
        pod_message *pod = message_part(memory, sizeof(*pod));
        opensandbox__orchestrator__v1__pod_description__init(pod);
        pod_message_fill(memory, pods->items[i]->json, pod);
        out->pods[out->n_pods++] = pod;
    }
    qsort(out->pods, out->n_pods, sizeof(*out->pods), by_name);
}

static const char *id_of(const struct object *sandbox)
{
    const char *id =
        json_string_value(json_object_get(json_path(sandbox->json, "metadata.labels"), LABEL_SANDBOX_ID));
    return id && *id ? id : sandbox->name;
}

static int fill_snapshots(struct rpc_call *call, const struct object *sandbox, description *out,
                          struct error *err)
{
    SCOPED(string) char *source = name_label_value(id_of(sandbox)); /* as public snapshots say it */
    list_request request = OPENSANDBOX__ORCHESTRATOR__V1__LIST_SNAPSHOTS_REQUEST__INIT;
    list_response public = OPENSANDBOX__ORCHESTRATOR__V1__LIST_SNAPSHOTS_RESPONSE__INIT;

    request.sandbox = source;
    if (handle_list_snapshots(call, &request, &public, err) < 0)
        return -1;
    out->snapshots = rpc_alloc(call, (public.n_snapshots + 1) * sizeof(*out->snapshots));
    if (out->sandbox->snapshot)
        out->snapshots[out->n_snapshots++] = out->sandbox->snapshot;
    for (size_t i = 0; i < public.n_snapshots; i++)
        out->snapshots[out->n_snapshots++] = public.snapshots[i];
    return 0;
}

/* ---- what its Events may be about ---- */

static void add(struct json_strings *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(texts->items[i], text) == 0)
            return;
    json_strings_add(texts, text);
}

static void add_derived(struct timeline_subject *subject, char *name)
{
    add(&subject->names, name);
    free(name);
}

/* Names that the sandbox's own objects have at any time come first; snapshots of users may be many. */
static void name_subject(const struct object *sandbox, const struct object *snapshot,
                         const struct object_list *pods, const description *found,
                         struct timeline_subject *subject)
{
    SCOPED(string) char *pause = name_internal_snapshot(sandbox->name);

    subject->sandbox = sandbox->name;
    subject->sandbox_uid = sandbox->uid;
    subject->since_ms = found->sandbox->created_at_unix_ms;
    add(&subject->uids, sandbox->uid);
    add(&subject->names, sandbox->name);
    add_derived(subject, name_pod(sandbox->name, 0));
    add(&subject->names, pause);
    add_derived(subject, name_commit_job(pause));
    add_derived(subject, name_unpause_job(pause));
    if (snapshot)
        add(&subject->uids, snapshot->uid);
    for (size_t i = 0; i < pods->count; i++) {
        add(&subject->uids, pods->items[i]->uid);
        add(&subject->names, pods->items[i]->name);
    }
    for (size_t i = 0; i < found->n_snapshots; i++)
        add(&subject->names, found->snapshots[i]->name);
}

int handle_describe(struct rpc_call *call, const void *request_, void *response_, struct error *err)
{
    const get_request *request = request_;
    description *response = response_;
    struct orchestrator_service *self = rpc_self(call);
    const struct message_memory memory = {.call = call};
    SCOPED(object) struct object *sandbox = NULL;
    SCOPED_OBJECT_LIST struct object_list pods = OBJECT_LIST_INIT;
    SCOPED_TIMELINE_SUBJECT struct timeline_subject subject = {0};

    if (find_sandbox(self, request->name, &sandbox, err) < 0)
        return -1;
    SCOPED(object) struct object *snapshot = find_snapshot(self, sandbox->name);
    informer_by_owner(self->service->informers[KIND_POD], sandbox->uid, &pods);
    fill_sandbox(&memory, sandbox, snapshot, response);
    fill_pods(&memory, &pods, response);
    if (fill_snapshots(call, sandbox, response, err) < 0)
        return -1;
    name_subject(sandbox, snapshot, &pods, response, &subject);
    return timeline_read(self->service->cluster, sandbox->ns, &subject, &memory, &response->events,
                         &response->n_events, err);
}
