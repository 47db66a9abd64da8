#include "lifecycle-svc/api/convert.h"

#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/alloc.h"

typedef Opensandbox__Lifecycle__V1__Sandbox__MetadataEntry metadata_entry;
typedef Opensandbox__Lifecycle__V1__SnapshotImage api_image;

Google__Protobuf__Timestamp *time_to_api(int64_t unix_ms, struct memory *memory)
{
    Google__Protobuf__Timestamp *time =
        NEW_MESSAGE(memory, Google__Protobuf__Timestamp, google__protobuf__timestamp__init);
    int64_t ms = unix_ms % 1000;

    time->seconds = unix_ms / 1000 - (ms < 0); /* nanos count forward, also before 1970 */
    time->nanos = (int32_t)((ms + (ms < 0 ? 1000 : 0)) * 1000000);
    return time;
}

static void metadata_to_api(const struct json_map *metadata, struct memory *memory, api_sandbox *out)
{
    out->metadata = memory_take(memory, (metadata->count + 1) * sizeof(*out->metadata));
    for (size_t i = 0; i < metadata->count; i++) {
        metadata_entry *entry =
            NEW_MESSAGE(memory, metadata_entry, opensandbox__lifecycle__v1__sandbox__metadata_entry__init);
        entry->key = memory_text(memory, metadata->pairs[i].key);
        entry->value = memory_text(memory, metadata->pairs[i].value);
        out->metadata[out->n_metadata++] = entry;
    }
}

static void entrypoint_to_api(const struct json_strings *words, struct memory *memory, api_sandbox *out)
{
    out->entrypoint = memory_take(memory, (words->count + 1) * sizeof(*out->entrypoint));
    for (size_t i = 0; i < words->count; i++)
        out->entrypoint[out->n_entrypoint++] = memory_text(memory, words->items[i]);
}

static void status_to_api(const struct sandbox_status *status, struct memory *memory, api_sandbox *out)
{
    out->status = NEW_MESSAGE(memory, Opensandbox__Lifecycle__V1__SandboxStatus,
                              opensandbox__lifecycle__v1__sandbox_status__init);
    out->status->state = memory_text(memory, sandbox_state_name(status->state));
    out->status->reason = memory_text(memory, status->reason);
    out->status->message = memory_text(memory, status->message);
    out->status->last_transition_at = time_to_api(status->last_transition_unix_ms, memory);
}

void sandbox_to_api(const struct sandbox_view *view, struct memory *memory, api_sandbox *out)
{
    out->id = memory_text(memory, view->id);
    status_to_api(&view->status, memory, out);
    out->created_at = time_to_api(view->created_unix_ms, memory);
    if (view->expires_unix_ms)
        out->expires_at = time_to_api(view->expires_unix_ms, memory);
    if (view->image_uri) {
        out->image =
            NEW_MESSAGE(memory, Opensandbox__Lifecycle__V1__Image, opensandbox__lifecycle__v1__image__init);
        out->image->uri = memory_text(memory, view->image_uri);
    }
    out->snapshot_id = memory_text(memory, view->snapshot_id);
    entrypoint_to_api(&view->entrypoint, memory, out);
    metadata_to_api(&view->metadata, memory, out);
    if (view->os) {
        out->platform = NEW_MESSAGE(memory, Opensandbox__Lifecycle__V1__Platform,
                                    opensandbox__lifecycle__v1__platform__init);
        out->platform->os = memory_text(memory, view->os);
        out->platform->arch = memory_text(memory, view->arch);
    }
}

static int32_t clamp(int64_t number)
{
    return number > INT32_MAX ? INT32_MAX : (int32_t)number;
}

Opensandbox__Lifecycle__V1__Pagination *pagination_to_api(const struct page *page, struct memory *memory)
{
    Opensandbox__Lifecycle__V1__Pagination *out = NEW_MESSAGE(memory, Opensandbox__Lifecycle__V1__Pagination,
                                                              opensandbox__lifecycle__v1__pagination__init);

    out->page = clamp(page->page);
    out->page_size = clamp(page->page_size);
    out->total_items = clamp(page->total_items);
    out->total_pages = clamp(page->total_pages);
    out->has_next_page = page->has_next;
    return out;
}

