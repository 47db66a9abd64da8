#include "tests/wire/lifecycle/fake_snapshots.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

typedef Opensandbox__Orchestrator__V1__Snapshot message;
typedef Opensandbox__Orchestrator__V1__Condition condition;
typedef Opensandbox__Orchestrator__V1__SandboxDescription description;

enum { MAX_SNAPSHOTS = 512, MAX_TEXTS = 64 };

struct failure {
    enum error_code code;
    const char *text;
};

struct fake_snapshots {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    uint64_t version; /* of the snapshots */
    struct fake_snapshot items[MAX_SNAPSHOTS];
    unsigned count;
    const description *description;
    const struct fake_log *lines;
    size_t line_count;
    struct failure on_logs, on_describe, on_create;
    char *texts[MAX_TEXTS]; /* what requests left in snapshots */
    unsigned text_count;
};

struct fake_snapshots *fake_snapshots_new(void)
{
    struct fake_snapshots *snapshots = xcalloc(1, sizeof(*snapshots));

    pthread_mutex_init(&snapshots->lock, NULL);
    pthread_cond_init(&snapshots->changed, NULL);
    return snapshots;
}

static void lock(struct fake_snapshots *snapshots)
{
    pthread_mutex_lock(&snapshots->lock);
}

static void unlock(struct fake_snapshots *snapshots)
{
    pthread_mutex_unlock(&snapshots->lock);
}

/* Under the lock. */
static void tell_all(struct fake_snapshots *snapshots)
{
    snapshots->version++;
    pthread_cond_broadcast(&snapshots->changed);
}

void fake_snapshots_clear(struct fake_snapshots *snapshots)
{
    static const struct fake_log hello = {0, "hello from the log"};

    lock(snapshots);
    snapshots->count = 0;
    snapshots->description = NULL;
    snapshots->lines = &hello;
    snapshots->line_count = 1;
    snapshots->on_logs = snapshots->on_describe = snapshots->on_create = (struct failure){ERR_NONE, NULL};
    while (snapshots->text_count)
        free(snapshots->texts[--snapshots->text_count]);
    unlock(snapshots);
}

void fake_snapshots_free(struct fake_snapshots *snapshots)
{
    fake_snapshots_clear(snapshots);
    pthread_cond_destroy(&snapshots->changed);
    pthread_mutex_destroy(&snapshots->lock);
    free(snapshots);
}

/* -- what the test prepares and looks at ----------------------------------------------------------------------- */

/* Under the lock. */
static struct fake_snapshot *find(struct fake_snapshots *snapshots, const char *id)
{
    for (unsigned i = 0; i < snapshots->count; i++)
        if (strcmp(snapshots->items[i].id, id) == 0)
            return &snapshots->items[i];
    return NULL;
}

static struct fake_snapshot *put(struct fake_snapshots *snapshots, const struct fake_snapshot *snapshot)
{
    struct fake_snapshot *slot = find(snapshots, snapshot->id);

    if (!slot) {
        assert_true(snapshots->count < MAX_SNAPSHOTS);
        slot = &snapshots->items[snapshots->count++];
    }
    *slot = *snapshot;
    tell_all(snapshots);
    return slot;
}

void fake_put_snapshot(struct fake_orchestrator *fake, const struct fake_snapshot *snapshot)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);

    lock(snapshots);
    (void)put(snapshots, snapshot);
    unlock(snapshots);
}

struct fake_snapshot fake_snapshot_of(struct fake_orchestrator *fake, const char *id)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);
    struct fake_snapshot found = {0};

    lock(snapshots);
    const struct fake_snapshot *slot = find(snapshots, id);
    if (slot)
        found = *slot;
    unlock(snapshots);
    if (!found.id)
        fail_msg("there is no snapshot %s", id);
    return found;
}

unsigned fake_snapshot_count(struct fake_orchestrator *fake)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);

    lock(snapshots);
    unsigned count = snapshots->count;
    unlock(snapshots);
    return count;
}

void fake_describe_as(struct fake_orchestrator *fake, const description *as)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);

    lock(snapshots);
    snapshots->description = as;
    unlock(snapshots);
}

