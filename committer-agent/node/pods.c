#include "committer-agent/node/pods.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/alloc.h"

struct entry {
    struct pod *pod;
    uint64_t version; /* of its last change */
    struct entry *next;
};

struct listener {
    int event_fd;
    struct listener *next;
};

struct pods {
    pthread_mutex_t lock; /* guards everything here and in every watch */
    pthread_cond_t changed;
    struct entry *entries; /* pods that are gone stay until each watch has been told */
    struct pods_watch *watches;
    struct listener *listeners;
    uint64_t version;
    bool synced;
};

struct pods_watch {
    struct pods *pods;
    struct pods_watch *next;
    uint64_t told;    /* every change up to this version */
    uint64_t list_to; /* the version at which the list was complete; 0: not begun */
    bool listed, cancelled;
};

struct pods *pods_new(void)
{
    struct pods *pods = xcalloc(1, sizeof(*pods));
    pthread_mutex_init(&pods->lock, NULL);
    pthread_cond_init(&pods->changed, NULL);
    return pods;
}

void pods_free(struct pods *pods)
{
    if (!pods)
        return;
    while (pods->entries) {
        struct entry *entry = pods->entries;
        pods->entries = entry->next;
        pod_free(entry->pod);
        free(entry);
    }
    while (pods->listeners) {
        struct listener *listener = pods->listeners;
        pods->listeners = listener->next;
        free(listener);
    }
    pthread_cond_destroy(&pods->changed);
    pthread_mutex_destroy(&pods->lock);
    free(pods);
}

/* ---- with the lock held ---- */

static struct entry *find_entry(struct pods *pods, const char *uid)
{
    for (struct entry *entry = pods->entries; entry; entry = entry->next)
        if (strcmp(entry->pod->uid, uid) == 0)
            return entry;
    return NULL;
}

static void announce(struct pods *pods)
{
    const uint64_t one = 1;

    pthread_cond_broadcast(&pods->changed);
    for (struct listener *listener = pods->listeners; listener; listener = listener->next)
        (void)!write(listener->event_fd, &one, sizeof(one)); /* full means that it is readable already */
}

static void drop_told_tombstones(struct pods *pods)
{
    uint64_t told_to_all = pods->version;
    for (struct pods_watch *watch = pods->watches; watch; watch = watch->next)
        if (watch->told < told_to_all)
            told_to_all = watch->told;

    for (struct entry **at = &pods->entries; *at;) {
        struct entry *entry = *at;
        if (entry->pod->state == POD_GONE && entry->version <= told_to_all) {
            *at = entry->next;
            pod_free(entry->pod);
            free(entry);
        } else {
            at = &entry->next;
        }
    }
}

static void mark_gone(struct pods *pods, struct entry *entry)
{
    entry->pod->state = POD_GONE;
    entry->version = ++pods->version;
}

static void adopt_locked(struct pods *pods, struct pod *pod)
{
    struct entry *entry = find_entry(pods, pod->uid);

    if (entry ? pod_equal(entry->pod, pod) : pod->state == POD_GONE) {
        pod_free(pod);
        return;
    }
    if (!entry) {
        entry = xcalloc(1, sizeof(*entry));
        entry->next = pods->entries;
        pods->entries = entry;
    }
    pod_free(entry->pod);
    entry->pod = pod;
    entry->version = ++pods->version;
}

/* The oldest change that the watch has not been told, so that `told` can follow one by one. */
static struct entry *next_change(const struct pods_watch *watch)
{
    struct entry *oldest = NULL;

    for (struct entry *entry = watch->pods->entries; entry; entry = entry->next)
        if (entry->version > watch->told && (!oldest || entry->version < oldest->version))
            oldest = entry;
    return oldest;
}

/* ---- */

void pods_adopt(struct pods *pods, struct pod *pod)
{
    pthread_mutex_lock(&pods->lock);
    uint64_t before = pods->version;
    adopt_locked(pods, pod);
    drop_told_tombstones(pods);
    if (pods->version != before)
        announce(pods);
    pthread_mutex_unlock(&pods->lock);
}

static bool is_among(const char *uid, const char *const *uids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(uid, uids[i]) == 0)
            return true;
    return false;
}

void pods_keep_only(struct pods *pods, const char *const *uids, size_t count)
{
    pthread_mutex_lock(&pods->lock);
    for (struct entry *entry = pods->entries; entry; entry = entry->next)
        if (entry->pod->state != POD_GONE && !is_among(entry->pod->uid, uids, count))
            mark_gone(pods, entry);
    drop_told_tombstones(pods);
    announce(pods);
    pthread_mutex_unlock(&pods->lock);
}

void pods_set_synced(struct pods *pods)
{
    pthread_mutex_lock(&pods->lock);
    pods->synced = true;
    announce(pods);
    pthread_mutex_unlock(&pods->lock);
}

