/* create.c - from a request to a usable sandbox, or to nothing at all.
 *
 * With a request id, every try of the request means the same object: the first one makes it, later ones find it and wait
 * beside it. Only the try that made an object deletes it when it fails; the others see it leave, and make the next. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/follow.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"
#include "lifecycle-svc/sandbox/request_id.h"
#include "lifecycle-svc/sandbox/service.h"
#include "lifecycle-svc/sandbox/snapshots.h"
#include "lifecycle-svc/sandbox/submit.h"
#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "shared/log/log.h"

struct creation {
    const struct sandbox_service *service;
    const struct create_request *request;
    const struct sandbox_caller *caller;
    int64_t until_ms; /* monotonic */
    char id[UUID_SIZE];
    char *uid; /* of the object that we wait for */
    unsigned tries;
    struct backoff retry; /* between tries, from the third on */

    /* What the wait found. */
    struct sandbox_view view;
    enum sandbox_state last_state; /* for the text of a wait that ran out */
    bool ours;                     /* this call made the object */
    bool leaving;                  /* somebody deletes it, or did */
    bool refused;                  /* the error has its code already */
};

enum { FIRST_RETRY_MS = 50, MAX_RETRY_MS = 2000 };
enum { AGAIN = 1 }; /* a step's answer: the object of an earlier try has left, so there is room for ours */

static int64_t ms_left(const struct creation *creation)
{
    int64_t left = creation->until_ms - clock_monotonic_ms();

    return left > 0 ? left : 0;
}

static void replace(char **text, const char *by)
{
    free(*text);
    *text = by ? xstrdup(by) : NULL;
}

/* -- waiting --------------------------------------------------------------------------------------------------- */

static int failed(const orch_sandbox *sandbox, struct error *err)
{
    struct sandbox_status status;

    sandbox_status_of(sandbox, &status);
    int refused = refuse(err, CODE_POD_FAILED, "Sandbox failed to start: %s", status.message);
    free(status.message);
    return refused;
}

static int take_if_reachable(struct creation *creation, const orch_sandbox *sandbox)
{
    char *address = sandbox_address_of(sandbox);

    if (!address)
        return 0; /* SDKs ask for the endpoint at once, so running is not enough */
    free(address);
    sandbox_view_of(sandbox, &creation->view);
    return 1;
}

static int look_if_usable(void *self, const orch_sandbox *sandbox, struct error *err)
{
    struct creation *creation = self;

    if (strcmp(sandbox->uid, creation->uid) != 0)
        creation->ours = false; /* ours has left, and a rival try has made another one */
    creation->last_state = sandbox_state_of(sandbox);
    switch (creation->last_state) {
    case STATE_RUNNING:
    case STATE_ALLOCATED:
        return take_if_reachable(creation, sandbox);
    case STATE_FAILED:
        creation->refused = true;
        return failed(sandbox, err);
    case STATE_STOPPING:
        creation->leaving = creation->refused = true;
        return refuse(err, CODE_POD_FAILED, "Sandbox was deleted while it was being created");
    case STATE_PAUSING:
    case STATE_PAUSED:
    case STATE_RESUMING:
        if (creation->ours)
            return 0;
        sandbox_view_of(sandbox, &creation->view); /* it was usable once: that is what this request wanted */
        return 1;
    case STATE_PENDING:
    case STATE_MAX:
        break;
    }
    return 0;
}

static int wait_until_usable(struct creation *creation, struct error *err)
{
    if (sandbox_follow(creation->service, creation->id, creation->caller, ms_left(creation), look_if_usable,
                       creation, err) == 0)
        return 0;
    if (creation->refused)
        return -1;
    if (err->code == ERR_TIMEOUT)
        return refuse(err, CODE_POD_READY_TIMEOUT, "Sandbox was not ready within %" PRId64 " s: it is %s",
                      creation->service->create_timeout_ms / 1000,
                      creation->last_state == STATE_RUNNING ? "Running without an address"
                                                            : sandbox_state_name(creation->last_state));
    if (err->code == ERR_NOT_FOUND) {
        creation->leaving = true;
        return refuse(err, CODE_POD_FAILED, "Sandbox was deleted while it was being created");
    }
    return orchestrator_error(err, creation->id);
}

