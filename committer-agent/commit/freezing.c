#include "committer-agent/commit/freezing.h"

#include <string.h>

#include "committer-agent/commit/failpoints.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/frozen_by.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"

static bool is_wanted(const struct commit_request *request, const char *container)
{
    for (size_t i = 0; i < request->count; i++)
        if (strcmp(request->containers[i].name, container) == 0)
            return true;
    return false;
}

static struct journal_container recorded(const struct container *container)
{
    return (struct journal_container){.name = xstrdup(container->name), .id = xstrdup(container->id)};
}

static struct journal_container recorded_source(const struct commit_source *source)
{
    struct journal_container entry = recorded(source->container);

    entry.image = xstrdup(source->wanted->image);
    entry.snapshotter = xstrdup(source->container->snapshotter);
    entry.snapshot_key = xstrdup(source->container->snapshot_key);
    entry.base_manifest = xstrdup(source->base.digest.text);
    return entry;
}

struct journal_record *commit_record_new(const struct commit_request *request, const struct commit_pod *pod,
                                         bool hands_over)
{
    const struct container_list *running = &pod->running;
    struct journal_record *record = xcalloc(1, sizeof(*record));

    record->key = xstrdup(request->key);
    record->stage = STAGE_FREEZING;
    record->pod_uid = xstrdup(running->items[0].pod_uid);
    record->pod_ns = xstrdup(running->items[0].pod_namespace);
    record->pod_name = xstrdup(running->items[0].pod_name);
    record->hold = request->hold;
    record->hands_over = hands_over;
    record->changed_unix_ms = clock_realtime_ms();
    record->containers = xcalloc(running->count, sizeof(*record->containers));
    for (size_t i = 0; i < pod->count; i++)
        record->containers[record->count++] = recorded_source(&pod->sources[i]);
    for (size_t i = 0; i < running->count; i++)
        if (!is_wanted(request, running->items[i].name))
            record->containers[record->count++] = recorded(&running->items[i]);
    return record;
}

static int refuse_frozen(const char *container, struct error *err)
{
    (void)error_set(err, ERR_PRECONDITION, "container %s is frozen already, by somebody else", container);
    return error_reason(err, "FreezeFailed");
}

/* Minutes may have passed since the pod was looked at. What somebody else froze in between is not ours to thaw
 * when we fail, so it must not get into the record. */
static int check_all_run(struct containerd *containerd, const struct commit_pod *pod, struct error *err)
{
    for (size_t i = 0; i < pod->running.count; i++) {
        int frozen = container_is_frozen(containerd, pod->running.items[i].id, err);
        if (frozen != 0)
            return frozen < 0 ? -1 : refuse_frozen(pod->running.items[i].name, err);
    }
    return 0;
}

int commit_check_still_frozen(struct containerd *containerd, const struct journal_record *record,
                              struct error *err)
{
    for (size_t i = 0; i < record->count; i++) {
        int frozen = container_is_frozen(containerd, record->containers[i].id, err);
        if (frozen < 0)
            return -1;
        if (!frozen) {
            (void)error_set(err, ERR_CONFLICT, "container %s was thawed or died while files were captured",
                            record->containers[i].name);
            return error_reason(err, "FreezeFailed");
        }
    }
    return 0;
}

/* Before the first is frozen: it takes a while. */
static int mark_all(const struct commit_environment *env, const struct journal_record *record,
                    struct error *err)
{
    for (size_t i = 0; env->owner && i < record->count; i++) {
        if (container_mark_frozen(env->containerd, record->containers[i].id, env->owner, err) < 0)
            return -1;
        FAILPOINT(container_marked);
    }
    return 0;
}

static int freeze_all(const struct commit_environment *env, struct journal_record *record, struct error *err)
{
    for (size_t i = 0; i < record->count; i++) {
        struct frozen frozen = {0};
        if (container_freeze(env->containerd, record->containers[i].id, &frozen, err) < 0) {
            journal_record_keep(record, i + 1); /* the others are not ours to thaw */
            return error_wrap(err, "freezing container %s", record->containers[i].name);
        }
        frozen_keep(&frozen); /* the record owes the thaw */
        FAILPOINT(container_frozen);
    }
    return 0;
}

int commit_freeze(const struct commit_environment *env, const struct commit_pod *pod,
                  struct journal_record *record, bool *ret_written, struct error *err)
{
    *ret_written = false;
    if (check_all_run(env->containerd, pod, err) < 0 || journal_write(env->journal, record, err) < 0)
        return -1;
    *ret_written = true;
    FAILPOINT(freezing_journalled);
    if (mark_all(env, record, err) < 0)
        return -1;
    if (freeze_all(env, record, err) < 0 || commit_pod_check_complete(env->containerd, pod, err) < 0)
        return -1;
    FAILPOINT(frozen);
    return 0;
}

int commit_thaw(struct containerd *containerd, const struct journal_record *record, struct error *err)
{
    struct error each;
    int result = 0;

    for (size_t i = 0; i < record->count; i++) { /* one that fails must not keep the others frozen */
        if (container_thaw(containerd, record->containers[i].id, &each) < 0) {
            *err = each;
            result = error_wrap(err, "thawing container %s", record->containers[i].name);
        }
        FAILPOINT(container_thawed);
    }
    for (size_t i = 0; result == 0 && i < record->count; i++)
        (void)container_unmark_frozen(containerd, record->containers[i].id,
                                      &each); /* one that stays says nothing */
    FAILPOINT(thawed);
    return result;
}

bool commit_is_gone(struct containerd *containerd, const struct journal_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        SCOPED_CONTAINER struct container container = {0};
        struct error err;
        if (container_get(containerd, record->containers[i].id, &container, &err) == 0 ||
            err.code != ERR_NOT_FOUND)
            return false;
    }
    return true;
}
