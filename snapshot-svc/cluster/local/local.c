#include "snapshot-svc/cluster/local/local.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/change.h"
#include "snapshot-svc/cluster/local/collect.h"
#include "snapshot-svc/cluster/local/events.h"
#include "snapshot-svc/cluster/local/grammar.h"
#include "snapshot-svc/cluster/local/local_priv.h"
#include "snapshot-svc/cluster/local/metadata.h"
#include "snapshot-svc/cluster/local/refusal.h"

#define HISTORY_MAX       2048
#define GENERATE_ATTEMPTS 8
#define PAGE_ROWS         500

static struct local *local_of(struct cluster *cluster)
{
    return (struct local *)cluster;
}

struct change local_change(const struct local *local, enum cluster_kind kind)
{
    return (struct change){
        .kind = kind, .ns = local->ns, .node = local->node, .now_ms = local->now_ms(local->clock)};
}

/* ---- a write: the lock and a transaction, both ended whichever way the block is left ---- */

struct write {
    struct local *local;
    uint64_t version; /* before it */
    bool committed;
};

static int write_begin(struct local *local, struct write *write, struct error *err)
{
    pthread_mutex_lock(&local->lock);
    if (store_begin(local->store, err) < 0) {
        pthread_mutex_unlock(&local->lock);
        return -1;
    }
    write->local = local;
    write->version = store_version(local->store);
    return 0;
}

static int write_commit(struct write *write, struct error *err)
{
    write->committed = true; /* a commit that fails has rolled back itself */
    if (store_commit(write->local->store, err) < 0)
        return -1;
    local_secrets_follow(write->local, write->version);
    pthread_cond_broadcast(&write->local->changed);
    return 0;
}

static void write_end(struct write *write)
{
    if (!write->local)
        return;
    if (!write->committed)
        store_rollback(write->local->store);
    pthread_mutex_unlock(&write->local->lock);
}
#define SCOPED_WRITE __attribute__((cleanup(write_end)))

static int check_namespace(const struct local *local, const char *ns, struct error *err)
{
    if (strcmp(ns, local->ns) == 0)
        return 0;
    return error_set(err, ERR_NOT_FOUND, "namespaces \"%.*s\" not found: this local cluster has only \"%s\"",
                     QUOTED(ns), local->ns);
}

/* ---- reading ---- */

/* With the lock held. */
static int find(struct local *local, enum cluster_kind kind, const char *ns, const char *name,
                json_t **ret_object, struct error *err)
{
    int found = store_get(local->store, kind, ns, name, ret_object, err);
    if (found < 0)
        return -1;
    return found ? 0 : refuse_not_found(err, kind, name);
}

static int expire_events(struct local *local, enum cluster_kind kind, struct error *err)
{
    SCOPED_WRITE struct write write = {0};

    if (kind != KIND_EVENT)
        return 0;
    if (write_begin(local, &write, err) < 0 ||
        events_expire(local->store, local->now_ms(local->clock), err) < 0)
        return -1;
    return write_commit(&write, err);
}

static int local_get(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                     json_t **ret_object, struct error *err)
{
    struct local *local = local_of(cluster);

    if (kind == KIND_SECRET)
        return local_secret_get(local, ns, name, ret_object, err);
    if (expire_events(local, kind, err) < 0)
        return -1;
    pthread_mutex_lock(&local->lock);
    int done = find(local, kind, ns, name, ret_object, err);
    pthread_mutex_unlock(&local->lock);
    return done;
}

/* The rows behind those that *rows holds, which they replace, and the version that all of them have been told by. */
static int next_page(struct local *local, enum cluster_kind kind, const char *ns, struct row_list *rows,
                     uint64_t *ret_version, struct error *err)
{
    SCOPED_ROWS struct row_list before = *rows;
    const json_t *last = before.count ? before.items[before.count - 1].object : NULL;
    const struct row_place after = {json_path_string(last, "metadata.namespace"),
                                    json_path_string(last, "metadata.name")};

    *rows = (struct row_list)ROW_LIST_INIT;
    pthread_mutex_lock(&local->lock);
    int done = store_list(local->store, kind, ns, after, PAGE_ROWS, rows, err);
    *ret_version = store_version(local->store);
    pthread_mutex_unlock(&local->lock);
    return done;
}

/* The list has the version of its first page: what changes while the others are read, a watch tells again. */
static int local_list_each(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                           const char *labels, cluster_item_fn *each, void *self, char **ret_version,
                           struct error *err)
{
    struct local *local = local_of(cluster);
    SCOPED_ROWS struct row_list rows = ROW_LIST_INIT;
    uint64_t version, later;

