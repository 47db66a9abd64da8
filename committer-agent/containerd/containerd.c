#include "committer-agent/containerd/containerd.h"

#include <containerd/services/version.pb-c.h>
#include <stdlib.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"

struct containerd *containerd_new(const char *socket, const char *containerd_namespace)
{
    struct containerd *containerd = xcalloc(1, sizeof(*containerd));
    SCOPED(string)
    char *target = xasprintf("unix:%s", socket);

    containerd->socket = xstrdup(socket);
    containerd->name_space = xstrdup(containerd_namespace ? containerd_namespace : CONTAINERD_NAMESPACE);
    containerd->channel =
        rpc_channel_new(target, &(struct rpc_channel_options){
                                    .name = "containerd",
                                    .keepalive = false, /* its server answers pings with ENHANCE_YOUR_CALM */
                                    .header_key = "containerd-namespace",
                                    .header_value = containerd->name_space,
                                });
    return containerd;
}

void containerd_free(struct containerd *containerd)
{
    if (!containerd)
        return;
    rpc_channel_free(containerd->channel);
    free(containerd->name_space);
    free(containerd->socket);
    free(containerd);
}

int containerd_call(struct containerd *containerd, struct containerd_call call, const void *request,
                    void *ret_answer, struct error *err)
{
    struct rpc_call_options options = {.timeout_ms = call.timeout_ms};

    if (call.lease) {
        options.header_key = "containerd-lease";
        options.header_value = call.lease;
    }
    return rpc_unary(containerd->channel, call.service, call.method, request, ret_answer, &options, err);
}

int containerd_tell(struct containerd *containerd, struct containerd_call call, const void *request,
                    struct error *err)
{
    SCOPED_MESSAGE ProtobufCMessage *answer = NULL;
    return containerd_call(containerd, call, request, &answer, err);
}

int64_t containerd_unix_ms(const Google__Protobuf__Timestamp *timestamp)
{
    const int64_t year_9999_s = 253402300799;

    if (!timestamp || timestamp->seconds < 0 || timestamp->seconds > year_9999_s || timestamp->nanos < 0)
        return 0;
    return timestamp->seconds * 1000 + timestamp->nanos / 1000000;
}

int containerd_version(struct containerd *containerd, char **ret_version, struct error *err)
{
    Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    SCOPED_MESSAGE Containerd__Services__Version__V1__VersionResponse *answer = NULL;
    struct containerd_call call = {&containerd__services__version__v1__version__descriptor, "Version", NULL,
                                   0};

    if (containerd_call(containerd, call, &request, &answer, err) < 0)
        return error_wrap(err, "asking containerd for its version");
    *ret_version = xstrdup(answer->version);
    return 0;
}
