/* commands.c - create, get, list, delete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "lifecycle-svc/ctl/interrupt.h"
#include "lifecycle-svc/ctl/message.h"
#include "lifecycle-svc/ctl/print.h"
#include "lifecycle-svc/ctl/watch.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

typedef Opensandbox__Lifecycle__V1__CreateSandboxRequest create_request;
typedef Opensandbox__Lifecycle__V1__Volume volume_message;
typedef Opensandbox__Lifecycle__V1__ListSandboxesRequest list_request;
typedef Opensandbox__Lifecycle__V1__ListSandboxesResponse list_response;

enum { PAGE_SIZE = 200, CREATE_TIMEOUT_MS = 10 * 60 * 1000 }; /* the server gives up earlier, and says why */

static void put_image(create_request *request, const char *uri)
{
    request->image = xcalloc(1, sizeof(*request->image));
    opensandbox__lifecycle__v1__image__init(request->image);
    request->image->uri = xstrdup(uri);
}

static void put_claim(volume_message *volume, const char *name, size_t length)
{
    volume->claim = xcalloc(1, sizeof(*volume->claim));
    opensandbox__lifecycle__v1__claim_volume__init(volume->claim);
    volume->claim->claim_name = xstrndup(name, length);
    volume->source_case = OPENSANDBOX__LIFECYCLE__V1__VOLUME__SOURCE_CLAIM;
}

static void put_host_folder(volume_message *volume, const char *path, size_t length)
{
    volume->host = xcalloc(1, sizeof(*volume->host));
    opensandbox__lifecycle__v1__host_volume__init(volume->host);
    volume->host->path = xstrndup(path, length);
    volume->source_case = OPENSANDBOX__LIFECYCLE__V1__VOLUME__SOURCE_HOST;
}

/* "SOURCE:/path[:ro]", checked by options.c. */
static volume_message *volume_of(const char *text, int number)
{
    static const char READ_ONLY[] = ":ro";
    const size_t source = strcspn(text, ":");
    const char *path = text + source + 1;
    const size_t length = strlen(path), suffix = strlen(READ_ONLY);
    const bool read_only = length > suffix && strcmp(path + length - suffix, READ_ONLY) == 0;
    volume_message *volume = xcalloc(1, sizeof(*volume));

    opensandbox__lifecycle__v1__volume__init(volume);
    volume->name = xasprintf("volume-%d", number);
    volume->mount_path = xstrndup(path, read_only ? length - suffix : length);
    volume->read_only = read_only;
    if (text[0] == '/')
        put_host_folder(volume, text, source);
    else
        put_claim(volume, text, source);
    return volume;
}

/* Everything in it is malloc'ed, so that protobuf-c can free it whole. */
static create_request *build_create(const struct options *options)
{
    create_request *request = xcalloc(1, sizeof(*request));

    opensandbox__lifecycle__v1__create_sandbox_request__init(request);
    if (options->image)
        put_image(request, options->image);
    if (options->snapshot)
        request->snapshot_id = xstrdup(options->snapshot);
    if (options->request_id)
        request->request_id = xstrdup(options->request_id);
    request->volumes = xcalloc((size_t)options->volumes.count + 1, sizeof(*request->volumes));
    for (int i = 0; i < options->volumes.count; i++)
        request->volumes[request->n_volumes++] = volume_of(options->volumes.items[i], i);
    request->entrypoint = copy_words(&options->words);
    request->n_entrypoint = (size_t)options->words.count;
    request->timeout_seconds = options->timeout_s;
    ADD_PAIRS(request, env, &opensandbox__lifecycle__v1__create_sandbox_request__env_entry__descriptor,
              &options->env);
    ADD_PAIRS(request, metadata,
              &opensandbox__lifecycle__v1__create_sandbox_request__metadata_entry__descriptor,
              &options->metadata);
    if (options->cpu)
        ADD_ENTRY(request, resource_limits,
                  &opensandbox__lifecycle__v1__create_sandbox_request__resource_limits_entry__descriptor,
                  "cpu", 3, options->cpu);
    if (options->memory)
        ADD_ENTRY(request, resource_limits,
                  &opensandbox__lifecycle__v1__create_sandbox_request__resource_limits_entry__descriptor,
                  "memory", 6, options->memory);
    return request;
}

