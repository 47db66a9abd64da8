#include "tests/wire/lifecycle/fake_orchestrator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "opensandbox/orchestrator/v1/orchestrator.pb-c.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/strbuf.h"
#include "shared/rpc/server.h"
#include "shared/sandbox_state/sandbox_rows.h"
#include "shared/sandbox_state/sandbox_state.h"

typedef Opensandbox__Orchestrator__V1__Sandbox message;
typedef Opensandbox__Orchestrator__V1__Sandbox__LabelsEntry label;
typedef Opensandbox__Orchestrator__V1__Condition condition;
typedef Opensandbox__Orchestrator__V1__CreateSandboxRequest create_request;
typedef Opensandbox__Orchestrator__V1__ListSandboxesRequest list_request;

enum {
    MAX_SANDBOXES = 256,
    PART_MAX = 30,
    MAX_CALLS = 512,
    MAX_TEXTS = 64,
    MAX_CREATED = 64,
    PATIENCE_MS = 10000
};

struct fake_orchestrator {
    struct rpc_server *server;
    struct fake_snapshots *snapshots; /* has a lock of its own */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct fake_sandbox sandboxes[MAX_SANDBOXES];
    unsigned count, uids;
    uint64_t version, dropped; /* of the sandboxes; how often watches were dropped */
    unsigned watchers, sent;
    struct fake_sandbox on_create;
    enum error_code pause_code;
    const char *pause_text;
    bool away;
    char *calls[MAX_CALLS];
    unsigned call_count;
    create_request *created;              /* the last one of these */
    create_request *creates[MAX_CREATED]; /* copies */
    unsigned create_count;
    bool deletes_slowly, claims_deletion;
    char *texts[MAX_TEXTS]; /* what requests left in sandboxes */
    unsigned text_count;
    char *request_id;
};

static void lock(struct fake_orchestrator *fake)
{
    pthread_mutex_lock(&fake->lock);
}

static void unlock(struct fake_orchestrator *fake)
{
    pthread_mutex_unlock(&fake->lock);
}

static void tell_all(struct fake_orchestrator *fake)
{
    fake->version++;
    pthread_cond_broadcast(&fake->changed);
}

/* -- what happened --------------------------------------------------------------------------------------------- */

/* Under the lock. */
static void record(struct fake_orchestrator *fake, const char *method, const char *name)
{
    assert_true(fake->call_count < MAX_CALLS);
    fake->calls[fake->call_count++] = xasprintf("%s %s", method, name);
    pthread_cond_broadcast(&fake->changed);
}

static unsigned count_calls(const struct fake_orchestrator *fake, const char *call)
{
    unsigned count = 0;

    for (unsigned i = 0; i < fake->call_count; i++)
        count += strcmp(fake->calls[i], call) == 0;
    return count;
}

unsigned fake_calls(struct fake_orchestrator *fake, const char *call)
{
    lock(fake);
    unsigned count = count_calls(fake, call);
    unlock(fake);
    return count;
}

/* Under the lock; answers false when patience is over. */
static bool wait_for_change(struct fake_orchestrator *fake, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    return pthread_cond_timedwait(&fake->changed, &fake->lock, &until) == 0;
}

const char *fake_await_created(struct fake_orchestrator *fake)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    bool patient = true;

    lock(fake);
    while (!fake->created && patient)
        patient = wait_for_change(fake, until_ms);
    const char *name = fake->created ? fake->created->name : NULL;
    unlock(fake);
    if (!name)
        fail_msg("nobody created a sandbox");
    return name;
}

void fake_await_call(struct fake_orchestrator *fake, const char *call)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    bool patient = true;

    lock(fake);
    while (count_calls(fake, call) == 0 && patient)
        patient = wait_for_change(fake, until_ms);
    unlock(fake);
    if (!patient)
        fail_msg("nobody called %s", call);
}

void fake_await_deleted(struct fake_orchestrator *fake, const char *name)
{
    char *call = xasprintf("DeleteSandbox %s", name);

    fake_await_call(fake, call);
    free(call);
}