void page_to_api(const struct sandbox_page *page, struct memory *memory, api_list *out)
{
    out->items = memory_take(memory, (page->page.count + 1) * sizeof(*out->items));
    for (size_t i = 0; i < page->page.count; i++) {
        api_sandbox *item = NEW_MESSAGE(memory, api_sandbox, opensandbox__lifecycle__v1__sandbox__init);
        sandbox_to_api(&page->items[i], memory, item);
        out->items[out->n_items++] = item;
    }
    out->pagination = pagination_to_api(&page->page, memory);
}

static void progress_to_api(const Opensandbox__Orchestrator__V1__SnapshotProgress *in, struct memory *memory,
                            api_event *out)
{
    out->progress =
        NEW_MESSAGE(memory, Opensandbox__Lifecycle__V1__Progress, opensandbox__lifecycle__v1__progress__init);
    out->progress->phase = memory_text(memory, in->phase);
    out->progress->bytes_read = in->bytes_read;
    out->progress->bytes_total = in->bytes_total;
    out->progress->bytes_pushed = in->bytes_pushed;
    out->progress->files = in->files;
}

static void images_to_api(const Opensandbox__Orchestrator__V1__Snapshot *in, struct memory *memory,
                          api_event *out)
{
    out->images = memory_take(memory, (in->n_containers + 1) * sizeof(*out->images));
    for (size_t i = 0; i < in->n_containers; i++) {
        api_image *image = NEW_MESSAGE(memory, api_image, opensandbox__lifecycle__v1__snapshot_image__init);
        image->container = memory_text(memory, in->containers[i]->container);
        image->uri = memory_text(memory, in->containers[i]->image_uri);
        image->digest = memory_text(memory, in->containers[i]->image_digest);
        out->images[out->n_images++] = image;
    }
}

/* A Failed sandbox shows its failure in its state; the hidden ones need telling just as much. */
static const orch_condition *failure_to_tell(const orch_sandbox *sandbox)
{
    static const char *const types[] = {"PodFailed", "ResumeFailed", "PauseFailed"};
    const orch_condition *failed = sandbox_hidden_failure(sandbox);

    if (sandbox_state_of(sandbox) == STATE_FAILED)
        for (size_t i = 0; !failed && i < sizeof(types) / sizeof(types[0]); i++)
            failed = orch_true_condition(sandbox, types[i]);
    return failed;
}

void event_to_api(const orch_sandbox *sandbox, struct memory *memory, api_event *out)
{
    const orch_condition *failed = failure_to_tell(sandbox);
    SCOPED_VIEW struct sandbox_view view = {0};

    sandbox_view_of(sandbox, &view);
    out->sandbox = NEW_MESSAGE(memory, api_sandbox, opensandbox__lifecycle__v1__sandbox__init);
    sandbox_to_api(&view, memory, out->sandbox);
    out->generation = sandbox->generation;
    out->acknowledged_generation = sandbox->acknowledged_generation;
    if (sandbox->snapshot && sandbox->snapshot->progress)
        progress_to_api(sandbox->snapshot->progress, memory, out);
    if (sandbox->snapshot)
        images_to_api(sandbox->snapshot, memory, out);
    if (failed) {
        out->failed_condition = memory_text(memory, failed->type);
        out->failed_reason = memory_text(memory, failed->reason);
        out->failed_message = memory_text(memory, failed->message);
        out->failed_at = time_to_api(failed->last_transition_unix_ms, memory);
    }
}

static char *given(const char *text)
{
    return text && *text ? xstrdup(text) : NULL;
}