int ctl_create(struct ctl *ctl, struct error *err)
{
    SCOPED(message) ProtobufCMessage *request = &build_create(ctl->options)->base;
    SCOPED(sandbox_message) ctl_sandbox *sandbox = NULL;
    struct rpc_call_options call = {.timeout_ms = CREATE_TIMEOUT_MS};
    enum ctl_output output = ctl->options->output;

    interrupt_says("leaving; the server deletes a sandbox whose creator left");
    if (rpc_unary(ctl->channel, LIFECYCLE, "CreateSandbox", request, &sandbox, &call, err) < 0)
        return -1;
    print_sandboxes(&sandbox, 1, output == OUTPUT_DEFAULT ? OUTPUT_NAME : output, true);
    return CTL_OK;
}

/* The first event of a watch says more than GetSandbox: images, progress, and a failure that the state hides. */
int ctl_get(struct ctl *ctl, struct error *err)
{
    SCOPED(watch) struct watch *watch = NULL;

    if (watch_open(ctl, &watch, err) < 0)
        return -1;
    print_event(watch_event(watch), ctl->options->output);
    return CTL_OK;
}

struct all_sandboxes {
    list_response **pages;
    size_t page_count;
    ctl_sandbox **items; /* borrowed from the pages */
    size_t count;
};

static void all_done(struct all_sandboxes *all)
{
    for (size_t i = 0; i < all->page_count; i++)
        protobuf_c_message_free_unpacked(&all->pages[i]->base, NULL);
    free(all->pages);
    free(all->items);
}

static void keep_page(struct all_sandboxes *all, list_response *page)
{
    all->pages = xrealloc_array(all->pages, all->page_count + 1, sizeof(*all->pages));
    all->pages[all->page_count++] = page;
    all->items = xrealloc_array(all->items, all->count + page->n_items + 1, sizeof(*all->items));
    for (size_t i = 0; i < page->n_items; i++)
        all->items[all->count++] = page->items[i];
}

static int fetch_pages(struct ctl *ctl, list_request *request, struct all_sandboxes *all, struct error *err)
{
    bool more = true;

    for (request->page = 1; more; request->page++) {
        list_response *page;
        if (rpc_unary(ctl->channel, LIFECYCLE, "ListSandboxes", &request->base, &page, NULL, err) < 0)
            return -1;
        more = page->pagination && page->pagination->has_next_page;
        keep_page(all, page);
    }
    return 0;
}

int ctl_list(struct ctl *ctl, struct error *err)
{
    __attribute__((cleanup(all_done))) struct all_sandboxes all = {0};
    list_request *request = xcalloc(1, sizeof(*request));
    SCOPED(message) ProtobufCMessage *owned = NULL;

    opensandbox__lifecycle__v1__list_sandboxes_request__init(request);
    owned = &request->base;
    request->page_size = PAGE_SIZE;
    request->states = copy_words(&ctl->options->states);
    request->n_states = (size_t)ctl->options->states.count;
    ADD_PAIRS(request, metadata,
              &opensandbox__lifecycle__v1__list_sandboxes_request__metadata_entry__descriptor,
              &ctl->options->metadata);
    if (fetch_pages(ctl, request, &all, err) < 0)
        return -1;
    print_sandboxes(all.items, all.count, ctl->options->output, false);
    return CTL_OK;
}

static int ask_to_delete(struct ctl *ctl, struct error *err)
{
    Opensandbox__Lifecycle__V1__DeleteSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__DELETE_SANDBOX_REQUEST__INIT;
    SCOPED(message) ProtobufCMessage *answer = NULL;

    request.id = (char *)ctl->options->id;
    return rpc_unary(ctl->channel, LIFECYCLE, "DeleteSandbox", &request.base, &answer, NULL, err);
}

static int wait_until_gone(struct watch *watch, struct error *err)
{
    while (watch_next(watch, err) == 0)
        ;
    return err->code == ERR_NOT_FOUND ? 0 : -1;
}

int ctl_delete(struct ctl *ctl, struct error *err)
{
    SCOPED(watch) struct watch *watch = NULL;

    if (ctl->options->wait && watch_open(ctl, &watch, err) < 0)
        return -1;
    if (ask_to_delete(ctl, err) < 0 || (watch && wait_until_gone(watch, err) < 0))
        return -1;
    printf("%s deleted\n", ctl->options->id);
    return CTL_OK;
}