void fake_await_sent(struct fake_orchestrator *fake, unsigned count)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    bool patient = true;

    lock(fake);
    while (fake->sent < count && patient)
        patient = wait_for_change(fake, until_ms);
    unlock(fake);
    if (!patient)
        fail_msg("want %u states sent, there were %u", count, fake->sent);
}

void fake_await_watchers(struct fake_orchestrator *fake, unsigned count)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    bool patient = true;

    lock(fake);
    while (fake->watchers != count && patient)
        patient = wait_for_change(fake, until_ms);
    unlock(fake);
    if (!patient)
        fail_msg("want %u watchers, there are %u", count, fake->watchers);
}

/* -- the sandboxes --------------------------------------------------------------------------------------------- */

/* Under the lock. */
static struct fake_sandbox *find(struct fake_orchestrator *fake, const char *name)
{
    for (unsigned i = 0; i < fake->count; i++)
        if (strcmp(fake->sandboxes[i].name, name) == 0)
            return &fake->sandboxes[i];
    return NULL;
}

static void put(struct fake_orchestrator *fake, const struct fake_sandbox *sandbox)
{
    struct fake_sandbox *slot = find(fake, sandbox->name);

    if (!slot) {
        assert_true(fake->count < MAX_SANDBOXES);
        slot = &fake->sandboxes[fake->count++];
        *slot = (struct fake_sandbox){.uid = ++fake->uids};
    }
    unsigned uid = slot->uid;
    const char *fingerprint = sandbox->fingerprint ? sandbox->fingerprint : slot->fingerprint;
    *slot = *sandbox;
    slot->uid = uid;
    slot->fingerprint = fingerprint;
    tell_all(fake);
}

void fake_put(struct fake_orchestrator *fake, const struct fake_sandbox *sandbox)
{
    lock(fake);
    put(fake, sandbox);
    unlock(fake);
}

static bool drop(struct fake_orchestrator *fake, const char *name)
{
    struct fake_sandbox *slot = find(fake, name);

    if (!slot)
        return false;
    *slot = fake->sandboxes[--fake->count];
    tell_all(fake);
    return true;
}

void fake_remove(struct fake_orchestrator *fake, const char *name)
{
    lock(fake);
    (void)drop(fake, name); /* absent is what is wanted */
    unlock(fake);
}

void fake_clear(struct fake_orchestrator *fake)
{
    lock(fake);
    fake->count = 0;
    fake->on_create = (struct fake_sandbox){.phase = "Succeed", .endpoints = "[\"10.0.0.9\"]"};
    fake->pause_code = ERR_NONE;
    fake->away = false;
    while (fake->call_count)
        free(fake->calls[--fake->call_count]);
    while (fake->create_count)
        protobuf_c_message_free_unpacked(&fake->creates[--fake->create_count]->base, NULL);
    while (fake->text_count)
        free(fake->texts[--fake->text_count]);
    free(fake->request_id);
    fake->request_id = NULL;
    fake->created = NULL;
    fake->deletes_slowly = fake->claims_deletion = false;
    fake->sent = 0;
    tell_all(fake);
    unlock(fake);
    fake_snapshots_clear(fake->snapshots);
}

void fake_on_create(struct fake_orchestrator *fake, const struct fake_sandbox *as)
{
    lock(fake);
    fake->on_create = *as;
    unlock(fake);
}

void fake_on_pause(struct fake_orchestrator *fake, enum error_code code, const char *text)
{
    lock(fake);
    fake->pause_code = code;
    fake->pause_text = text;
    unlock(fake);
}

void fake_deletes_slowly(struct fake_orchestrator *fake)
{
    lock(fake);
    fake->deletes_slowly = true;
    unlock(fake);
}

void fake_claims_deletion(struct fake_orchestrator *fake)
{
    lock(fake);
    fake->claims_deletion = true;
    unlock(fake);
}

