#include "tests/unit/snapshot-svc/dispatch/fake_committer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "shared/base/alloc.h"
#include "shared/base/digest.h"
#include "shared/rpc/server.h"

typedef Opensandbox__Committer__V1__CommitRequest CommitRequest;
typedef Opensandbox__Committer__V1__CommitEvent CommitEvent;
typedef Opensandbox__Committer__V1__ContainerResult ContainerResult;

enum state { RUNNING, HOLDING, DONE, FAILED, KILLED, EXPIRED };

struct commit {
    char *key, *pod_uid, *reason;
    enum state state;
    bool hold, early_release, releasable, handed_over, retryable;
    uint64_t bytes_read, progresses;
    struct commit *prev, *next;
};

struct fake_committer {
    char *address;
    struct rpc_server *server, *successor; /* NULL: not there */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct commit *commits;
    enum fake_plan plan;
    bool loses_holds;
    bool forgets, refuses_unpause, is_old;
    unsigned refusals, breaks, followers, slots;
    enum error_code refusal_code;
    const char *refusal_reason;
    struct fake_seen seen;
    int (*gate)(void *self, struct error *err);
    void *gate_self;
};

/* ---- commits; the lock is held ---- */

static struct commit *find(struct fake_committer *fake, const char *key)
{
    struct commit *commit;

    DL_FOREACH(fake->commits, commit)
    if (strcmp(commit->key, key) == 0)
        return commit;
    return NULL;
}

static struct commit *find_live(struct fake_committer *fake, const char *pod_uid)
{
    struct commit *commit;

    DL_FOREACH(fake->commits, commit)
    if (strcmp(commit->pod_uid, pod_uid) == 0 && (commit->state == RUNNING || commit->state == HOLDING))
        return commit;
    return NULL;
}

static void drop(struct fake_committer *fake, struct commit *commit)
{
    DL_DELETE(fake->commits, commit);
    free(commit->key);
    free(commit->pod_uid);
    free(commit->reason);
    free(commit);
}

static void succeed(struct commit *commit)
{
    commit->state = commit->hold ? HOLDING : DONE;
}

static void fail(struct commit *commit, const char *reason)
{
    free(commit->reason);
    commit->reason = xstrdup(reason);
    commit->state = FAILED;
}

static bool is_full(const struct fake_committer *fake)
{
    const struct commit *commit;
    unsigned running = 0;

    DL_FOREACH(fake->commits, commit)
    running += commit->state == RUNNING;
    return fake->slots && running >= fake->slots;
}

static int begin(struct fake_committer *fake, const CommitRequest *request, struct commit **ret_commit,
                 struct error *err)
{
    struct commit *other = find_live(fake, request->pod->uid);

    if (other) {
        (void)error_set(err, ERR_PRECONDITION, "commit %s works on this pod", other->key);
        return error_reason(err, "CommitSuperseded");
    }
    if (is_full(fake))
        return error_set(err, ERR_EXHAUSTED, "%u commits run on this node already", fake->slots);
    struct commit *commit = xcalloc(1, sizeof(*commit));
    commit->key = xstrdup(request->key);
    commit->progresses = fake->slots > 0; /* as the agent does: "I have begun" */
    commit->pod_uid = xstrdup(request->pod->uid);
    commit->hold = request->hold == OPENSANDBOX__COMMITTER__V1__HOLD__HOLD_UNTIL_RELEASED;
    commit->early_release = request->early_release;
    if (fake->plan == FAKE_SUCCEEDS)
        succeed(commit);
    else if (fake->plan == FAKE_FAILS)
        fail(commit, "RegistryUnauthorized");
    else if (fake->plan >= FAKE_HANDS_OVER)
        commit->releasable = commit->hold && commit->early_release;
    fake->seen.commits_begun++;
    pthread_cond_broadcast(&fake->changed);
    fake->seen.pod_is_killed = false;
    DL_APPEND(fake->commits, commit);
    *ret_commit = commit;
    return 0;
}

