/* commands.c - create, get, list, delete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "lifecycle-svc/ctl/interrupt.h"
#include "lifecycle-svc/ctl/print.h"
#include "lifecycle-svc/ctl/watch.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

typedef Opensandbox__Lifecycle__V1__CreateSandboxRequest create_request;
typedef Opensandbox__Lifecycle__V1__ListSandboxesRequest list_request;
typedef Opensandbox__Lifecycle__V1__ListSandboxesResponse list_response;

enum { PAGE_SIZE = 200, CREATE_TIMEOUT_MS = 10 * 60 * 1000 }; /* the server gives up earlier, and says why */

static void sandbox_free(ctl_sandbox *sandbox)
{
    if (sandbox)
        protobuf_c_message_free_unpacked(&sandbox->base, NULL);
}
static void request_free(ProtobufCMessage *request)
{
    if (request)
        protobuf_c_message_free_unpacked(request, NULL);
}
DEFINE_FREEP(sandbox, ctl_sandbox, sandbox_free)
DEFINE_FREEP(message, ProtobufCMessage, request_free)

/* A map entry of any map: they all are {base, key, value}. */
struct map_entry {
    ProtobufCMessage base;
    char *key, *value;
};

static void *new_entry(const ProtobufCMessageDescriptor *type, const char *key, size_t key_length,
                       const char *value)
{
    struct map_entry *entry = xcalloc(1, sizeof(*entry));

    protobuf_c_message_init(type, entry);
    entry->key = xstrndup(key, key_length);
    entry->value = xstrdup(value);
    return entry;
}

#define ADD_ENTRY(request, map, type, key, length, value)                                                    \
    do {                                                                                                     \
        (request)->map = xrealloc_array((request)->map, (request)->n_##map + 1, sizeof(*(request)->map));    \
        (request)->map[(request)->n_##map++] = new_entry(type, key, length, value);                          \
    } while (0)

#define ADD_PAIRS(request, map, type, words)                                                                 \
    do {                                                                                                     \
        for (int i_ = 0; i_ < (words)->count; i_++) {                                                        \
            const char *equals_ = strchr((words)->items[i_], '=');                                           \
            ADD_ENTRY(request, map, type, (words)->items[i_], (size_t)(equals_ - (words)->items[i_]),        \
                      equals_ + 1);                                                                          \
        }                                                                                                    \
    } while (0)

static char **copy_words(const struct words *words)
{
    char **copies = xcalloc((size_t)words->count + 1, sizeof(*copies));

    for (int i = 0; i < words->count; i++)
        copies[i] = xstrdup(words->items[i]);
    return copies;
}

/* Everything in it is malloc'ed, so that protobuf-c can free it whole. */
static create_request *build_create(const struct options *options)
{
    create_request *request = xcalloc(1, sizeof(*request));

    opensandbox__lifecycle__v1__create_sandbox_request__init(request);
    request->image = xcalloc(1, sizeof(*request->image));
    opensandbox__lifecycle__v1__image__init(request->image);
    request->image->uri = xstrdup(options->image);
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
    SCOPED(sandbox) ctl_sandbox *sandbox = NULL;
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