static int still_leaving(const struct creation *creation, struct error *err)
{
    return refuse(err, CODE_POD_READY_TIMEOUT,
                  "Sandbox was not ready within %" PRId64
                  " s: the one of an earlier try of this request is still being deleted",
                  creation->service->create_timeout_ms / 1000);
}

/* Ends at once when a rival try of this request was quicker, and there is a new one. */
static int look_if_replaced(void *self, const orch_sandbox *sandbox, struct error *err)
{
    (void)self;
    (void)err; /* no state is an error here */
    return !sandbox->deleting;
}

static int wait_until_gone(const struct creation *creation, struct error *err)
{
    if (sandbox_follow(creation->service, creation->id, creation->caller, ms_left(creation), look_if_replaced,
                       NULL, err) == 0 ||
        err->code == ERR_NOT_FOUND)
        return AGAIN;
    if (err->code == ERR_TIMEOUT)
        return still_leaving(creation, err);
    return orchestrator_error(err, creation->id);
}

/* -- one try --------------------------------------------------------------------------------------------------- */

/* Nobody knows the id of a sandbox whose create failed, so nobody else would delete it. */
static void abandon(const struct creation *creation)
{
    struct error err = {0};

    if (sandbox_delete(creation->service, creation->id, &err) < 0 && err.code != ERR_NOT_FOUND)
        log_failure(LOG_WARN, "a failed create may have left its sandbox behind", &err,
                    log_str("sandbox", creation->id));
}

static int submit_error(const struct creation *creation, struct error *err)
{
    if (err->code != ERR_EXISTS || !creation->caller->request_id)
        return orchestrator_error(err, creation->id);
    if (strcmp(err->reason, REQUEST_MISMATCH) == 0)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "X-Request-ID was used by a different create; use a new one");
    if (strcmp(err->reason, BEING_DELETED) != 0)
        return orchestrator_error(err, creation->id);
    return wait_until_gone(creation, err);
}

/* 0: there is an object to wait for; AGAIN; -1. */
static int submit(struct creation *creation, const struct submission *submission, struct error *err)
{
    orch_sandbox *sandbox = NULL;

    if (submit_sandbox(creation->service, submission, &sandbox, err) < 0) {
        int outcome = submit_error(creation, err);
        if (outcome < 0 && err->code == ERR_UNAVAILABLE && !submission->request_id)
            abandon(
                creation); /* perhaps only the answer was lost; with a request id, the next try finds it */
        return outcome;
    }
    creation->ours = !sandbox->existed;
    replace(&creation->uid, sandbox->uid);
    protobuf_c_message_free_unpacked(&sandbox->base, NULL);
    return 0;
}

static int try_once(struct creation *creation, const struct submission *submission, struct error *err)
{
    int submitted = submit(creation, submission, err);

    if (submitted != 0)
        return submitted;
    creation->leaving = creation->refused = false;
    if (wait_until_usable(creation, err) == 0)
        return 0;
    if (creation->leaving)
        return creation->ours ? -1 : wait_until_gone(creation, err);
    if (creation->ours)
        abandon(creation);
    return -1;
}

/* What CreateSandbox and the watch say of an object that leaves may differ for a while: neither is asked in a hurry. */
static int pause_before_retry(struct creation *creation, struct error *err)
{
    if (ms_left(creation) == 0)
        return still_leaving(creation, err);
    error_clear(err);
    if (++creation->tries == 1)
        return 0;
    int64_t pause_ms = backoff_next_ms(&creation->retry), left_ms = ms_left(creation);
    if (sandbox_follow_pause(creation->caller, pause_ms < left_ms ? pause_ms : left_ms, err) == 0)
        return 0;
    return err->code == ERR_TIMEOUT ? still_leaving(creation, err) : -1;
}

static int try_until_made(struct creation *creation, const struct submission *submission, struct error *err)
{
    int outcome;

    while ((outcome = try_once(creation, submission, err)) == AGAIN)
        if (pause_before_retry(creation, err) < 0)
            return -1;
    return outcome;
}

/* -- the whole ------------------------------------------------------------------------------------------------- */

