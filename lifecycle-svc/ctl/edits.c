/* edits.c - renew, label, endpoint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/ctl/message.h"
#include "lifecycle-svc/ctl/print.h"
#include "shared/base/clock.h"

typedef Opensandbox__Lifecycle__V1__RenewSandboxResponse renew_response;
typedef Opensandbox__Lifecycle__V1__PatchMetadataRequest patch_request;
typedef Opensandbox__Lifecycle__V1__Endpoint endpoint_message;

int ctl_renew(struct ctl *ctl, struct error *err)
{
    Opensandbox__Lifecycle__V1__RenewSandboxRequest request =
        OPENSANDBOX__LIFECYCLE__V1__RENEW_SANDBOX_REQUEST__INIT;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    renew_response *answer = NULL;
    char text[RFC3339_SIZE];

    at.seconds = clock_realtime_ms() / 1000 + ctl->options->renew_s;
    request.id = (char *)ctl->options->id;
    request.expires_at = &at;
    if (rpc_unary(ctl->channel, LIFECYCLE, "RenewSandbox", &request.base, &answer, NULL, err) < 0)
        return -1;
    printf("%s expires %s\n", ctl->options->id,
           rfc3339_format(answer->expires_at ? answer->expires_at->seconds : at.seconds, text));
    message_free(&answer->base);
    return CTL_OK;
}

static patch_request *build_patch(const struct options *options)
{
    patch_request *request = xcalloc(1, sizeof(*request));

    opensandbox__lifecycle__v1__patch_metadata_request__init(request);
    request->id = xstrdup(options->id);
    request->remove = xcalloc((size_t)options->labels.count + 1, sizeof(*request->remove));
    for (int i = 0; i < options->labels.count; i++) {
        const char *text = options->labels.items[i], *equals = strchr(text, '=');
        if (equals)
            ADD_ENTRY(request, set,
                      &opensandbox__lifecycle__v1__patch_metadata_request__set_entry__descriptor, text,
                      (size_t)(equals - text), equals + 1);
        else
            request->remove[request->n_remove++] = xstrndup(text, strlen(text) - 1); /* "key-" */
    }
    return request;
}

int ctl_label(struct ctl *ctl, struct error *err)
{
    SCOPED(message) ProtobufCMessage *request = &build_patch(ctl->options)->base;
    SCOPED(sandbox_message) ctl_sandbox *sandbox = NULL;

    if (rpc_unary(ctl->channel, LIFECYCLE, "PatchMetadata", request, &sandbox, NULL, err) < 0)
        return -1;
    if (ctl->options->output == OUTPUT_DEFAULT)
        printf("%s labeled\n", ctl->options->id);
    else
        print_sandboxes(&sandbox, 1, ctl->options->output, true);
    return CTL_OK;
}

/* Headers, which a client has to send along, behind the address, one a line. */
int ctl_endpoint(struct ctl *ctl, struct error *err)
{
    const struct rpc_call_options patient = {.timeout_ms =
                                                 60000}; /* the server waits for an address, less than that */
    Opensandbox__Lifecycle__V1__GetEndpointRequest request =
        OPENSANDBOX__LIFECYCLE__V1__GET_ENDPOINT_REQUEST__INIT;
    endpoint_message *answer = NULL;

    request.id = (char *)ctl->options->id;
    request.port = ctl->options->port;
    if (rpc_unary(ctl->channel, LIFECYCLE, "GetEndpoint", &request.base, &answer, &patient, err) < 0)
        return -1;
    (void)puts(answer->endpoint);
    for (size_t i = 0; i < answer->n_headers; i++)
        printf("%s: %s\n", answer->headers[i]->key, answer->headers[i]->value);
    message_free(&answer->base);
    return CTL_OK;
}