void fake_be_away(struct fake_orchestrator *fake, bool away)
{
    lock(fake);
    fake->away = away;
    unlock(fake);
}

void fake_drop_watches(struct fake_orchestrator *fake)
{
    lock(fake);
    fake->dropped++;
    tell_all(fake);
    unlock(fake);
}

const char *fake_created_template(struct fake_orchestrator *fake)
{
    (void)fake_await_created(fake);
    return fake->created->template_json;
}

const char *fake_created_label(struct fake_orchestrator *fake, const char *key)
{
    (void)fake_await_created(fake);
    for (size_t i = 0; i < fake->created->n_labels; i++)
        if (strcmp(fake->created->labels[i]->key, key) == 0)
            return fake->created->labels[i]->value;
    return NULL;
}

int64_t fake_created_expiry_ms(struct fake_orchestrator *fake)
{
    (void)fake_await_created(fake);
    return fake->created->expire_time_unix_ms;
}

const char *fake_created_secret(struct fake_orchestrator *fake)
{
    (void)fake_await_created(fake);
    return fake->created->image_auth_secret;
}

char *fake_created_docker_config(struct fake_orchestrator *fake)
{
    (void)fake_await_created(fake);
    return xstrndup((const char *)fake->created->image_auth_docker_config.data,
                    fake->created->image_auth_docker_config.len);
}

char *fake_created_claims(struct fake_orchestrator *fake)
{
    struct strbuf claims = STRBUF_INIT;

    (void)fake_await_created(fake);
    strbuf_adds(&claims, "");
    for (size_t i = 0; i < fake->created->n_claims; i++) {
        const Opensandbox__Orchestrator__V1__VolumeClaim *claim = fake->created->claims[i];
        strbuf_addf(&claims, "%s %s %s %s", claim->name, claim->create ? "create" : "wait", claim->storage,
                    claim->storage_class);
        for (size_t mode = 0; mode < claim->n_access_modes; mode++)
            strbuf_addf(&claims, " %s", claim->access_modes[mode]);
        strbuf_addc(&claims, ';');
    }
    return strbuf_take(&claims);
}

char *fake_last_request_id(struct fake_orchestrator *fake)
{
    lock(fake);
    char *request_id = xstrdup(fake->request_id);
    unlock(fake);
    return request_id;
}

int64_t fake_expiry_ms(struct fake_orchestrator *fake, const char *name)
{
    lock(fake);
    const struct fake_sandbox *sandbox = find(fake, name);
    int64_t expires_ms = sandbox ? sandbox->expires_ms : -1;
    unlock(fake);
    return expires_ms;
}

/* -- the wire -------------------------------------------------------------------------------------------------- */

static char *text(struct rpc_call *call, const char *in)
{
    return rpc_strdup(call, in ? in : "");
}

static void write_labels(struct rpc_call *call, const struct fake_sandbox *in, message *out)
{
    static const char *const id_label[2] = {"opensandbox.io/id", NULL};

    out->labels = rpc_alloc(call, (FAKE_MAX_LABELS + 1) * sizeof(*out->labels));
    for (size_t i = 0; i < FAKE_MAX_LABELS; i++) {
        const char *const *pair = in->labels[i][0] || i > 0 ? in->labels[i] : id_label;
        if (!pair[0])
            break;
        label *entry = rpc_alloc(call, sizeof(*entry));
        opensandbox__orchestrator__v1__sandbox__labels_entry__init(entry);
        entry->key = text(call, pair[0]);
        entry->value = text(call, pair[1] ? pair[1] : in->name);
        out->labels[out->n_labels++] = entry;
    }
}