void fake_log_as(struct fake_orchestrator *fake, const struct fake_log *lines, size_t count)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);

    lock(snapshots);
    snapshots->lines = lines;
    snapshots->line_count = count;
    unlock(snapshots);
}

static void prepare(struct fake_snapshots *snapshots, struct failure *slot, enum error_code code,
                    const char *text)
{
    lock(snapshots);
    *slot = (struct failure){code, text};
    unlock(snapshots);
}

void fake_on_logs(struct fake_orchestrator *fake, enum error_code code, const char *text)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);

    prepare(snapshots, &snapshots->on_logs, code, text);
}

void fake_on_describe(struct fake_orchestrator *fake, enum error_code code, const char *text)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);

    prepare(snapshots, &snapshots->on_describe, code, text);
}

void fake_on_create_snapshot(struct fake_orchestrator *fake, enum error_code code, const char *text)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);

    prepare(snapshots, &snapshots->on_create, code, text);
}

/* -- the wire -------------------------------------------------------------------------------------------------- */

static char *text(struct rpc_call *call, const char *in)
{
    return rpc_strdup(call, in ? in : "");
}

/* Under the lock: a copy that lives until fake_clear. */
static const char *keep(struct fake_snapshots *snapshots, const char *in)
{
    assert_true(snapshots->text_count < MAX_TEXTS);
    return snapshots->texts[snapshots->text_count++] = xstrdup(in);
}

static void write_condition(struct rpc_call *call, const struct fake_snapshot *in, message *out)
{
    bool failed = strcmp(in->phase, "Failed") == 0;

    if (!in->transition_ms)
        return;
    condition *entry = rpc_alloc(call, sizeof(*entry));
    opensandbox__orchestrator__v1__condition__init(entry);
    entry->type = text(call, failed ? "Failed" : "Ready");
    entry->status = text(call, "True");
    entry->reason = text(call, failed ? in->failed_reason : "SnapshotReady");
    entry->message = text(call, failed ? in->failed_message : "Snapshot is ready");
    entry->last_transition_unix_ms = in->transition_ms;
    out->conditions = rpc_alloc(call, sizeof(*out->conditions));
    out->conditions[out->n_conditions++] = entry;
}

static void write_image(struct rpc_call *call, const struct fake_snapshot *in, message *out)
{
    if (!in->image)
        return;
    out->containers = rpc_alloc(call, sizeof(*out->containers));
    out->containers[0] = rpc_alloc(call, sizeof(**out->containers));
    opensandbox__orchestrator__v1__snapshot_container__init(out->containers[0]);
    out->containers[0]->container = text(call, "sandbox");
    out->containers[0]->image_uri = text(call, in->image);
    out->n_containers = 1;
}

static void write_snapshot(struct rpc_call *call, const struct fake_snapshot *in, message *out)
{
    out->id = text(call, in->id);
    out->name = text(call, "osb-snap-x");
    out->sandbox = text(call, in->sandbox);
    out->display_name = text(call, in->name);
    out->phase = text(call, in->phase);
    out->created_at_unix_ms = in->created_ms;
    out->deleting = in->deleting;
    out->restore_image = text(call, in->restore_image);
    out->pull_secret = text(call, in->pull_secret);
    out->container_count = in->containers;
    write_condition(call, in, out);
    write_image(call, in, out);
}

static int not_found(const char *id, struct error *err)
{
    (void)error_set(err, ERR_NOT_FOUND, "snapshot %s not found", id);
    return error_reason(err, "SnapshotNotFound");
}

static int refuse(struct error *err, enum error_code code, const char *reason)
{
    (void)error_set(err, code, "%s", reason);
    return error_reason(err, reason);
}

/* A new one, or the one that is there already; NULL with err. Under the lock. */
static const struct fake_snapshot *take_on(struct fake_snapshots *snapshots,
                                           const Opensandbox__Orchestrator__V1__CreateSnapshotRequest *in,
                                           const Opensandbox__Orchestrator__V1__Sandbox *source,
                                           struct error *err)
{
    const struct fake_snapshot *existing = find(snapshots, in->id);
    bool paused = strcmp(source->phase, "Paused") == 0;