static void remember(struct fake_committer *fake, const CommitRequest *request)
{
    struct fake_seen *seen = &fake->seen;

    seen->commit_calls++;
    seen->insecure = request->registry && request->registry->insecure;
    seen->timeout_ms = request->timeout_ms;
    seen->early_release = request->early_release;
    snprintf(seen->docker_config, sizeof(seen->docker_config), "%.*s",
             request->registry ? (int)request->registry->docker_config_json.len : 0,
             request->registry ? (const char *)request->registry->docker_config_json.data : "");
    snprintf(seen->hold, sizeof(seen->hold), "%s",
             request->hold == OPENSANDBOX__COMMITTER__V1__HOLD__HOLD_UNTIL_RELEASED ? "hold" : "thaw");
    pthread_cond_broadcast(&fake->changed);
}

/* ---- Commit ---- */

static void wake(void *self)
{
    struct fake_committer *fake = self;

    pthread_mutex_lock(&fake->lock);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static int admit(struct fake_committer *fake, const CommitRequest *request, struct error *err)
{
    struct commit *commit = find(fake, request->key);

    remember(fake, request);
    if (fake->refusals > 0) {
        fake->refusals--;
        (void)error_set(err, fake->refusal_code, "refused by the test");
        return fake->refusal_reason ? error_reason(err, fake->refusal_reason) : -1;
    }
    if (commit && commit->state == FAILED && commit->handed_over) {
        if (strcmp(commit->reason, "CommitKept") != 0 && fake->plan != FAKE_UPLOAD_FAILS)
            commit->state = RUNNING;                /* its upload goes on */
    } else if (commit && commit->state == FAILED) { /* its caller decided to try again */
        drop(fake, commit);
        commit = NULL;
    }
    return commit ? 0 : begin(fake, request, &commit, err);
}

static int send_progress(struct rpc_call *call, uint64_t bytes_read, struct error *err)
{
    Opensandbox__Committer__V1__Progress progress = OPENSANDBOX__COMMITTER__V1__PROGRESS__INIT;
    CommitEvent event = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__INIT;

    progress.phase = OPENSANDBOX__COMMITTER__V1__PHASE__CAPTURING;
    progress.bytes_read = bytes_read;
    event.event_case = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_PROGRESS;
    event.progress = &progress;
    return rpc_send(call, &event.base, err);
}

static int send_success(struct rpc_call *call, const CommitRequest *request, bool handed_over,
                        struct error *err)
{
    struct fake_committer *fake = rpc_self(call);
    Opensandbox__Committer__V1__CommitSuccess success = OPENSANDBOX__COMMITTER__V1__COMMIT_SUCCESS__INIT;
    CommitEvent event = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__INIT;
    struct digest digest = digest_of(request->key, strlen(request->key));

    success.n_containers = request->n_containers;
    success.containers = rpc_alloc(call, (request->n_containers + 1) * sizeof(*success.containers));
    for (size_t i = 0; i < request->n_containers; i++) {
        ContainerResult *result = rpc_alloc(call, sizeof(*result));
        opensandbox__committer__v1__container_result__init(result);
        result->container = request->containers[i]->container;
        result->image = request->containers[i]->image;
        result->digest = rpc_strdup(call, digest.text);
        result->layer_size = 100;
        result->image_size = 1000;
        result->layers = 2;
        success.containers[i] = result;
    }
    success.frozen_ms = 7;
    success.path = handed_over ? OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__HANDOVER
                               : OPENSANDBOX__COMMITTER__V1__COMMIT_PATH__HOLD;
    success.path_why = (char *)"the test says so";
    event.event_case = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_SUCCESS;
    event.success = &success;
    pthread_mutex_lock(&fake->lock);
    snprintf(fake->seen.digest, sizeof(fake->seen.digest), "%s", digest.text);
    pthread_mutex_unlock(&fake->lock);
    return rpc_send(call, &event.base, err);
}

static int send_releasable(struct rpc_call *call, bool handed_over, struct error *err)
{
    Opensandbox__Committer__V1__CommitReleasable releasable =
        OPENSANDBOX__COMMITTER__V1__COMMIT_RELEASABLE__INIT;
    CommitEvent event = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__INIT;

    releasable.handed_over = handed_over;
    event.event_case = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_RELEASABLE;
    event.releasable = &releasable;
    return rpc_send(call, &event.base, err);
}

struct look {
    enum state state;
    uint64_t bytes_read, progresses;
    char *reason;
    bool breaks, gone, releasable, handed_over, retryable;
};

static int send_failure(struct rpc_call *call, const struct look *look, struct error *err)
{
    Opensandbox__Committer__V1__CommitFailure failure = OPENSANDBOX__COMMITTER__V1__COMMIT_FAILURE__INIT;
    CommitEvent event = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__INIT;

    failure.reason = look->state == EXPIRED ? (char *)"HoldExpired" : look->reason;
    failure.handed_over = look->handed_over;
    failure.retryable = look->retryable;
    failure.message = rpc_strdup(call, "the test says so");
    event.event_case = OPENSANDBOX__COMMITTER__V1__COMMIT_EVENT__EVENT_FAILURE;
    event.failure = &failure;
    return rpc_send(call, &event.base, err);
}

/* Waits for something to say about a commit. */
static struct look await_news(struct rpc_call *call, const char *key, uint64_t seen_progresses,
                              bool told_releasable)
{
    struct fake_committer *fake = rpc_self(call);
    struct look look = {0};

    pthread_mutex_lock(&fake->lock);
    struct commit *commit = find(fake, key);
    while (commit && commit->state == RUNNING && commit->progresses == seen_progresses &&
           (told_releasable || !commit->releasable) && fake->breaks == 0 && !rpc_cancelled(call)) {
        pthread_cond_wait(&fake->changed, &fake->lock);
        commit = find(fake, key);
    }
    look.gone = !commit || rpc_cancelled(call);
    look.breaks = fake->breaks > 0;
    if (look.breaks)
        fake->breaks--;
    if (commit) {
        look.state = commit->state;
        look.bytes_read = commit->bytes_read;
        look.progresses = commit->progresses;
        look.releasable = commit->releasable;
        look.handed_over = commit->handed_over;
        look.retryable = commit->retryable;
        look.reason = rpc_strdup(call, commit->reason);
    }
    pthread_mutex_unlock(&fake->lock);
    return look;
}

static int tell_progress(struct rpc_call *call, uint64_t bytes_read, struct error *err)
{
    struct fake_committer *fake = rpc_self(call);

    if (send_progress(call, bytes_read, err) < 0)
        return -1;
    pthread_mutex_lock(&fake->lock);
    fake->seen.progress_sent++;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    return 0;
}

static int follow(struct rpc_call *call, const CommitRequest *request, struct error *err)
{
    uint64_t seen = 0;
    bool told = false;

    for (;;) {
        struct look look = await_news(call, request->key, seen, told);
        if (look.gone)
            return error_set(err, ERR_CANCELLED, "the caller or the commit is gone");
        if (look.releasable && !told && send_releasable(call, look.handed_over, err) < 0)
            return -1;
        told = look.releasable;
        if (look.progresses != seen && tell_progress(call, look.bytes_read, err) < 0)
            return -1;
        seen = look.progresses;
        if (look.breaks)
            return error_set(err, ERR_UNAVAILABLE, "broken by the test");
        if (look.state == FAILED || look.state == EXPIRED)
            return send_failure(call, &look, err);
        if (look.state != RUNNING)
            return send_success(call, request, look.handed_over, err);
    }
}

static int ask_gate(struct fake_committer *fake, struct error *err)
{
    return fake->gate ? fake->gate(fake->gate_self, err) : 0;
}

static void count_follower(struct fake_committer *fake, int change)
{
    pthread_mutex_lock(&fake->lock);
    fake->followers += (unsigned)change;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static int handle_commit(struct rpc_call *call, const void *request_message, struct error *err)
{
    struct fake_committer *fake = rpc_self(call);
    const CommitRequest *request = request_message;

    if (ask_gate(fake, err) < 0)
        return -1;
    pthread_mutex_lock(&fake->lock);
    int admitted = admit(fake, request, err);
    pthread_mutex_unlock(&fake->lock);
    if (admitted < 0 || ask_gate(fake, err) < 0)
        return -1;
    rpc_on_cancel(call, wake, fake);
    count_follower(fake, 1);
    int result = follow(call, request, err);
    count_follower(fake, -1);
    rpc_on_cancel(call, NULL, NULL);
    return result;
}

/* ---- Release and Cancel ---- */

static int release(struct fake_committer *fake, const char *key, struct error *err)
{
    struct commit *commit = find(fake, key);

    fake->seen.releases++;
    if (!commit || fake->forgets) {
        (void)error_set(err, ERR_NOT_FOUND, "no commit %s", key);
        return error_reason(err, "CommitLost");
    }
    if (commit->handed_over)
        return 0;
    if (commit->state == RUNNING && commit->releasable && !fake->loses_holds) {
        commit->handed_over = fake->seen.pod_is_killed = true;
        if (fake->plan == FAKE_HANDS_OVER)
            commit->state = KILLED;
        else if (fake->plan == FAKE_UPLOAD_FAILS)
            fail(commit, "RegistryUnauthorized");
        return 0;
    }
    if (fake->loses_holds && (commit->state == HOLDING || commit->state == RUNNING))
        commit->state = EXPIRED;
    if (commit->state == EXPIRED) {
        (void)error_set(err, ERR_PRECONDITION, "the containers run again");
        return error_reason(err, "HoldExpired");
    }
    if (commit->state != HOLDING && commit->state != KILLED)
        return error_set(err, ERR_PRECONDITION, "commit %s is not held", key);
    commit->state = KILLED;
    fake->seen.pod_is_killed = true;
    return 0;
}

static int handle_release(struct rpc_call *call, const void *request_message, void *response,
                          struct error *err)
{
    struct fake_committer *fake = rpc_self(call);
    const Opensandbox__Committer__V1__ReleaseRequest *request = request_message;

    (void)response; /* empty */
    if (ask_gate(fake, err) < 0)
        return -1;
    pthread_mutex_lock(&fake->lock);
    int released = release(fake, request->key, err);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    return released < 0 ? -1 : ask_gate(fake, err);
}

static int handle_cancel(struct rpc_call *call, const void *request_message, void *response,
                         struct error *err)
{
    struct fake_committer *fake = rpc_self(call);
    const Opensandbox__Committer__V1__CancelRequest *request = request_message;

    (void)response; /* empty */
    if (ask_gate(fake, err) < 0)
        return -1;
    pthread_mutex_lock(&fake->lock);
    struct commit *commit = find(fake, request->key);
    fake->seen.cancels++;
    if (commit && commit->state == RUNNING)
        fail(commit, "CommitCancelled");
    else if (commit && commit->state == HOLDING)
        commit->state = EXPIRED;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    return ask_gate(fake, err);
}

static int keep(struct fake_committer *fake, const char *key, struct error *err)
{
    struct commit *commit = find(fake, key);

    fake->seen.keeps++;
    if (!commit || fake->forgets) {
        (void)error_set(err, ERR_NOT_FOUND, "no commit %s", key);
        return error_reason(err, "CommitLost");
    }
    if (!commit->handed_over)
        return error_set(err, ERR_PRECONDITION, "commit %s was not handed over", key);
    if (commit->state == RUNNING || commit->state == FAILED) {
        fail(commit, "CommitKept");
        commit->retryable = false;
    }
    return 0;
}

static int handle_keep(struct rpc_call *call, const void *request_message, void *response_message,
                       struct error *err)
{
    struct fake_committer *fake = rpc_self(call);
    const Opensandbox__Committer__V1__KeepLocallyRequest *request = request_message;
    Opensandbox__Committer__V1__KeepLocallyResponse *response = response_message;
    const struct digest digest = digest_of(request->key, strlen(request->key));

    if (ask_gate(fake, err) < 0)
        return -1;
    pthread_mutex_lock(&fake->lock);
    int kept = keep(fake, request->key, err);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    if (kept < 0 || ask_gate(fake, err) < 0)
        return -1;
    pthread_mutex_lock(&fake->lock);
    snprintf(fake->seen.digest, sizeof(fake->seen.digest), "%s", digest.text);
    pthread_mutex_unlock(&fake->lock);
    response->n_containers = 1;
    response->containers = rpc_alloc(call, sizeof(*response->containers));
    ContainerResult *result = response->containers[0] = rpc_alloc(call, sizeof(*result));
    opensandbox__committer__v1__container_result__init(result);
    result->container = rpc_strdup(call, "main");
    result->image = rpc_strdup(call, "registry:5000/demo-main:snap-gen1");
    result->digest = rpc_strdup(call, digest.text);
    return 0;
}

static int handle_discard(struct rpc_call *call, const void *request_message, void *response,
                          struct error *err)
{
    struct fake_committer *fake = rpc_self(call);
    const Opensandbox__Committer__V1__DiscardRequest *request = request_message;

    (void)response; /* empty */
    if (ask_gate(fake, err) < 0)
        return -1;
    pthread_mutex_lock(&fake->lock);
    const bool is_old = fake->is_old;
    struct commit *commit = find(fake, request->key);
    fake->seen.discards += !is_old;
    if (!is_old && commit && (commit->state == RUNNING || commit->state == HOLDING))
        fail(commit, "CommitCancelled");
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    if (is_old)
        return error_set(err, ERR_UNSUPPORTED, "no such method");
    return ask_gate(fake, err);
}

static int handle_unpause(struct rpc_call *call, const void *request_message, void *response,
                          struct error *err)
{
    struct fake_committer *fake = rpc_self(call);
    const Opensandbox__Committer__V1__UnpauseRequest *request = request_message;

    (void)response; /* nobody asks how many */
    if (ask_gate(fake, err) < 0)
        return -1;
    pthread_mutex_lock(&fake->lock);
    bool refused = fake->refuses_unpause;
    if (!refused)
        (void)snprintf(fake->seen.unpaused_pod, sizeof(fake->seen.unpaused_pod), "%s", request->pod->uid);
    pthread_mutex_unlock(&fake->lock);
    if (refused)
        return error_set(err, ERR_UNAVAILABLE, "containerd is away");
    return ask_gate(fake, err);
}

static const struct rpc_method methods[] = {
    {.name = "Unpause", .unary = handle_unpause},
    {.name = "Commit", .stream = handle_commit, .endless = true},
    {.name = "Release", .unary = handle_release},
    {.name = "Cancel", .unary = handle_cancel},
    {.name = "KeepLocally", .unary = handle_keep},
    {.name = "Discard", .unary = handle_discard},
    {.name = NULL},
};

/* ---- life ---- */

struct fake_committer *fake_committer_new(const char *socket_path)
{
    struct fake_committer *fake = xcalloc(1, sizeof(*fake));

    fake->address = xasprintf("unix:%s", socket_path);
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    return fake;
}

static struct rpc_server *serve(struct fake_committer *fake, const char *address)
{
    struct rpc_server *server = rpc_server_new(&(struct rpc_server_options){0});
    struct error err = {0};

    rpc_server_add(server, &opensandbox__committer__v1__committer__descriptor, methods, fake);
    if (rpc_server_listen(server, address, NULL, &err) < 0) {
        fprintf(stderr, "fake_committer: %s\n", err.text);
        abort();
    }
    rpc_server_start(server);
    return server;
}

void fake_committer_start(struct fake_committer *fake)
{
    fake->server = serve(fake, fake->address);
}

void fake_committer_start_successor(struct fake_committer *fake, const char *socket_path)
{
    SCOPED(string) char *address = xasprintf("unix:%s", socket_path);

    fake->successor = serve(fake, address);
}

static void end_serving(struct rpc_server **server)
{
    if (!*server)
        return;
    rpc_server_stop(*server, 0);
    rpc_server_free(*server);
    *server = NULL;
}

void fake_committer_stop(struct fake_committer *fake)
{
    end_serving(&fake->server);
}

void fake_committer_free(struct fake_committer *fake)
{
    if (!fake)
        return;
    end_serving(&fake->successor);
    end_serving(&fake->server);
    while (fake->commits)
        drop(fake, fake->commits);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake->address);
    free(fake);
}

/* ---- what the test says ---- */

void fake_committer_plans(struct fake_committer *fake, enum fake_plan plan)
{
    pthread_mutex_lock(&fake->lock);
    fake->plan = plan;
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_refuses(struct fake_committer *fake, unsigned times, enum error_code code,
                            const char *reason)
{
    pthread_mutex_lock(&fake->lock);
    fake->refusals = times;
    fake->refusal_code = code;
    fake->refusal_reason = reason;
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_slots(struct fake_committer *fake, unsigned slots)
{
    pthread_mutex_lock(&fake->lock);
    fake->slots = slots;
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_breaks(struct fake_committer *fake, unsigned times)
{
    pthread_mutex_lock(&fake->lock);
    fake->breaks = times;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_loses_holds(struct fake_committer *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->loses_holds = true;
    pthread_mutex_unlock(&fake->lock);
}

/* Locks; the caller unlocks by said(). */
static struct commit *say_about(struct fake_committer *fake, const char *key)
{
    pthread_mutex_lock(&fake->lock);
    struct commit *commit = find(fake, key);
    if (!commit) {
        fprintf(stderr, "fake_committer: no commit %s\n", key);
        abort();
    }
    return commit;
}

static void said(struct fake_committer *fake)
{
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_progresses(struct fake_committer *fake, const char *key, uint64_t bytes_read)
{
    struct commit *commit = say_about(fake, key);
    commit->bytes_read = bytes_read;
    commit->progresses++;
    said(fake);
}

void fake_committer_succeeds(struct fake_committer *fake, const char *key)
{
    succeed(say_about(fake, key));
    said(fake);
}

void fake_committer_fails(struct fake_committer *fake, const char *key, const char *reason)
{
    fail(say_about(fake, key), reason);
    said(fake);
}

void fake_committer_is_releasable(struct fake_committer *fake, const char *key)
{
    struct commit *commit = say_about(fake, key);
    commit->releasable = commit->hold && commit->early_release;
    said(fake);
}

void fake_committer_fails_upload(struct fake_committer *fake, const char *key, const char *reason,
                                 bool retryable)
{
    struct commit *commit = say_about(fake, key);
    fail(commit, reason);
    commit->retryable = retryable;
    said(fake);
}

void fake_committer_hands_over(struct fake_committer *fake, const char *key)
{
    struct commit *commit = say_about(fake, key);
    commit->releasable = commit->handed_over = true;
    said(fake);
}

void fake_committer_hold_runs_out(struct fake_committer *fake, const char *key)
{
    say_about(fake, key)->state = EXPIRED;
    said(fake);
}

void fake_committer_forgets(struct fake_committer *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->forgets = true;
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_is_old(struct fake_committer *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_old = true;
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_refuses_unpause(struct fake_committer *fake, bool refuses)
{
    pthread_mutex_lock(&fake->lock);
    fake->refuses_unpause = refuses;
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_await_calls(struct fake_committer *fake, unsigned commit_calls)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->seen.commit_calls < commit_calls)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

bool fake_committer_runs(struct fake_committer *fake, const char *key)
{
    pthread_mutex_lock(&fake->lock);
    const struct commit *commit = find(fake, key);
    bool runs = commit && commit->state == RUNNING;
    pthread_mutex_unlock(&fake->lock);
    return runs;
}

void fake_committer_await_begun(struct fake_committer *fake, unsigned commits_begun)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->seen.commits_begun < commits_begun)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_await_cancels(struct fake_committer *fake, unsigned cancels)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->seen.cancels < cancels)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_await_discards(struct fake_committer *fake, unsigned discards)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->seen.discards < discards)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_await_progress(struct fake_committer *fake, unsigned sent)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->seen.progress_sent < sent)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

void fake_committer_await_followers(struct fake_committer *fake, unsigned streams)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->followers != streams)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

struct fake_seen fake_committer_seen(struct fake_committer *fake)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_seen seen = fake->seen;
    pthread_mutex_unlock(&fake->lock);
    return seen;
}

void fake_committer_gate(struct fake_committer *fake, int (*gate)(void *self, struct error *err), void *self)
{
    pthread_mutex_lock(&fake->lock);
    fake->gate = gate;
    fake->gate_self = self;
    pthread_mutex_unlock(&fake->lock);
}
