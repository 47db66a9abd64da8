/* events.h - Kubernetes Events are kept for a while, not for ever: the newest of each object, for an hour. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "snapshot-svc/cluster/local/store.h"

/* ERR_INVALID: an Event must tell in its own namespace which object it is about. */
int event_check(const json_t *event, struct error *err);

/* After an Event was stored: counts its hour from now and drops what is too much about its object. */
int events_keep(struct store *store, const json_t *event, int64_t now_ms, struct error *err);

/* Drops those whose hour is over. */
int events_expire(struct store *store, int64_t now_ms, struct error *err);