static void write_conditions(struct rpc_call *call, const struct fake_sandbox *in, message *out)
{
    out->conditions = rpc_alloc(call, FAKE_MAX_CONDITIONS * sizeof(*out->conditions));
    for (size_t i = 0; i < FAKE_MAX_CONDITIONS && in->conditions[i].type; i++) {
        condition *entry = rpc_alloc(call, sizeof(*entry));
        opensandbox__orchestrator__v1__condition__init(entry);
        entry->type = text(call, in->conditions[i].type);
        entry->status = text(call, in->conditions[i].status ? in->conditions[i].status : "True");
        entry->reason = text(call, in->conditions[i].reason);
        entry->message = text(call, in->conditions[i].message);
        entry->last_transition_unix_ms = in->conditions[i].transition_ms;
        out->conditions[out->n_conditions++] = entry;
    }
}

static void write_snapshot(struct rpc_call *call, const struct fake_sandbox *in, message *out)
{
    if (!in->progress_phase && !in->image)
        return;
    Opensandbox__Orchestrator__V1__Snapshot *snapshot = rpc_alloc(call, sizeof(*snapshot));
    opensandbox__orchestrator__v1__snapshot__init(snapshot);
    if (in->progress_phase) {
        snapshot->progress = rpc_alloc(call, sizeof(*snapshot->progress));
        opensandbox__orchestrator__v1__snapshot_progress__init(snapshot->progress);
        snapshot->progress->phase = text(call, in->progress_phase);
        snapshot->progress->bytes_read = in->bytes_read;
        snapshot->progress->bytes_total = in->bytes_total;
        snapshot->progress->bytes_pushed = in->bytes_pushed;
    }
    if (in->image) {
        snapshot->containers = rpc_alloc(call, sizeof(*snapshot->containers));
        snapshot->containers[0] = rpc_alloc(call, sizeof(**snapshot->containers));
        opensandbox__orchestrator__v1__snapshot_container__init(snapshot->containers[0]);
        snapshot->containers[0]->container = text(call, "sandbox");
        snapshot->containers[0]->image_uri = text(call, in->image);
        snapshot->containers[0]->image_digest = text(call, in->image_digest);
        snapshot->n_containers = 1;
    }
    out->snapshot = snapshot;
}

static void write_sandbox(struct rpc_call *call, const struct fake_sandbox *in, message *out)
{
    out->name = text(call, in->name);
    out->uid = rpc_printf(call, "uid-%u", in->uid);
    out->namespace_ = text(call, "default");
    out->phase = text(call, in->phase);
    out->endpoints_json = text(call, in->endpoints);
    out->template_json = text(call, in->template_json);
    out->created_at_unix_ms = in->created_ms;
    out->expire_time_unix_ms = in->expires_ms;
    out->ready = in->ready;
    out->allocated = in->allocated;
    out->deleting = in->deleting;
    out->generation = in->generation;
    out->acknowledged_generation = in->acknowledged;
    write_labels(call, in, out);
    write_conditions(call, in, out);
    write_snapshot(call, in, out);
}

/* Under the lock. */
static int check_presence(const struct fake_orchestrator *fake, struct error *err)
{
    return fake->away ? error_set(err, ERR_UNAVAILABLE, "the orchestrator is away") : 0;
}

static int not_found(const char *name, struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, "batchsandboxes \"%s\" not found", name);
}

static create_request *copy_of(const create_request *request)
{
    size_t size = protobuf_c_message_get_packed_size(&request->base);
    uint8_t *packed = xcalloc(1, size + 1);

    (void)protobuf_c_message_pack(&request->base, packed);
    create_request *copy = opensandbox__orchestrator__v1__create_sandbox_request__unpack(NULL, size, packed);
    free(packed);
    return copy;
}

/* Under the lock. */
static void note_request_id(struct fake_orchestrator *fake, const char *request_id)
{
    free(fake->request_id);
    fake->request_id = xstrdup(request_id);
}

static int judge_existing(const struct fake_orchestrator *fake, const struct fake_sandbox *existing,
                          const create_request *request, struct error *err)
{
    (void)error_set(err, ERR_EXISTS, "batchsandboxes \"%s\" already exists", request->name);
    if (!*request->request_id)
        return -1;
    if (!existing->fingerprint || strcmp(existing->fingerprint, request->request_fingerprint) != 0)
        return error_reason(err, "RequestMismatch");
    if (existing->deleting || fake->claims_deletion)
        return error_reason(err, "BeingDeleted");
    error_clear(err);
    return 0;
}

