/* describe.c - DescribeSandbox: snapshot-svc's description in the words of the public API. */
#include "lifecycle-svc/sandbox/describe.h"

#include "lifecycle-svc/api/convert.h"
#include "lifecycle-svc/api/methods.h"

typedef Opensandbox__Lifecycle__V1__SandboxDescription api_description;
typedef Opensandbox__Lifecycle__V1__Condition api_condition;
typedef Opensandbox__Lifecycle__V1__PodDescription api_pod;
typedef Opensandbox__Lifecycle__V1__ContainerDescription api_container;
typedef Opensandbox__Lifecycle__V1__SnapshotDescription api_snapshot;
typedef Opensandbox__Lifecycle__V1__SnapshotImage api_image;
typedef Opensandbox__Lifecycle__V1__EventDescription api_told_event;
typedef Opensandbox__Orchestrator__V1__PodDescription orch_pod;
typedef Opensandbox__Orchestrator__V1__ContainerDescription orch_container;
typedef Opensandbox__Orchestrator__V1__SnapshotContainer orch_image;
typedef Opensandbox__Orchestrator__V1__EventDescription orch_event;

/* Unset: not known. */
static Google__Protobuf__Timestamp *known_time(int64_t unix_ms, struct memory *memory)
{
    return unix_ms ? time_to_api(unix_ms, memory) : NULL;
}

static api_condition *condition_to_api(const orch_condition *in, struct memory *memory)
{
    api_condition *out = NEW_MESSAGE(memory, api_condition, opensandbox__lifecycle__v1__condition__init);

    out->type = memory_text(memory, in->type);
    out->status = memory_text(memory, in->status);
    out->reason = memory_text(memory, in->reason);
    out->message = memory_text(memory, in->message);
    out->last_transition_at = known_time(in->last_transition_unix_ms, memory);
    return out;
}

static api_container *container_to_api(const orch_container *in, struct memory *memory)
{
    api_container *out =
        NEW_MESSAGE(memory, api_container, opensandbox__lifecycle__v1__container_description__init);

    out->name = memory_text(memory, in->name);
    out->image = memory_text(memory, in->image);
    out->state = memory_text(memory, in->state);
    out->reason = memory_text(memory, in->reason);
    out->message = memory_text(memory, in->message);
    out->exit_code = in->exit_code;
    out->restarts = in->restarts;
    out->ready = in->ready;
    return out;
}

static api_image *image_to_api(const orch_image *in, struct memory *memory)
{
    api_image *out = NEW_MESSAGE(memory, api_image, opensandbox__lifecycle__v1__snapshot_image__init);

    out->container = memory_text(memory, in->container);
    out->uri = memory_text(memory, in->image_uri);
    out->digest = memory_text(memory, in->image_digest);
    return out;
}

static api_told_event *event_to_tell(const orch_event *in, struct memory *memory)
{
    api_told_event *out =
        NEW_MESSAGE(memory, api_told_event, opensandbox__lifecycle__v1__event_description__init);

    out->type = memory_text(memory, in->type);
    out->reason = memory_text(memory, in->reason);
    out->message = memory_text(memory, in->message);
    out->object = memory_text(memory, in->object);
    out->count = in->count;
    out->first_at = known_time(in->first_unix_ms, memory);
    out->last_at = known_time(in->last_unix_ms, memory);
    return out;
}

/* Every list of one message becomes a list of the other. */
#define CONVERT_LIST(in_list, in_count, out_list, out_count, convert, memory)                                \
    do {                                                                                                     \
        (out_list) = memory_take(memory, ((in_count) + 1) * sizeof(*(out_list)));                            \
        for (size_t i_ = 0; i_ < (in_count); i_++)                                                           \
            (out_list)[(out_count)++] = convert((in_list)[i_], memory);                                      \
    } while (0)

static api_pod *pod_to_api(const orch_pod *in, struct memory *memory)
{
    api_pod *out = NEW_MESSAGE(memory, api_pod, opensandbox__lifecycle__v1__pod_description__init);

    out->name = memory_text(memory, in->name);
    out->phase = memory_text(memory, in->phase);
    out->node = memory_text(memory, in->node);
    out->ip = memory_text(memory, in->ip);
    out->deleting = in->deleting;
    out->created_at = known_time(in->created_at_unix_ms, memory);
    CONVERT_LIST(in->containers, in->n_containers, out->containers, out->n_containers, container_to_api,
                 memory);
    return out;
}

static api_snapshot *snapshot_to_api(const orch_snapshot *in, struct memory *memory)
{
    api_snapshot *out =
        NEW_MESSAGE(memory, api_snapshot, opensandbox__lifecycle__v1__snapshot_description__init);

    out->name = memory_text(memory, in->name);
    out->id = memory_text(memory, in->id);
    out->phase = memory_text(memory, in->phase);
    out->size = in->size;
    out->layers = in->layers;
    out->attempts = in->attempts;
    out->started_at = known_time(in->start_unix_ms, memory);
    out->completed_at = known_time(in->completion_unix_ms, memory);
    out->path = memory_text(memory, in->path);
    out->path_message = memory_text(memory, in->path_message);
    out->frozen_ms = in->frozen_ms;
    out->kept_on_node = memory_text(memory, in->kept_on_node);
    CONVERT_LIST(in->conditions, in->n_conditions, out->conditions, out->n_conditions, condition_to_api,
                 memory);
    CONVERT_LIST(in->containers, in->n_containers, out->images, out->n_images, image_to_api, memory);
    return out;
}

static void description_to_api(const orch_description *in, struct memory *memory, api_description *out)
{
    SCOPED_VIEW struct sandbox_view view = {0};

    sandbox_view_of(in->sandbox, &view);
    out->sandbox = NEW_MESSAGE(memory, api_sandbox, opensandbox__lifecycle__v1__sandbox__init);
    sandbox_to_api(&view, memory, out->sandbox);
    CONVERT_LIST(in->sandbox->conditions, in->sandbox->n_conditions, out->conditions, out->n_conditions,
                 condition_to_api, memory);
    CONVERT_LIST(in->pods, in->n_pods, out->pods, out->n_pods, pod_to_api, memory);
    CONVERT_LIST(in->snapshots, in->n_snapshots, out->snapshots, out->n_snapshots, snapshot_to_api, memory);
    CONVERT_LIST(in->events, in->n_events, out->events, out->n_events, event_to_tell, memory);
}

int api_describe_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Lifecycle__V1__GetSandboxRequest *get = request;
    const struct sandbox_service *service = api_enter(call, err);
    struct memory memory = {.call = call};
    SCOPED(orch_description) orch_description *description = NULL;

    if (!service || sandbox_describe(service, get->id, &description, err) < 0)
        return -1;
    description_to_api(description, &memory, response);
    return 0;
}
