/* fake_orchestrator.h - snapshot-svc for tests of its caller: real gRPC on a unix socket, sandboxes in memory, and the
 * test decides what becomes of them. Threads: any. Texts in struct fake_sandbox are borrowed for the fake's life. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "tests/wire/lifecycle/fake_snapshots.h"

enum { FAKE_MAX_LABELS = 8, FAKE_MAX_CONDITIONS = 4 };

struct fake_condition {
    const char *type, *status, *reason, *message; /* status NULL: "True" */
    int64_t transition_ms;
};

struct fake_sandbox {
    const char *name; /* labels get opensandbox.io/id = name when there are none */
    const char *phase;
    const char *endpoints;     /* "[\"10.0.0.1\"]" */
    const char *template_json; /* "": none */
    const char *labels[FAKE_MAX_LABELS][2];
    struct fake_condition conditions[FAKE_MAX_CONDITIONS];
    int64_t created_ms, expires_ms;
    int32_t ready, allocated;
    bool deleting;
    int64_t generation, acknowledged;
    const char *progress_phase; /* set: a snapshot that is Committing */
    uint64_t bytes_read, bytes_total, bytes_pushed;
    const char *image, *image_digest; /* set: the snapshot's image */

    const char *fingerprint; /* of the request that made it; the fake's own to set, as is the uid */
    unsigned uid;
};

struct fake_orchestrator;

/* Serves at socket_path, which must not exist. Fails the test when it cannot. */
struct fake_orchestrator *fake_orchestrator_new(const char *socket_path);
void fake_orchestrator_free(struct fake_orchestrator *fake);

/* Adds, or replaces the one of that name (it keeps its uid); watchers are told. */
void fake_put(struct fake_orchestrator *fake, const struct fake_sandbox *sandbox);
void fake_remove(struct fake_orchestrator *fake, const char *name);
void fake_clear(struct fake_orchestrator *fake); /* also forgets what was prepared and recorded */

/* What a sandbox is like from the moment of its creation: phase, endpoints, conditions of `as`. */
void fake_on_create(struct fake_orchestrator *fake, const struct fake_sandbox *as);

/* The next PauseSandbox or ResumeSandbox fails so; ERR_NONE: they succeed. Borrowed. */
void fake_on_pause(struct fake_orchestrator *fake, enum error_code code, const char *text);

/* From now on CreateSandbox says of every sandbox that is there that it is being deleted, and watches do not. */
void fake_claims_deletion(struct fake_orchestrator *fake);

/* From now on a deleted sandbox stays, being deleted, until fake_remove. */
void fake_deletes_slowly(struct fake_orchestrator *fake);

/* Every call fails with UNAVAILABLE while it is on. */
void fake_be_away(struct fake_orchestrator *fake, bool away);
/* Ends every running watch with UNAVAILABLE, as a restart does. */
void fake_drop_watches(struct fake_orchestrator *fake);

/* Wait for something to have happened; fail the test after 10 s. */
const char *
fake_await_created(struct fake_orchestrator *fake); /* the last one's name; valid until fake_clear */
void fake_await_deleted(struct fake_orchestrator *fake, const char *name);
void fake_await_call(struct fake_orchestrator *fake, const char *call); /* "PauseSandbox web" */
void fake_await_sent(struct fake_orchestrator *fake,
                     unsigned count); /* states sent to watchers since fake_clear */
void fake_await_watchers(struct fake_orchestrator *fake, unsigned count);

/* Recorded calls: "PauseSandbox web". Borrowed until fake_clear. */
unsigned fake_calls(struct fake_orchestrator *fake, const char *call);
/* Of the last CreateSandbox. Borrowed until the next one. */
const char *fake_created_template(struct fake_orchestrator *fake);
const char *fake_created_label(struct fake_orchestrator *fake, const char *key); /* NULL: none */
int64_t fake_created_expiry_ms(struct fake_orchestrator *fake);
/* The Secret's name, "" when there is none, and its content. */
const char *fake_created_secret(struct fake_orchestrator *fake);
char *fake_created_docker_config(struct fake_orchestrator *fake); /* a new string */
/* The claims in order, "data create 10Gi fast ReadWriteMany;" each, as a new string. */
char *fake_created_claims(struct fake_orchestrator *fake);
/* Of the last call that can carry one; "": it did not. A new string. */
char *fake_last_request_id(struct fake_orchestrator *fake);
int64_t fake_expiry_ms(struct fake_orchestrator *fake, const char *name);