/* The answer repeats what was asked for; only the status, the times, the source and the platform come from the object. */
static void echo_request(const struct create_request *request, struct sandbox_view *view)
{
    json_strings_free(&view->entrypoint);
    for (size_t i = 0; i < request->entrypoint.count; i++)
        json_strings_add(&view->entrypoint, request->entrypoint.items[i]);
    json_map_free(&view->metadata);
    for (size_t i = 0; i < request->metadata.count; i++)
        json_map_set(&view->metadata, request->metadata.pairs[i].key, request->metadata.pairs[i].value);
    if (!view->os && request->platform.os) {
        replace(&view->os, request->platform.os);
        replace(&view->arch, request->platform.arch);
    }
    if (view->status.state == STATE_ALLOCATED)
        view->status.state = STATE_RUNNING; /* Allocated is no published state */
}

static void name_it(struct creation *creation)
{
    if (creation->caller->request_id)
        request_uuid("create", creation->caller->request_id, creation->id);
    else
        uuid_v4(creation->id);
}

/* `restore` is empty when the sandbox comes from an image. */
static int create_from(struct creation *creation, const struct snapshot_restore *restore, int64_t now_ms,
                       struct error *err)
{
    const struct create_request *request = creation->request;
    char fingerprint[FINGERPRINT_SIZE];
    SCOPED_MANIFEST struct manifest manifest = {0};
    SCOPED_DOCKER_CONFIG struct docker_config auth = {0};
    SCOPED(string) char *auth_secret = NULL;

    name_it(creation);
    request_fingerprint(request, fingerprint);
    if (request->image.auth.username) {
        docker_config_of(&request->image, &auth);
        auth_secret = image_auth_secret_name(creation->id);
    }
    const struct manifest_subject subject = {.id = creation->id,
                                             .image = restore->image ? restore->image : request->image.uri,
                                             .pull_secret = auth_secret ? auth_secret : restore->pull_secret};
    manifest_build(request, &subject, &creation->service->manifest, now_ms, &manifest);
    const struct submission submission = {.id = creation->id,
                                          .request = request,
                                          .manifest = &manifest,
                                          .auth_secret = auth_secret,
                                          .auth = &auth,
                                          .request_id = creation->caller->request_id,
                                          .fingerprint = fingerprint};
    return try_until_made(creation, &submission, err);
}

/* The snapshot is no more, or of no use; an earlier try of this request may have been in time. */
static int create_as_before(struct creation *creation, struct error *err)
{
    const struct error unusable = *err;
    char fingerprint[FINGERPRINT_SIZE];

    if (!creation->caller->request_id || (err->code != ERR_NOT_FOUND && err->code != ERR_PRECONDITION))
        return -1;
    error_clear(err);
    name_it(creation);
    request_fingerprint(creation->request, fingerprint);
    const struct submission submission = {.id = creation->id,
                                          .request = creation->request,
                                          .request_id = creation->caller->request_id,
                                          .fingerprint = fingerprint};
    if (try_until_made(creation, &submission, err) == 0)
        return 0;
    if (err->code == ERR_NOT_FOUND)
        *err = unusable;
    return -1;
}

/* Finds what the sandbox is made from, and makes it. */
static int create_settled(struct creation *creation, int64_t now_ms, struct error *err)
{
    const struct create_request *request = creation->request;
    SCOPED_SNAPSHOT_RESTORE struct snapshot_restore restore = {0};

    if (request->snapshot_id &&
        snapshot_find_restore(creation->service, request->snapshot_id, &restore, err) < 0)
        return create_as_before(creation, err);
    if (create_request_check(request, &creation->service->check, now_ms, err) < 0)
        return -1;
    return create_from(creation, &restore, now_ms, err);
}

int sandbox_create(const struct sandbox_service *service, const struct create_request *request,
                   const struct sandbox_caller *caller, struct sandbox_view *ret_view, struct error *err)
{
    int64_t now_ms = clock_realtime_ms();
    int64_t patience_ms =
        caller->ms_left < service->create_timeout_ms ? caller->ms_left : service->create_timeout_ms;
    struct creation creation = {.service = service,
                                .request = request,
                                .caller = caller,
                                .until_ms = clock_monotonic_ms() + patience_ms,
                                .retry = {.first_ms = FIRST_RETRY_MS, .max_ms = MAX_RETRY_MS},
                                .last_state = STATE_PENDING};

    if (create_request_check_mode(request, err) < 0)
        return -1;
    int created = create_settled(&creation, now_ms, err);
    free(creation.uid);
    if (created < 0)
        return -1;
    echo_request(request, &creation.view);
    if (creation.ours)
        creation.view.created_unix_ms = now_ms;
    *ret_view = creation.view;
    return 0;
}