static const struct fake_sandbox *make(struct fake_orchestrator *fake, const create_request *request)
{
    struct fake_sandbox sandbox = fake->on_create;

    assert_true(fake->create_count < MAX_CREATED);
    fake->created = fake->creates[fake->create_count++] = copy_of(request);
    sandbox.name = fake->created->name;
    sandbox.template_json = fake->created->template_json;
    sandbox.expires_ms = fake->created->expire_time_unix_ms;
    sandbox.fingerprint = fake->created->request_fingerprint;
    put(fake, &sandbox);
    return find(fake, sandbox.name);
}

static int create(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    const create_request *in = request;
    message *out = response;

    lock(fake);
    int outcome = check_presence(fake, err);
    if (outcome == 0) {
        const struct fake_sandbox *sandbox = find(fake, in->name);
        note_request_id(fake, in->request_id);
        out->existed = sandbox != NULL;
        if (sandbox)
            outcome = judge_existing(fake, sandbox, in, err);
        else if (in->existing_only)
            outcome = not_found(in->name, err);
        else
            sandbox = make(fake, in);
        if (outcome == 0)
            write_sandbox(call, sandbox, out);
        record(fake, "CreateSandbox", in->name);
    }
    unlock(fake);
    return outcome;
}

/* -- for the other half ---------------------------------------------------------------------------------------- */

struct fake_snapshots *fake_snapshots_of(struct fake_orchestrator *fake)
{
    return fake->snapshots;
}

int fake_enter(struct fake_orchestrator *fake, const char *method, const char *name, struct error *err)
{
    lock(fake);
    record(fake, method, name);
    int outcome = check_presence(fake, err);
    unlock(fake);
    return outcome;
}

int fake_write(struct fake_orchestrator *fake, struct rpc_call *call, const char *name, message *out,
               struct error *err)
{
    lock(fake);
    const struct fake_sandbox *sandbox = find(fake, name);
    if (sandbox)
        write_sandbox(call, sandbox, out);
    unlock(fake);
    return sandbox ? 0 : not_found(name, err);
}

/* -- edits ----------------------------------------------------------------------------------------------------- */

static int renew(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    const Opensandbox__Orchestrator__V1__RenewSandboxRequest *in = request;

    lock(fake);
    int outcome = check_presence(fake, err);
    if (outcome == 0) {
        struct fake_sandbox *sandbox = find(fake, in->name);
        record(fake, "RenewSandbox", in->name);
        if (!sandbox) {
            outcome = not_found(in->name, err);
        } else if (sandbox->expires_ms == 0) {
            (void)error_set(err, ERR_PRECONDITION, "sandbox %s never expires", in->name);
            outcome = error_reason(err, "NoExpiry");
        } else {
            sandbox->expires_ms = (in->expire_time_unix_ms + 999) / 1000 * 1000;
            tell_all(fake);
            write_sandbox(call, sandbox, response);
        }
    }
    unlock(fake);
    return outcome;
}

/* Under the lock: a copy that lives until fake_clear. */
static const char *keep(struct fake_orchestrator *fake, const char *text)
{
    assert_true(fake->text_count < MAX_TEXTS);
    return fake->texts[fake->text_count++] = xstrdup(text);
}

static void set_label(struct fake_orchestrator *fake, struct fake_sandbox *sandbox, const char *key,
                      const char *value)
{
    size_t i = 0;

    while (i < FAKE_MAX_LABELS && sandbox->labels[i][0] && strcmp(sandbox->labels[i][0], key) != 0)
        i++;
    assert_true(i < FAKE_MAX_LABELS);
    sandbox->labels[i][0] = keep(fake, key);
    sandbox->labels[i][1] = keep(fake, value);
}

