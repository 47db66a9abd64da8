/* containerd/connection.h - private to this folder: one call on the shared channel. */
#pragma once

#include <google/protobuf/timestamp.pb-c.h>
#include <string.h>

#include "committer-agent/containerd/containerd.h"
#include "shared/base/alloc.h"
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

/* Labels as entries of a message's map field `Entry`, in one block that borrows every string:
 *
 *   DEFINE_LABEL_ENTRIES(create, Containerd__...__LabelsEntry, containerd__...__labels_entry__init)
 *   SCOPED(memory) ..__LabelsEntry **entries = create_label_entries(&labels);
 *   request.labels = entries, request.n_labels = labels.count; */
#define DEFINE_LABEL_ENTRIES(name, Entry, entry_init)                                                        \
    static Entry **name##_label_entries(const struct resource_labels *labels)                                \
    {                                                                                                        \
        Entry **pointers = xcalloc(1, labels->count * (sizeof(Entry *) + sizeof(Entry)) + 1);                \
        Entry *entries = (Entry *)(pointers + labels->count);                                                \
        for (size_t i = 0; i < labels->count; i++) {                                                         \
            entry_init(&entries[i]);                                                                         \
            entries[i].key = (char *)labels->items[i].key;                                                   \
            entries[i].value = (char *)labels->items[i].value;                                               \
            pointers[i] = &entries[i];                                                                       \
        }                                                                                                    \
        return pointers;                                                                                     \
    }

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
