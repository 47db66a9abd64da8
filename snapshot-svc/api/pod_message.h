/* pod_message.h - a Pod as operators read it in a description: what the cluster says of it, read leniently. */
#pragma once

#include <jansson.h>

#include "snapshot-svc/api/message_memory.h"

typedef Opensandbox__Orchestrator__V1__PodDescription pod_message;

/* Fills the initialised message; init containers come first. */
void pod_message_fill(const struct message_memory *memory, const json_t *pod, pod_message *out);