    if (existing) {
        if (strcmp(existing->sandbox, in->sandbox) == 0 && strcmp(existing->name, in->display_name) == 0)
            return existing;
        (void)error_set(err, ERR_EXISTS, "snapshot %s is of another sandbox", in->id);
        return NULL;
    }
    if (!paused && strcmp(source->phase, "Succeed") != 0) {
        (void)refuse(err, ERR_PRECONDITION, "InvalidSourceState");
        return NULL;
    }
    return put(snapshots, &(struct fake_snapshot){
                              .id = keep(snapshots, in->id),
                              .sandbox = keep(snapshots, in->sandbox),
                              .name = keep(snapshots, in->display_name),
                              .phase = paused ? "Succeed" : "",
                              .restore_image = paused ? "registry/web-sandbox:snap-gen1@sha256:0" : "",
                              .containers = paused,
                              .created_ms = 1763303070000,
                          });
}

int fake_create_snapshot(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);
    const Opensandbox__Orchestrator__V1__CreateSnapshotRequest *in = request;
    Opensandbox__Orchestrator__V1__Sandbox source = OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX__INIT;
    const struct fake_snapshot *snapshot = NULL;

    if (fake_enter(fake, "CreateSnapshot", in->sandbox, err) < 0 ||
        fake_write(fake, call, in->sandbox, &source, err) < 0)
        return -1;
    lock(snapshots);
    if (snapshots->on_create.code)
        (void)error_set(err, snapshots->on_create.code, "%s", snapshots->on_create.text);
    else
        snapshot = take_on(snapshots, in, &source, err);
    if (snapshot)
        write_snapshot(call, snapshot, response);
    unlock(snapshots);
    return snapshot ? 0 : -1;
}

int fake_get_snapshot(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);
    const Opensandbox__Orchestrator__V1__GetSnapshotRequest *in = request;
    int outcome = 0;

    if (fake_enter(fake, "GetSnapshot", in->id, err) < 0)
        return -1;
    lock(snapshots);
    const struct fake_snapshot *snapshot = find(snapshots, in->id);
    if (snapshot)
        write_snapshot(call, snapshot, response);
    else
        outcome = not_found(in->id, err);
    unlock(snapshots);
    return outcome;
}

static int newest_first(const void *left, const void *right)
{
    const message *a = *(message *const *)left, *b = *(message *const *)right;

    if (a->created_at_unix_ms != b->created_at_unix_ms)
        return a->created_at_unix_ms < b->created_at_unix_ms ? 1 : -1;
    return strcmp(b->id, a->id);
}

static bool is_asked_for(const struct fake_snapshot *snapshot,
                         const Opensandbox__Orchestrator__V1__ListSnapshotsRequest *in)
{
    if (*in->sandbox && strcmp(in->sandbox, snapshot->sandbox) != 0)
        return false;
    return !*in->display_name || (snapshot->name && strcmp(in->display_name, snapshot->name) == 0);
}

int fake_list_snapshots(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);
    Opensandbox__Orchestrator__V1__ListSnapshotsResponse *out = response;

    if (fake_enter(fake, "ListSnapshots", "", err) < 0)
        return -1;
    lock(snapshots);
    out->snapshots = rpc_alloc(call, (snapshots->count + 1) * sizeof(*out->snapshots));
    for (unsigned i = 0; i < snapshots->count; i++) {
        if (!is_asked_for(&snapshots->items[i], request))
            continue;
        message *item = rpc_alloc(call, sizeof(*item));
        opensandbox__orchestrator__v1__snapshot__init(item);
        write_snapshot(call, &snapshots->items[i], item);
        out->snapshots[out->n_snapshots++] = item;
    }
    unlock(snapshots);
    qsort(out->snapshots, out->n_snapshots, sizeof(*out->snapshots), newest_first);
    return 0;
}