    (void)labels; /* everything is told: there is no network to save */
    if (kind == KIND_SECRET)
        return error_set(err, ERR_UNSUPPORTED, "secrets cannot be listed here, only read by name");
    if (expire_events(local, kind, err) < 0 || next_page(local, kind, ns, &rows, &version, err) < 0)
        return -1;
    while (rows.count) {
        for (size_t i = 0; i < rows.count; i++)
            if (each(self, rows.items[i].object, err) < 0)
                return -1;
        if (next_page(local, kind, ns, &rows, &later, err) < 0)
            return -1;
    }
    *ret_version = xasprintf("%" PRIu64, version);
    return 0;
}

/* ---- creating ---- */

/* A free name; a random one that is taken is drawn again. */
static int new_object(struct local *local, const struct change *change, const json_t *wanted,
                      json_t **ret_object, struct error *err)
{
    const char *given = json_path_string(wanted, "metadata.name");
    int attempts = given && given[0] ? 1 : GENERATE_ATTEMPTS;

    for (;;) {
        SCOPED(json) json_t *object = NULL;
        SCOPED(json) json_t *taken = NULL;
        if (change_create(change, wanted, &object, err) < 0)
            return -1;
        const char *name = json_path_string(object, "metadata.name");
        int found = store_get(local->store, change->kind, change->ns, name, &taken, err);
        if (found < 0)
            return -1;
        if (found && --attempts == 0)
            return refuse_exists(err, change->kind, name);
        if (!found) {
            *ret_object = TAKE(object);
            return 0;
        }
    }
}

static int insert(struct local *local, const struct change *change, json_t *object, struct error *err)
{
    if (store_insert(local->store, change->kind, object, err) < 0)
        return -1;
    if (change->kind == KIND_EVENT && (events_keep(local->store, object, change->now_ms, err) < 0 ||
                                       events_expire(local->store, change->now_ms, err) < 0))
        return -1;
    return collect_if_ownerless(local->store, change, object, err);
}

static void give(json_t **ret_object, json_t **object)
{
    if (ret_object)
        *ret_object = TAKE(*object);
}

static int local_create(struct cluster *cluster, enum cluster_kind kind, const char *ns, const json_t *wanted,
                        json_t **ret_object, struct error *err)
{
    struct local *local = local_of(cluster);
    struct change change = local_change(local, kind);
    SCOPED(json) json_t *object = NULL;
    SCOPED_WRITE struct write write = {0};

    if (check_namespace(local, ns, err) < 0)
        return -1;
    if (kind == KIND_SECRET)
        return local_secret_create(local, wanted, ret_object, err);
    if (write_begin(local, &write, err) < 0 || new_object(local, &change, wanted, &object, err) < 0 ||
        insert(local, &change, object, err) < 0 || write_commit(&write, err) < 0)
        return -1;
    give(ret_object, &object);
    return 0;
}

/* ---- patching ---- */

static int check_version(enum cluster_kind kind, const json_t *object, const char *wanted, struct error *err)
{
    if (!wanted || strcmp(wanted, json_path_string(object, "metadata.resourceVersion")) == 0)
        return 0;
    return refuse_stale(err, kind, json_path_string(object, "metadata.name"));
}

static int update(struct local *local, const struct change *change, json_t *object, struct error *err)
{
    const json_t *meta = json_object_get(object, "metadata");

    if (metadata_is_deleting(meta) && !metadata_has_finalizers(meta))
        return collect_remove(local->store, change, object, err);
    if (store_update(local->store, change->kind, object, err) < 0)
        return -1;
    if (change->kind == KIND_EVENT && events_keep(local->store, object, change->now_ms, err) < 0)
        return -1;
    return collect_if_ownerless(local->store, change, object, err);
}

static int patch(struct cluster *cluster, enum cluster_kind kind, enum patch_target target, const char *ns,
                 const char *name, const json_t *merge_patch, const char *resource_version,
                 json_t **ret_object, struct error *err)
{
    struct local *local = local_of(cluster);
    struct change change = local_change(local, kind);
    SCOPED(json) json_t *old = NULL;
    SCOPED(json) json_t *object = NULL;
    SCOPED_WRITE struct write write = {0};

    if (write_begin(local, &write, err) < 0 || find(local, kind, ns, name, &old, err) < 0 ||
        check_version(kind, old, resource_version, err) < 0 ||
        change_patch(&change, target, old, merge_patch, &object, err) < 0)
        return -1;
    if (!json_equal(object, old) &&
        (update(local, &change, object, err) < 0 || write_commit(&write, err) < 0))
        return -1;
    give(ret_object, &object);
    return 0;
}

