/* message.h - requests put together from the command line. Everything in a request is malloc'ed, so that protobuf-c can free it
 * whole. One thread. */
#pragma once

#include <string.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

__attribute__((unused)) static inline void message_free(ProtobufCMessage *message)
{
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}
DEFINE_FREEP(message, ProtobufCMessage, message_free)

__attribute__((unused)) static inline void sandbox_message_free(ctl_sandbox *sandbox)
{
    if (sandbox)
        protobuf_c_message_free_unpacked(&sandbox->base, NULL);
}
DEFINE_FREEP(sandbox_message, ctl_sandbox, sandbox_message_free)

char **copy_words(const struct words *words);

/* A map entry of any map: they all are {base, key, value}. */
void *map_entry_new(const ProtobufCMessageDescriptor *type, const char *key, size_t key_length,
                    const char *value);

#define ADD_ENTRY(request, map, type, key, length, value)                                                    \
    do {                                                                                                     \
        (request)->map = xrealloc_array((request)->map, (request)->n_##map + 1, sizeof(*(request)->map));    \
        (request)->map[(request)->n_##map++] = map_entry_new(type, key, length, value);                      \
    } while (0)

#define ADD_PAIRS(request, map, type, words)                                                                 \
    do {                                                                                                     \
        for (int i_ = 0; i_ < (words)->count; i_++) {                                                        \
            const char *equals_ = strchr((words)->items[i_], '=');                                           \
            ADD_ENTRY(request, map, type, (words)->items[i_], (size_t)(equals_ - (words)->items[i_]),        \
                      equals_ + 1);                                                                          \
        }                                                                                                    \
    } while (0)