static void remove_label(struct fake_sandbox *sandbox, const char *key)
{
    size_t kept = 0;

    for (size_t i = 0; i < FAKE_MAX_LABELS; i++) {
        const char *const pair[2] = {sandbox->labels[i][0], sandbox->labels[i][1]};
        sandbox->labels[i][0] = sandbox->labels[i][1] = NULL;
        if (!pair[0] || strcmp(pair[0], key) == 0)
            continue;
        sandbox->labels[kept][0] = pair[0];
        sandbox->labels[kept++][1] = pair[1];
    }
}

static int label_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    const Opensandbox__Orchestrator__V1__LabelSandboxRequest *in = request;

    lock(fake);
    int outcome = check_presence(fake, err);
    if (outcome == 0) {
        struct fake_sandbox *sandbox = find(fake, in->name);
        record(fake, "LabelSandbox", in->name);
        if (sandbox) {
            for (size_t i = 0; i < in->n_set; i++)
                set_label(fake, sandbox, in->set[i]->key, in->set[i]->value);
            for (size_t i = 0; i < in->n_remove; i++)
                remove_label(sandbox, in->remove[i]);
            tell_all(fake);
            write_sandbox(call, sandbox, response);
        } else {
            outcome = not_found(in->name, err);
        }
    }
    unlock(fake);
    return outcome;
}

/* -- reads ----------------------------------------------------------------------------------------------------- */

static int get(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    const Opensandbox__Orchestrator__V1__GetSandboxRequest *get_request = request;

    lock(fake);
    int outcome = check_presence(fake, err);
    if (outcome == 0) {
        const struct fake_sandbox *sandbox = find(fake, get_request->name);
        record(fake, "GetSandbox", get_request->name);
        if (sandbox)
            write_sandbox(call, sandbox, response);
        else
            outcome = not_found(get_request->name, err);
    }
    unlock(fake);
    return outcome;
}

static bool is_listed(const message *sandbox, const list_request *request)
{
    const struct sandbox_signs signs = {.deleting = sandbox->deleting,
                                        .phase = sandbox->phase,
                                        .ready = sandbox->ready,
                                        .allocated = sandbox->allocated,
                                        .endpoints = sandbox->endpoints_json};
    size_t found = 0;

    for (size_t wanted = 0; wanted < request->n_labels; wanted++)
        for (size_t i = 0; i < sandbox->n_labels; i++)
            found += strcmp(sandbox->labels[i]->key, request->labels[wanted]->key) == 0 &&
                     strcmp(sandbox->labels[i]->value, request->labels[wanted]->value) == 0;
    return found == request->n_labels &&
           sandbox_state_is_one_of(sandbox_facet_of(&signs)->state, request->states, request->n_states);
}

static int list(struct rpc_call *call, const void *request_, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    const list_request *request = request_;
    Opensandbox__Orchestrator__V1__ListSandboxesResponse *part = response;
    struct sandbox_row rows[MAX_SANDBOXES];
    size_t found = 0, first = 0, count = 0;

    lock(fake);
    int outcome = check_presence(fake, err);
    for (unsigned i = 0; outcome == 0 && i < fake->count; i++) {
        message *item = rpc_alloc(call, sizeof(*item));
        opensandbox__orchestrator__v1__sandbox__init(item);
        write_sandbox(call, &fake->sandboxes[i], item);
        if (is_listed(item, request))
            rows[found++] = (struct sandbox_row){item, item->name, item->created_at_unix_ms};
    }
    unlock(fake);
    sandbox_rows_part(rows, found, request->skip, request->take, &first, &count);
    part->total = (int64_t)found;
    if (count > PART_MAX) /* as when no more fit into a message */
        count = PART_MAX;
    part->sandboxes = rpc_alloc(call, (count + 1) * sizeof(*part->sandboxes));
    for (size_t i = 0; i < count; i++)
        part->sandboxes[part->n_sandboxes++] = rows[first + i].sandbox;
    return outcome;
}