static int local_patch(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                       const json_t *merge_patch, const char *resource_version, json_t **ret_object,
                       struct error *err)
{
    if (kind == KIND_SECRET)
        return local_secret_patch(local_of(cluster), ns, name, merge_patch, resource_version, ret_object,
                                  err);
    return patch(cluster, kind, PATCH_ALL_BUT_STATUS, ns, name, merge_patch, resource_version, ret_object,
                 err);
}

static int local_patch_status(struct cluster *cluster, enum cluster_kind kind, const char *ns,
                              const char *name, const json_t *merge_patch, const char *resource_version,
                              json_t **ret_object, struct error *err)
{
    if (kind == KIND_EVENT || kind == KIND_SECRET)
        return error_set(err, ERR_UNSUPPORTED, "%s have no status", cluster_kind_info(kind)->plural);
    return patch(cluster, kind, PATCH_STATUS, ns, name, merge_patch, resource_version, ret_object, err);
}

/* ---- deleting ---- */

static int check_uid(enum cluster_kind kind, const json_t *object, const char *wanted, struct error *err)
{
    const char *found = json_path_string(object, "metadata.uid");
    if (!wanted || strcmp(wanted, found) == 0)
        return 0;
    return refuse_other_uid(err, kind, json_path_string(object, "metadata.name"), wanted, found);
}

static int local_remove(struct cluster *cluster, enum cluster_kind kind, const char *ns, const char *name,
                        const char *uid, const char *resource_version, int grace_s, struct error *err)
{
    struct local *local = local_of(cluster);
    struct change change = local_change(local, kind);
    SCOPED(json) json_t *object = NULL;
    SCOPED_WRITE struct write write = {0};

    if (kind == KIND_SECRET)
        return local_secret_remove(local, ns, name, uid, resource_version, err);
    if (write_begin(local, &write, err) < 0 || find(local, kind, ns, name, &object, err) < 0 ||
        check_uid(kind, object, uid, err) < 0 || check_version(kind, object, resource_version, err) < 0 ||
        collect_delete(local->store, &change, object, grace_s, err) < 0)
        return -1;
    return write_commit(&write, err);
}

/* ---- life ---- */

static void local_free(struct cluster *cluster)
{
    struct local *local = local_of(cluster);

    assert(local->watches == 0);
    store_free(local->store);
    secret_box_free(local->secrets);
    pthread_cond_destroy(&local->changed);
    pthread_mutex_destroy(&local->lock);
    fd_freep(&local->lock_fd); /* after the file is closed: from here on another process may open it */
    free(local->secrets_dir);
    free(local->ns);
    free(local->node);
    free(local);
}

static const struct cluster_ops local_ops = {
    .free = local_free,
    .get = local_get,
    .list_each = local_list_each,
    .create = local_create,
    .patch = local_patch,
    .patch_status = local_patch_status,
    .remove = local_remove,
    .watch_open = local_watch_open,
    .watch_run = local_watch_run,
    .watch_stop = local_watch_stop,
    .watch_free = local_watch_free,
};

static int64_t real_now_ms(void *clock)
{
    (void)clock;
    return clock_realtime_ms();
}

static struct local *local_new(const struct cluster_local_options *options)
{
    struct local *local = xcalloc(1, sizeof(*local));

    *local = (struct local){
        .cluster.ops = &local_ops,
        .secrets_dir = options->secrets_dir ? xstrdup(options->secrets_dir) : NULL,
        .ns = xstrdup(options->ns ? options->ns : "default"),
        .node = options->node ? xstrdup(options->node) : NULL,
        .history_max = options->history_max ? options->history_max : HISTORY_MAX,
        .now_ms = options->now_ms ? options->now_ms : real_now_ms,
        .clock = options->clock,
        .lock_fd = -1,
        .secrets = secret_box_new(),
    };
    pthread_mutex_init(&local->lock, NULL);
    pthread_cond_init(&local->changed, NULL);
    return local;
}

static void clusterp_free(struct cluster **cluster)
{
    cluster_free(*cluster);
}

int cluster_local_open(const struct cluster_local_options *options, struct cluster **ret_cluster,
                       struct error *err)
{
    struct local *local = local_new(options);
    __attribute__((cleanup(clusterp_free))) struct cluster *cluster = &local->cluster;
    SCOPED(string) char *lock_path = xasprintf("%s.lock", options->path);

    if (!is_dns_label(local->ns))
        return error_set(err, ERR_INVALID, "namespace \"%.*s\": " DNS_LABEL_MESSAGE, QUOTED(local->ns));
    if (file_lock(lock_path, &local->lock_fd, err) < 0 ||
        store_open(options->path, local->history_max, &local->store, err) < 0)
        return error_wrap(err, "opening the local cluster");
    *ret_cluster = TAKE(cluster);
    return 0;
}
