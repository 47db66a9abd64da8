#include "committer-agent/containerd/snapshots.h"

#include <containerd/services/snapshots.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"

/* Committing walks the layer for its disk usage, inside containerd. */
enum { SLOW_CALL_TIMEOUT_MS = 120000 };

DEFINE_LABEL_ENTRIES(commit, Containerd__Services__Snapshots__V1__CommitSnapshotRequest__LabelsEntry,
                     containerd__services__snapshots__v1__commit_snapshot_request__labels_entry__init)

static struct containerd_call call_of(const char *method, const char *lease)
{
    return (struct containerd_call){&containerd__services__snapshots__v1__snapshots__descriptor, method,
                                    lease, SLOW_CALL_TIMEOUT_MS};
}

static int snapshot_failed(struct error *err, const char *doing, const char *key)
{
    if (err->code == ERR_NOT_FOUND)
        (void)error_reason(err, "ContainerNotFound");
    return error_wrap(err, "%s snapshot %s", doing, key);
}

static void mounts_read(Containerd__Types__Mount **messages, size_t count, struct snapshot_mounts *mounts)
{
    *mounts = (struct snapshot_mounts){.items = xcalloc(count + 1, sizeof(*mounts->items)), .count = count};
    for (size_t i = 0; i < count; i++) {
        struct snapshot_mount *mount = &mounts->items[i];
        *mount = (struct snapshot_mount){
            .type = xstrdup(messages[i]->type),
            .source = xstrdup(messages[i]->source),
            .options = xcalloc(messages[i]->n_options + 1, sizeof(*mount->options)),
            .option_count = messages[i]->n_options,
        };
        for (size_t k = 0; k < mount->option_count; k++)
            mount->options[k] = xstrdup(messages[i]->options[k]);
    }
}

void snapshot_mounts_done(struct snapshot_mounts *mounts)
{
    for (size_t i = 0; i < mounts->count; i++) {
        struct snapshot_mount *mount = &mounts->items[i];
        free(mount->type);
        free(mount->source);
        for (size_t k = 0; k < mount->option_count; k++)
            free(mount->options[k]);
        free(mount->options);
    }
    free(mounts->items);
    *mounts = (struct snapshot_mounts){0};
}

int snapshot_mounts(struct containerd *containerd, const char *snapshotter, const char *key,
                    struct snapshot_mounts *ret_mounts, struct error *err)
{
    Containerd__Services__Snapshots__V1__MountsRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__MOUNTS_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Snapshots__V1__MountsResponse *answer = NULL;

    request.snapshotter = (char *)snapshotter;
    request.key = (char *)key;
    if (containerd_call(containerd, call_of("Mounts", NULL), &request, &answer, err) < 0)
        return snapshot_failed(err, "asking for the mounts of", key);
    mounts_read(answer->mounts, answer->n_mounts, ret_mounts);
    return 0;
}

int snapshot_parent(struct containerd *containerd, const char *snapshotter, const char *key,
                    char **ret_parent, struct error *err)
{
    Containerd__Services__Snapshots__V1__StatSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Snapshots__V1__StatSnapshotResponse *answer = NULL;

    request.snapshotter = (char *)snapshotter;
    request.key = (char *)key;
    if (containerd_call(containerd, call_of("Stat", NULL), &request, &answer, err) < 0)
        return snapshot_failed(err, "looking up", key);
    *ret_parent = xstrdup(answer->info ? answer->info->parent : "");
    return 0;
}

int snapshot_parents(struct containerd *containerd, const char *snapshotter, const char *key,
                     struct snapshot_chain *ret_chain, struct error *err)
{
    SCOPED_SNAPSHOT_CHAIN struct snapshot_chain chain = {
        .names = xcalloc(SNAPSHOT_MAX_PARENTS, sizeof(*chain.names))};

    for (const char *at = key;;) {
        SCOPED(string)
        char *parent = NULL;
        if (snapshot_parent(containerd, snapshotter, at, &parent, err) < 0)
            return -1;
        if (!*parent)
            break;
        if (chain.count == SNAPSHOT_MAX_PARENTS)
            return error_set(err, ERR_EXHAUSTED, "snapshot %s has more than %d parents", key,
                             SNAPSHOT_MAX_PARENTS);
        at = chain.names[chain.count++] = TAKE(parent);
    }
    *ret_chain = chain;
    chain = (struct snapshot_chain){0};
    return 0;
}

void snapshot_chain_done(struct snapshot_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        free(chain->names[i]);
    free(chain->names);
    *chain = (struct snapshot_chain){0};
}

int snapshot_exists(struct containerd *containerd, const char *snapshotter, const char *key,
                    struct error *err)
{
    SCOPED(string)
    char *parent = NULL;

    if (snapshot_parent(containerd, snapshotter, key, &parent, err) == 0)
        return 1;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    error_clear(err);
    return 0;
}

static char *label_of(const Containerd__Services__Snapshots__V1__Info *info, const char *key)
{
    for (size_t i = 0; key && i < info->n_labels; i++)
        if (strcmp(info->labels[i]->key, key) == 0)
            return xstrdup(info->labels[i]->value);
    return xstrdup("");
}

