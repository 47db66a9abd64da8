/* containerd/connection.h - private to this folder: one call on the shared channel. */
#pragma once

#include <google/protobuf/timestamp.pb-c.h>
#include <string.h>

#include "committer-agent/containerd/containerd.h"
#include "shared/rpc/client.h"

struct containerd {
    struct rpc_channel *channel;
    char *name_space, *socket;
};

struct containerd_call {
    const ProtobufCServiceDescriptor *service;
    const char *method;
    const char *lease;  /* or NULL */
    int64_t timeout_ms; /* 0: the default of rpc_call_options */
};

/* *ret_answer (the address of a message pointer) is the caller's: SCOPED_MESSAGE. */
int containerd_call(struct containerd *containerd, struct containerd_call call, const void *request,
                    void *ret_answer, struct error *err);

/* For methods whose answer says nothing. */
int containerd_tell(struct containerd *containerd, struct containerd_call call, const void *request,
                    struct error *err);

__attribute__((unused)) static inline void message_freep(void *slot)
{
    ProtobufCMessage *message;
    memcpy(&message, slot, sizeof(message));
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}
#define SCOPED_MESSAGE __attribute__((cleanup(message_freep)))

/* Seconds and nanoseconds as Unix milliseconds; 0 when unset or absurd. */
int64_t containerd_unix_ms(const Google__Protobuf__Timestamp *timestamp);