int fake_delete_snapshot(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);
    const Opensandbox__Orchestrator__V1__DeleteSnapshotRequest *in = request;
    int outcome = 0;

    (void)response; /* empty */
    if (fake_enter(fake, "DeleteSnapshot", in->id, err) < 0)
        return -1;
    lock(snapshots);
    struct fake_snapshot *slot = find(snapshots, in->id);
    if (!slot)
        outcome = not_found(in->id, err);
    else if (strcmp(slot->phase, "Succeed") != 0 && strcmp(slot->phase, "Failed") != 0)
        outcome = refuse(err, ERR_PRECONDITION, "InvalidState");
    else
        *slot = snapshots->items[--snapshots->count];
    tell_all(snapshots);
    unlock(snapshots);
    return outcome;
}

static void wake(void *self)
{
    struct fake_snapshots *snapshots = self;

    lock(snapshots);
    pthread_cond_broadcast(&snapshots->changed);
    unlock(snapshots);
}

/* Under the lock, but not while it sends. */
static int send_state(struct fake_snapshots *snapshots, struct rpc_call *call, const char *id,
                      struct error *err)
{
    message state = OPENSANDBOX__ORCHESTRATOR__V1__SNAPSHOT__INIT;
    const struct fake_snapshot *snapshot = find(snapshots, id);

    if (!snapshot)
        return not_found(id, err);
    write_snapshot(call, snapshot, &state);
    unlock(snapshots);
    int sent = rpc_send(call, &state.base, err);
    lock(snapshots);
    return sent;
}

static int follow(struct fake_snapshots *snapshots, struct rpc_call *call, const char *id, struct error *err)
{
    for (;;) {
        uint64_t seen = snapshots->version;
        if (send_state(snapshots, call, id, err) < 0)
            return -1;
        while (snapshots->version == seen && !rpc_cancelled(call))
            pthread_cond_wait(&snapshots->changed, &snapshots->lock);
        if (rpc_cancelled(call))
            return error_set(err, ERR_CANCELLED, "the watcher left");
    }
}

int fake_watch_snapshot(struct rpc_call *call, const void *request, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);
    const Opensandbox__Orchestrator__V1__GetSnapshotRequest *in = request;

    if (fake_enter(fake, "WatchSnapshot", in->id, err) < 0)
        return -1;
    rpc_on_cancel(call, wake, snapshots);
    lock(snapshots);
    int outcome = follow(snapshots, call, in->id, err);
    unlock(snapshots);
    return outcome;
}

int fake_describe(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    struct fake_snapshots *snapshots = fake_snapshots_of(fake);
    const Opensandbox__Orchestrator__V1__GetSandboxRequest *in = request;
    description *out = response;

    if (fake_enter(fake, "DescribeSandbox", in->name, err) < 0)
        return -1;
    lock(snapshots);
    struct failure failure = snapshots->on_describe;
    if (snapshots->description)
        *out = *snapshots->description; /* the lists stay the test's */
    unlock(snapshots);
    if (failure.code)
        return error_set(err, failure.code, "%s", failure.text);
    out->sandbox = rpc_alloc(call, sizeof(*out->sandbox));
    opensandbox__orchestrator__v1__sandbox__init(out->sandbox);
    return fake_write(fake, call, in->name, out->sandbox, err);
}

static int send_line(struct rpc_call *call, const struct fake_log *log, struct error *err)
{
    Opensandbox__Orchestrator__V1__SandboxLogsEvent event =
        OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX_LOGS_EVENT__INIT;

    event.time_unix_ns = log->time_unix_ms * 1000000;
    event.line = (ProtobufCBinaryData){.data = (uint8_t *)log->line, .len = strlen(log->line)};
    return rpc_send(call, &event.base, err);
}

int fake_logs(struct rpc_call *call, const void *request, struct error *err)
{
    struct fake_snapshots *snapshots = fake_snapshots_of(rpc_self(call));
    const Opensandbox__Orchestrator__V1__SandboxLogsRequest *in = request;

    lock(snapshots);
    struct failure failure = snapshots->on_logs;
    const struct fake_log *lines = snapshots->lines;
    size_t count = snapshots->line_count;
    unlock(snapshots);
    if (failure.code)
        return error_set(err, failure.code, "%s", failure.text);
    size_t first = in->tail_lines > 0 && (size_t)in->tail_lines < count ? count - (size_t)in->tail_lines : 0;
    for (size_t i = first; i < count; i++)
        if (send_line(call, &lines[i], err) < 0)
            return -1;
    return 0;
}