static int kind_read(const Containerd__Services__Snapshots__V1__Info *info, enum snapshot_kind *ret_kind,
                     struct error *err)
{
    switch (info->kind) {
    case CONTAINERD__SERVICES__SNAPSHOTS__V1__KIND__VIEW:
        *ret_kind = SNAPSHOT_VIEW;
        return 0;
    case CONTAINERD__SERVICES__SNAPSHOTS__V1__KIND__ACTIVE:
        *ret_kind = SNAPSHOT_ACTIVE;
        return 0;
    case CONTAINERD__SERVICES__SNAPSHOTS__V1__KIND__COMMITTED:
        *ret_kind = SNAPSHOT_COMMITTED;
        return 0;
    case CONTAINERD__SERVICES__SNAPSHOTS__V1__KIND__UNKNOWN:
    case _CONTAINERD__SERVICES__SNAPSHOTS__V1__KIND_IS_INT_SIZE:
        break;
    }
    return error_set(err, ERR_INTERNAL, "containerd answered snapshot %s with the unknown kind %d",
                     info->name, (int)info->kind);
}

int snapshot_find(struct containerd *containerd, const char *snapshotter, const char *key,
                  const char *label_key, enum snapshot_kind *ret_kind, char **ret_label, struct error *err)
{
    Containerd__Services__Snapshots__V1__StatSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__STAT_SNAPSHOT_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Snapshots__V1__StatSnapshotResponse *answer = NULL;

    request.snapshotter = (char *)snapshotter;
    request.key = (char *)key;
    if (containerd_call(containerd, call_of("Stat", NULL), &request, &answer, err) < 0) {
        if (err->code != ERR_NOT_FOUND)
            return snapshot_failed(err, "looking up", key);
        error_clear(err);
        return 0;
    }
    if (!answer->info)
        return error_set(err, ERR_INTERNAL, "containerd answered snapshot %s without a record", key);
    if (kind_read(answer->info, ret_kind, err) < 0)
        return -1;
    if (label_key)
        *ret_label = label_of(answer->info, label_key);
    return 1;
}

int snapshot_prepare(struct containerd *containerd, const char *snapshotter, const char *key,
                     const char *parent, const char *lease, struct snapshot_mounts *ret_mounts,
                     struct error *err)
{
    Containerd__Services__Snapshots__V1__PrepareSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__PREPARE_SNAPSHOT_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Snapshots__V1__PrepareSnapshotResponse *answer = NULL;

    request.snapshotter = (char *)snapshotter;
    request.key = (char *)key;
    request.parent = (char *)parent;
    if (containerd_call(containerd, call_of("Prepare", lease), &request, &answer, err) < 0)
        return error_wrap(err, "preparing snapshot %s", key);
    if (ret_mounts)
        mounts_read(answer->mounts, answer->n_mounts, ret_mounts);
    return 0;
}

int snapshot_view(struct containerd *containerd, const char *snapshotter, const char *key, const char *parent,
                  const char *lease, struct snapshot_mounts *ret_mounts, struct error *err)
{
    Containerd__Services__Snapshots__V1__ViewSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__VIEW_SNAPSHOT_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Snapshots__V1__ViewSnapshotResponse *answer = NULL;

    request.snapshotter = (char *)snapshotter;
    request.key = (char *)key;
    request.parent = (char *)parent;
    if (containerd_call(containerd, call_of("View", lease), &request, &answer, err) < 0)
        return error_wrap(err, "viewing snapshot %s", key);
    if (ret_mounts)
        mounts_read(answer->mounts, answer->n_mounts, ret_mounts);
    return 0;
}

int snapshot_commit(struct containerd *containerd, const char *snapshotter, const char *name, const char *key,
                    const char *lease, const struct resource_labels *labels, struct error *err)
{
    const struct resource_labels given = labels ? *labels : (struct resource_labels){0};
    SCOPED(memory)
    Containerd__Services__Snapshots__V1__CommitSnapshotRequest__LabelsEntry **entries =
        commit_label_entries(&given);
    Containerd__Services__Snapshots__V1__CommitSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__COMMIT_SNAPSHOT_REQUEST__INIT;

    request.snapshotter = (char *)snapshotter;
    request.name = (char *)name;
    request.key = (char *)key;
    request.labels = entries;
    request.n_labels = given.count;
    if (containerd_tell(containerd, call_of("Commit", lease), &request, err) < 0)
        return error_wrap(err, "committing snapshot %s as %s", key, name);
    return 0;
}

int snapshot_remove(struct containerd *containerd, const char *snapshotter, const char *key,
                    struct error *err)
{
    Containerd__Services__Snapshots__V1__RemoveSnapshotRequest request =
        CONTAINERD__SERVICES__SNAPSHOTS__V1__REMOVE_SNAPSHOT_REQUEST__INIT;

    request.snapshotter = (char *)snapshotter;
    request.key = (char *)key;
    if (containerd_tell(containerd, call_of("Remove", NULL), &request, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return error_wrap(err, "removing snapshot %s", key);
    error_clear(err);
    return 0;
}