static int delete (struct rpc_call *call, const void *request, void *response, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    const Opensandbox__Orchestrator__V1__DeleteSandboxRequest *delete_request = request;

    (void)response;
    lock(fake);
    int outcome = check_presence(fake, err);
    if (outcome == 0) {
        record(fake, "DeleteSandbox", delete_request->name);
        struct fake_sandbox *sandbox = find(fake, delete_request->name);
        if (!sandbox)
            outcome = not_found(delete_request->name, err);
        else if (fake->deletes_slowly)
            sandbox->deleting = true;
        else
            (void)drop(fake, delete_request->name);
        tell_all(fake);
    }
    unlock(fake);
    return outcome;
}

/* The request's generation is the sandbox's next one; the test says when it is answered. */
static int switch_pause(struct rpc_call *call, const char *method, const char *name, const char *request_id,
                        int64_t *ret_generation, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);

    lock(fake);
    int outcome = check_presence(fake, err);
    if (outcome == 0) {
        const struct fake_sandbox *found = find(fake, name);
        record(fake, method, name);
        note_request_id(fake, request_id);
        if (found)
            *ret_generation = found->generation + 1;
        if (!found)
            outcome = not_found(name, err);
        else if (fake->pause_code != ERR_NONE)
            outcome = error_set(err, fake->pause_code, "%s", fake->pause_text);
    }
    unlock(fake);
    return outcome;
}

static int pause_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Orchestrator__V1__PauseSandboxRequest *in = request;

    return switch_pause(call, "PauseSandbox", in->name, in->request_id,
                        &((Opensandbox__Orchestrator__V1__PauseSandboxResponse *)response)->generation, err);
}

static int resume_sandbox(struct rpc_call *call, const void *request, void *response, struct error *err)
{
    const Opensandbox__Orchestrator__V1__ResumeSandboxRequest *in = request;

    return switch_pause(call, "ResumeSandbox", in->name, in->request_id,
                        &((Opensandbox__Orchestrator__V1__ResumeSandboxResponse *)response)->generation, err);
}

static void wake(void *self)
{
    struct fake_orchestrator *fake = self;

    lock(fake);
    pthread_cond_broadcast(&fake->changed);
    unlock(fake);
}

/* Under the lock, which it gives up to send. */
static int send_state(struct fake_orchestrator *fake, struct rpc_call *call, const char *name,
                      struct error *err)
{
    const struct fake_sandbox *sandbox = find(fake, name);
    message state = OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX__INIT;

    if (!sandbox)
        return not_found(name, err);
    write_sandbox(call, sandbox, &state);
    unlock(fake);
    int sent = rpc_send(call, &state.base, err);
    lock(fake);
    fake->sent++;
    pthread_cond_broadcast(&fake->changed);
    return sent;
}

static int follow(struct fake_orchestrator *fake, struct rpc_call *call, const char *name, struct error *err)
{
    uint64_t dropped = fake->dropped;

    for (;;) {
        uint64_t seen = fake->version;
        if (check_presence(fake, err) < 0 || send_state(fake, call, name, err) < 0)
            return -1;
        while (fake->version == seen && !rpc_cancelled(call))
            pthread_cond_wait(&fake->changed, &fake->lock);
        if (rpc_cancelled(call))
            return error_set(err, ERR_CANCELLED, "the watcher left");
        if (fake->dropped != dropped)
            return error_set(err, ERR_UNAVAILABLE, "the orchestrator restarts");
    }
}

static int watch(struct rpc_call *call, const void *request, struct error *err)
{
    struct fake_orchestrator *fake = rpc_self(call);
    const Opensandbox__Orchestrator__V1__GetSandboxRequest *get_request = request;

    rpc_on_cancel(call, wake, fake);
    lock(fake);
    fake->watchers++;
    record(fake, "WatchSandbox", get_request->name);
    int outcome = follow(fake, call, get_request->name, err);
    fake->watchers--;
    pthread_cond_broadcast(&fake->changed);
    unlock(fake);
    return outcome;
}

