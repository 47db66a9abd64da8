/* From the core's hands into an rpc_call. */
#include <grpc/slice.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/rpc/server_priv.h"
#include "shared/rpc/text_priv.h"

#define UNKNOWN_PATH_MAX 200 /* bytes of a stranger's path that an error repeats */

static void accepted(struct rpc_tag *tag, bool ok);

static grpc_call_error request_next(struct rpc_accept *accept)
{
    struct rpc_server *server = accept->server;

    if (!accept->endpoint)
        return grpc_server_request_call(server->core, &accept->core, &accept->details, &accept->metadata,
                                        server->queue, server->queue, &accept->tag);
    return grpc_server_request_registered_call(server->core, accept->endpoint->registered, &accept->core,
                                               &accept->deadline, &accept->metadata, &accept->payload,
                                               server->queue, server->queue, &accept->tag);
}

static void accept_done(struct rpc_accept *accept)
{
    grpc_metadata_array_destroy(&accept->metadata);
    grpc_call_details_destroy(&accept->details);
    rpc_server_outstanding_drop(accept->server);
}

/* Once the core has it, another poller may fill and arm it again: nothing here touches it after the request.
 */
static void arm(struct rpc_accept *accept)
{
    accept->core = NULL;
    accept->payload = NULL;
    grpc_metadata_array_init(&accept->metadata);
    grpc_call_details_init(&accept->details);
    rpc_server_outstanding_add(accept->server);
    rpc_tag_give(&accept->tag);
    if (request_next(accept) != GRPC_CALL_OK)
        accept_done(accept);
}

void rpc_accept_start(struct rpc_accept *accept, struct rpc_server *server, struct rpc_endpoint *endpoint)
{
    accept->tag.done = accepted;
    accept->server = server;
    accept->endpoint = endpoint;
    arm(accept);
}

static struct rpc_call *call_of_stranger(struct rpc_accept *accept)
{
    grpc_slice path = accept->details.method;
    size_t slash = GRPC_SLICE_LENGTH(path) > 0 && GRPC_SLICE_START_PTR(path)[0] == '/';
    char clean[UNKNOWN_PATH_MAX];

    rpc_text_copy(clean, sizeof(clean), (const char *)GRPC_SLICE_START_PTR(path) + slash,
                  GRPC_SLICE_LENGTH(path) - slash);
    return rpc_call_new(accept->server, NULL, clean, accept->core, accept->details.deadline,
                        &accept->metadata, NULL);
}

/* On a poller. Not ok: the server shuts down, and this accept is not armed again. */
static void accepted(struct rpc_tag *tag, bool ok)
{
    struct rpc_accept *accept = CONTAINER_OF(tag, struct rpc_accept, tag);
    struct rpc_endpoint *endpoint = accept->endpoint;

    if (!ok) {
        accept_done(accept);
        return;
    }
    struct rpc_call *call = endpoint
                                ? rpc_call_new(accept->server, endpoint, endpoint->path + 1, accept->core,
                                               accept->deadline, &accept->metadata, accept->payload)
                                : call_of_stranger(accept);
    accept_done(accept); /* the call counts already, so this is never the last */
    arm(accept);
    rpc_call_serve(call);
}