/* Maps of every message have entries of the same shape, under different names. */
#define COPY_MAP(in, member, out)                                                                            \
    do {                                                                                                     \
        for (size_t i_ = 0; i_ < (in)->n_##member; i_++)                                                     \
            json_map_set(out, (in)->member[i_]->key, (in)->member[i_]->value);                               \
    } while (0)

static void claim_from_api(const Opensandbox__Lifecycle__V1__ClaimVolume *in, struct volume_claim *out)
{
    out->name = xstrdup(in->claim_name);
    out->create_if_absent = !in->must_exist;
    out->storage_class = given(in->storage_class);
    out->storage = given(in->storage);
    for (size_t i = 0; i < in->n_access_modes; i++)
        json_strings_add(&out->access_modes, in->access_modes[i]);
}

static void volumes_from_api(const api_create *in, struct json_list *out)
{
    struct volume *volumes = xcalloc(in->n_volumes, sizeof(*volumes));

    for (size_t i = 0; i < in->n_volumes; i++) {
        const Opensandbox__Lifecycle__V1__Volume *volume = in->volumes[i];
        volumes[i].name = xstrdup(volume->name);
        volumes[i].mount_path = xstrdup(volume->mount_path);
        volumes[i].sub_path = given(volume->sub_path);
        volumes[i].read_only = volume->read_only;
        if (volume->source_case == OPENSANDBOX__LIFECYCLE__V1__VOLUME__SOURCE_HOST)
            volumes[i].host_path = xstrdup(volume->host->path);
        if (volume->source_case == OPENSANDBOX__LIFECYCLE__V1__VOLUME__SOURCE_CLAIM)
            claim_from_api(volume->claim, &volumes[i].claim);
    }
    *out = (struct json_list){volumes, in->n_volumes};
}

void create_from_api(const api_create *in, struct create_request *out)
{
    if (in->image) {
        out->image.uri = given(in->image->uri);
        if (in->image->auth) {
            out->image.auth.username = xstrdup(in->image->auth->username);
            out->image.auth.password = xstrdup(in->image->auth->password);
        }
    }
    for (size_t i = 0; i < in->n_entrypoint; i++)
        json_strings_add(&out->entrypoint, in->entrypoint[i]);
    out->entrypoint_given = in->n_entrypoint > 0;
    out->limits_given = true; /* protobuf cannot tell an empty map from none */
    out->timeout_given = in->timeout_seconds != 0;
    out->timeout_s = in->timeout_seconds;
    if (in->platform) {
        out->platform.os = xstrdup(in->platform->os);
        out->platform.arch = xstrdup(in->platform->arch);
    }
    out->snapshot_id = given(in->snapshot_id);
    volumes_from_api(in, &out->volumes);
    COPY_MAP(in, resource_limits, &out->resource_limits);
    COPY_MAP(in, resource_requests, &out->resource_requests);
    COPY_MAP(in, env, &out->env);
    COPY_MAP(in, metadata, &out->metadata);
    COPY_MAP(in, extensions, &out->extensions);
}

int metadata_from_api(const api_metadata_patch *in, struct json_map *out, struct error *err)
{
    COPY_MAP(in, set, out);
    for (size_t i = 0; i < in->n_remove; i++) {
        if (json_map_get(out, in->remove[i]))
            return refuse(err, CODE_INVALID_PARAMETER, "remove: \"%.80s\" is set in the same request",
                          in->remove[i]);
        json_map_set(out, in->remove[i], NULL);
    }
    return 0;
}

int time_from_api(const Google__Protobuf__Timestamp *in, const char *member, int64_t *ret_unix_ms,
                  struct error *err)
{
    static const int64_t first_s = -62135596800, last_s = 253402300799; /* the years 0001 to 9999 */

    if (!in)
        return refuse(err, CODE_INVALID_PARAMETER, "%s: required", member);
    if (in->seconds < first_s || in->seconds > last_s || in->nanos < 0 || in->nanos > 999999999)
        return refuse(err, CODE_INVALID_PARAMETER, "%s: want a time of the years 0001 to 9999", member);
    *ret_unix_ms = in->seconds * 1000 + in->nanos / 1000000;
    return 0;
}

int page_from_api(int32_t page, int32_t page_size, int64_t *ret_page, int64_t *ret_page_size,
                  struct error *err)
{
    if (page < 0)
        return refuse(err, CODE_INVALID_PARAMETER, "page: want at least 1, got %d", page);
    if (page_size < 0 || page_size > LIST_MAX_PAGE_SIZE)
        return refuse(err, CODE_INVALID_PARAMETER, "page_size: want 1 to %d, got %d", LIST_MAX_PAGE_SIZE,
                      page_size);
    *ret_page = page ? page : 1;
    *ret_page_size = page_size ? page_size : LIST_DEFAULT_PAGE_SIZE;
    return 0;
}

int list_query_from_api(const api_list_request *in, struct list_query *out, struct error *err)
{
    if (page_from_api(in->page, in->page_size, &out->page, &out->page_size, err) < 0)
        return -1;
    for (size_t i = 0; i < in->n_states; i++)
        json_strings_add(&out->states, in->states[i]);
    COPY_MAP(in, metadata, &out->metadata);
    return 0;
}