static int send_exec_event(struct rpc_call *call,
                           Opensandbox__Orchestrator__V1__ExecSandboxEvent__EventCase kind, const char *bytes,
                           int exit_code, struct error *err)
{
    Opensandbox__Orchestrator__V1__ExecSandboxEvent event;

    opensandbox__orchestrator__v1__exec_sandbox_event__init(&event);
    event.event_case = kind;
    if (kind == OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_EXIT_CODE)
        event.exit_code = exit_code;
    else
        event.stdout = (ProtobufCBinaryData){.data = (uint8_t *)bytes, .len = strlen(bytes)};
    return rpc_send(call, &event.base, err);
}

/* Says its command on standard output, a word on standard error, and ends with the code that "exit N" names. */
static int exec(struct rpc_call *call, const void *request, struct error *err)
{
    const Opensandbox__Orchestrator__V1__ExecSandboxRequest *in = request;
    bool exits = in->n_command == 2 && strcmp(in->command[0], "exit") == 0;
    int code = exits ? (int)strtol(in->command[1], NULL, 10) : 0;

    if (strcmp(in->name, "stopped") == 0)
        return error_set(err, ERR_PRECONDITION, "sandbox \"stopped\" has no running pod");
    for (size_t i = 0; i < in->n_command; i++)
        if (send_exec_event(call, OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_STDOUT,
                            rpc_printf(call, "%s\n", in->command[i]), 0, err) < 0)
            return -1;
    if (send_exec_event(call, OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_STDERR, "complaint\n",
                        0, err) < 0)
        return -1;
    return send_exec_event(call, OPENSANDBOX__ORCHESTRATOR__V1__EXEC_SANDBOX_EVENT__EVENT_EXIT_CODE, NULL,
                           code, err);
}

struct fake_orchestrator *fake_orchestrator_new(const char *socket_path)
{
    static const struct rpc_method methods[] = {
        {.name = "CreateSandbox", .unary = create},
        {.name = "RenewSandbox", .unary = renew},
        {.name = "LabelSandbox", .unary = label_sandbox},
        {.name = "CreateSnapshot", .unary = fake_create_snapshot},
        {.name = "GetSnapshot", .unary = fake_get_snapshot},
        {.name = "ListSnapshots", .unary = fake_list_snapshots},
        {.name = "DeleteSnapshot", .unary = fake_delete_snapshot},
        {.name = "DescribeSandbox", .unary = fake_describe},
        {.name = "GetSandbox", .unary = get},
        {.name = "ListSandboxes", .unary = list},
        {.name = "DeleteSandbox", .unary = delete},
        {.name = "PauseSandbox", .unary = pause_sandbox},
        {.name = "ResumeSandbox", .unary = resume_sandbox},
        {.name = "WatchSandbox", .stream = watch, .endless = true},
        {.name = "WatchSnapshot", .stream = fake_watch_snapshot, .endless = true},
        {.name = "Exec", .stream = exec},
        {.name = "Logs", .stream = fake_logs},
        {.name = NULL},
    };
    struct rpc_server_options options = {0};
    struct fake_orchestrator *fake = xcalloc(1, sizeof(*fake));
    pthread_condattr_t monotonic;
    struct error err = {0};
    char *address = xasprintf("unix:%s", socket_path);

    pthread_mutex_init(&fake->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&fake->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    fake->snapshots = fake_snapshots_new();
    fake_clear(fake);
    fake->server = rpc_server_new(&options);
    rpc_server_add(fake->server, &opensandbox__orchestrator__v1__orchestrator__descriptor, methods, fake);
    if (rpc_server_listen(fake->server, address, NULL, &err) < 0)
        fail_msg("%s", err.text);
    rpc_server_start(fake->server);
    free(address);
    return fake;
}

void fake_orchestrator_free(struct fake_orchestrator *fake)
{
    rpc_server_stop(fake->server, 0);
    rpc_server_free(fake->server);
    fake_clear(fake);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    fake_snapshots_free(fake->snapshots);
    free(fake);
}
