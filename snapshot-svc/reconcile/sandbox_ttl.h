/* sandbox_ttl.h - how long a sandbox lives: its time to live, and how long a paused one is kept. Pure; any thread.
 *
 * The time to live is time in which a sandbox can be used. Its clock stands still from the moment a pause is wished (so an
 * accepted pause never loses to it) until the sandbox is back in a steady phase without that wish:
 *
 *   running  --wish, Pausing, Paused, Resuming-->  STOP   annotation ttl-stopped-at = now
 *   standing --Succeed, Failed, Pending--------->  START  expireTime += now - ttl-stopped-at, and the annotation goes
 *
 * Nothing expires while the clock stands still, or while START is still to be written. Who moves expireTime meanwhile (a renewal)
 * also moves ttl-stopped-at to his own now: what remains is the time from then to the new expiry. expireTime is whole seconds, so a START
 * rounds up: each pause may give up to one second more, never less.
 *
 * START changes the spec, and must not look like somebody's wish, nor hide one that comes right behind it: the same patch says
 * which generation it makes and what the spec is then (ANNOTATION_TTL_STARTED), and sandbox_intent() counts that generation as
 * answered.
 *
 * Retention is another limit, and off by default: a sandbox that has been Paused for config->paused_retention_ms is deleted,
 * after a warning that comes when nine tenths of that are over, and never less than one tenth before the end. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "snapshot-svc/reconcile/intent.h"
#include "snapshot-svc/reconcile/planners.h"

enum ttl_move {
    TTL_STAY,
    TTL_STOP,
    TTL_START,
    TTL_FORGET, /* it never expires: the annotation goes */
    TTL_EXPIRE, /* the sandbox is deleted */
    TTL_MOVE_MAX
};

struct ttl_decision {
    enum ttl_move move;
    int64_t expire_time_ms; /* START: what it becomes */
    int64_t requeue_at_ms;  /* 0: the clock stands still, or there is none */
};
struct ttl_decision ttl_decide(const struct batchsandbox *sandbox, enum intent intent,
                               const struct reconcile_config *config, int64_t now_unix_ms);

/* The merge patch of STOP, START and FORGET; NULL for the rest. The caller's. */
json_t *ttl_patch(const struct batchsandbox *sandbox, const struct ttl_decision *decision,
                  int64_t now_unix_ms);

/* ---- paused for too long ---- */

enum retention_move { RETENTION_STAY, RETENTION_WARN, RETENTION_DELETE, RETENTION_MOVE_MAX };

struct retention_decision {
    enum retention_move move;
    int64_t paused_since_ms, ends_at_ms; /* WARN */
    int64_t requeue_at_ms;               /* 0: none */
};
struct retention_decision retention_decide(const struct batchsandbox *sandbox, enum intent intent,
                                           const struct reconcile_config *config, int64_t now_unix_ms);

/* The merge patch of WARN, and what it says. Both are the caller's. */
json_t *retention_patch(const struct retention_decision *decision);
char *retention_message(const struct retention_decision *decision);