static bool pod_is(const struct pod *pod, const char *uid, const char *pod_namespace, const char *name)
{
    if (uid && *uid)
        return strcmp(pod->uid, uid) == 0;
    return pod_namespace && name && strcmp(pod->pod_namespace, pod_namespace) == 0 &&
           strcmp(pod->name, name) == 0;
}

struct pod *pods_find(struct pods *pods, const char *uid, const char *pod_namespace, const char *name)
{
    struct pod *found = NULL;

    pthread_mutex_lock(&pods->lock);
    for (struct entry *entry = pods->entries; entry && !found; entry = entry->next)
        if (entry->pod->state != POD_GONE && pod_is(entry->pod, uid, pod_namespace, name))
            found = pod_copy(entry->pod);
    pthread_mutex_unlock(&pods->lock);
    return found;
}

static bool pod_has_container(const struct pod *pod, const char *container_id)
{
    if (strcmp(pod->sandbox_id, container_id) == 0)
        return true;
    for (size_t i = 0; i < pod->container_count; i++)
        if (strcmp(pod->containers[i].id, container_id) == 0)
            return true;
    return false;
}

char *pods_uid_of_container(struct pods *pods, const char *container_id)
{
    char *uid = NULL;

    pthread_mutex_lock(&pods->lock);
    for (struct entry *entry = pods->entries; entry && !uid; entry = entry->next)
        if (entry->pod->state != POD_GONE && pod_has_container(entry->pod, container_id))
            uid = xstrdup(entry->pod->uid);
    pthread_mutex_unlock(&pods->lock);
    return uid;
}

void pods_add_listener(struct pods *pods, int event_fd)
{
    struct listener *listener = xcalloc(1, sizeof(*listener));

    listener->event_fd = event_fd;
    pthread_mutex_lock(&pods->lock);
    listener->next = pods->listeners;
    pods->listeners = listener;
    pthread_mutex_unlock(&pods->lock);
}

void pods_remove_listener(struct pods *pods, int event_fd)
{
    struct listener *found = NULL;

    pthread_mutex_lock(&pods->lock);
    for (struct listener **at = &pods->listeners; *at; at = &(*at)->next)
        if ((*at)->event_fd == event_fd) {
            found = *at;
            *at = found->next;
            break;
        }
    pthread_mutex_unlock(&pods->lock);
    free(found);
}

struct pods_watch *pods_watch_new(struct pods *pods)
{
    struct pods_watch *watch = xcalloc(1, sizeof(*watch));

    watch->pods = pods;
    pthread_mutex_lock(&pods->lock);
    watch->next = pods->watches;
    pods->watches = watch;
    pthread_mutex_unlock(&pods->lock);
    return watch;
}

void pods_watch_free(struct pods_watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->pods->lock);
    for (struct pods_watch **at = &watch->pods->watches; *at; at = &(*at)->next)
        if (*at == watch) {
            *at = watch->next;
            break;
        }
    drop_told_tombstones(watch->pods);
    pthread_mutex_unlock(&watch->pods->lock);
    free(watch);
}

void pods_watch_cancel(struct pods_watch *watch)
{
    pthread_mutex_lock(&watch->pods->lock);
    watch->cancelled = true;
    pthread_cond_broadcast(&watch->pods->changed);
    pthread_mutex_unlock(&watch->pods->lock);
}

/* 1 something to tell, 0 nothing yet. With the lock held. */
static int take_next(struct pods_watch *watch, struct pod **ret_pod, bool *ret_initial)
{
    struct pods *pods = watch->pods;

    if (!pods->synced)
        return 0;
    if (watch->list_to == 0)
        watch->list_to = pods->version;
    struct entry *entry = next_change(watch);
    if (!watch->listed && (!entry || entry->version > watch->list_to)) {
        watch->listed = true; /* what is newer comes as a change */
        *ret_pod = NULL;
        *ret_initial = false;
        return 1;
    }
    if (!entry)
        return 0;
    *ret_pod = pod_copy(entry->pod);
    *ret_initial = !watch->listed;
    watch->told = entry->version;
    drop_told_tombstones(pods);
    return 1;
}

int pods_watch_next(struct pods_watch *watch, struct pod **ret_pod, bool *ret_initial, struct error *err)
{
    int got = 0;

    pthread_mutex_lock(&watch->pods->lock);
    while (!watch->cancelled && (got = take_next(watch, ret_pod, ret_initial)) == 0)
        pthread_cond_wait(&watch->pods->changed, &watch->pods->lock);
    pthread_mutex_unlock(&watch->pods->lock);
    return got == 1 ? 1 : error_set(err, ERR_CANCELLED, "the watch was cancelled");
}
