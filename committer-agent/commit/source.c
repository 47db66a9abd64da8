#include "committer-agent/commit/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "committer-agent/commit/diff_capture.h"
#include "committer-agent/commit/handover.h"
#include "committer-agent/containerd/overlay.h"
#include "committer-agent/containerd/snapshot_dirs.h"
#include "committer-agent/containerd/tasks.h"
#include "committer-agent/layer/walk.h"
#include "shared/base/alloc.h"
#include "shared/log/log.h"

/* Only here can the host see every write of the container in the snapshot's upper layer. */
static bool runtime_is_supported(const char *runtime)
{
    return strcmp(runtime, "io.containerd.runc.v2") == 0 || strcmp(runtime, "io.containerd.runc.v1") == 0 ||
           strcmp(runtime, "io.containerd.runtime.v1.linux") == 0;
}

static bool has_name(const struct container_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) /* a container that was moved out has no name any more */
        if (list->items[i].name && strcmp(list->items[i].name, name) == 0)
            return true;
    return false;
}

/* Leaves the current, running container of each name; a restart leaves dead ones behind. */
static int keep_running(struct containerd *containerd, struct container_list *all,
                        struct container_list *running, struct error *err)
{
    running->items = xcalloc(all->count, sizeof(*running->items));
    for (size_t i = 0; i < all->count; i++) {
        struct task task;
        if (has_name(running, all->items[i].name))
            continue; /* its newer twin runs */
        int found = task_get(containerd, all->items[i].id, &task, err);
        if (found < 0 && err->code != ERR_NOT_FOUND)
            return -1;
        if (found < 0 || (task.state != TASK_RUNNING && task.state != TASK_PAUSED))
            continue;
        running->items[running->count++] = all->items[i];
        all->items[i] = (struct container){0};
    }
    return 0;
}

static const struct container *find_running(const struct commit_pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->running.count; i++)
        if (strcmp(pod->running.items[i].name, name) == 0)
            return &pod->running.items[i];
    return NULL;
}

static int not_running(const struct container_list *all, const char *name, struct error *err)
{
    bool exists = has_name(all, name);
    (void)error_set(err, exists ? ERR_PRECONDITION : ERR_NOT_FOUND,
                    exists ? "container \"%s\" is not running: only a running container can be committed"
                           : "the pod has no running container \"%s\"",
                    name);
    return error_reason(err, exists ? "ContainerNotRunning" : "ContainerNotFound");
}

/* Where the upper layer cannot be read, or is not all of it, containerd's differ makes the layer. */
static void use_differ(struct commit_source *source, const struct error *why)
{
    source->why_not_handed_over =
        "its layer is made by containerd's differ, for its writable layer cannot be read";
    log_info(source->why_not_handed_over, log_str("container", source->container->name),
             log_str("snapshotter", source->container->snapshotter), log_str("error", why->text));
}

/* Layers that no registry has cannot stay below the new one. */
static unsigned layers_max_on(const struct commit_environment *env, const struct base_image *base)
{
    return base->kept_locally ? 1 : env->layers_max;
}

static int open_upper(const struct commit_environment *env, struct commit_source *source,
                      const struct overlay *overlay, struct error *err)
{
    const struct container *container = source->container;

    /* containerd named it; only what lies below is the container's, and that is walked by descriptors. */
    source->upper_fd = open(overlay->upper_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (source->upper_fd < 0)
        return error_sys(err, errno, "opening the writable layer %s", overlay->upper_dir);
    if (handover_supported(container, overlay, &source->why_not_handed_over))
        source->why_not_handed_over = NULL;
    const struct fold_place place = {.snapshotter = container->snapshotter,
                                     .snapshot = container->snapshot_key,
                                     .lower_dirs = overlay->lower_dirs,
                                     .lower_count = overlay->lower_count};
    return fold_plan(env->containerd, &place, &source->base, layers_max_on(env, &source->base), &source->fold,
                     err);
}

static int open_layers(const struct commit_environment *env, struct commit_source *source, struct error *err)
{
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts mounts = {0};
    SCOPED_OVERLAY struct overlay overlay = {0};
    const struct container *container = source->container;
    struct error why = {0};

    source->fold.keep_layers = source->base.manifest.layer_count;
    if (snapshot_mounts(env->containerd, container->snapshotter, container->snapshot_key, &mounts, err) < 0)
        return -1;
    int readable = overlay_read(container->snapshotter, &mounts, &overlay, &why);
    if (readable == 0 && (overlay.redirect_dir || overlay.metacopy))
        readable = error_set(&why, ERR_UNSUPPORTED, "the overlay is mounted with redirect_dir or metacopy");
    if (readable < 0 && why.code == ERR_UNSUPPORTED) {
        use_differ(source, &why);
        return 0;
    }
    if (readable < 0) {
        *err = why;
        return -1;
    }
    return open_upper(env, source, &overlay, err);
}

struct walk_roots commit_source_roots(const struct commit_source *source)
{
    int *fds = xcalloc(source->fold.lower_count + 1, sizeof(*fds));

    fds[0] = source->upper_fd;
    for (size_t i = 0; i < source->fold.lower_count; i++)
        fds[i + 1] = source->fold.lower_fds[i];
    return (struct walk_roots){.fds = fds,
                               .count = source->fold.lower_count + 1,
                               .below_fds = source->fold.below_fds,
                               .below_count = source->fold.below_count};
}

void commit_source_roots_done(const struct walk_roots *roots)
{
    free((void *)(uintptr_t)roots->fds); /* made above */
}

/* Also warms the kernel's caches, which shortens the freeze. The tree lives: when it changes under us, or is
 * of a kind that the capture will refuse with a better message, the estimate is just not known. */
static uint64_t estimate_bytes(const struct commit_source *source)
{
    const struct walk_limits limits = {0};
    SCOPED_SOURCE_ROOTS const struct walk_roots roots = commit_source_roots(source);
    SCOPED(walk)
    struct walk *walk = walk_new(&roots, &limits);
    struct walk_entry entry;
    struct error ignored;
    uint64_t bytes = 0;
    int more;

    while ((more = walk_next(walk, &entry, &ignored)) == 1)
        if (S_ISREG(entry.st.st_mode))
            bytes += (uint64_t)entry.st.st_blocks * 512;
    return more == 0 ? bytes : 0;
}

static int resolve_source(const struct commit_environment *env, const struct commit_pod *pod,
                          struct commit_source *source, struct error *err)
{
    const struct container *container = source->container = find_running(pod, source->wanted->name);

    if (!runtime_is_supported(container->runtime)) {
        (void)error_set(
            err, ERR_UNSUPPORTED,
            "runtime %s keeps writes where the host cannot see them; only runc containers can be committed",
            container->runtime);
        return error_reason(err, "UnsupportedRuntime");
    }
    if (reference_parse(source->wanted->image, &source->target, err) < 0 ||
        base_image_load(env->containerd, container->image, &source->base, err) < 0 ||
        base_image_check_below(env->containerd, &source->base, container, err) < 0 ||
        open_layers(env, source, err) < 0)
        return -1;
    source->bytes = source->upper_fd >= 0 ? estimate_bytes(source) : 0;
    return 0;
}

static struct commit_source *add_source(struct commit_pod *pod, const struct commit_request *request)
{
    struct commit_source *source = &pod->sources[pod->count];

    *source = (struct commit_source){
        .wanted = &request->containers[pod->count], .key = request->key, .upper_fd = -1};
    pod->count++;
    return source;
}

int commit_pod_resolve(const struct commit_environment *env, const struct commit_request *request,
                       struct commit_pod *ret_pod, struct error *err)
{
    const struct pod_name name = {
        .uid = request->pod_uid, .pod_namespace = request->pod_ns, .name = request->pod_name};
    SCOPED_CONTAINER_LIST struct container_list all = {0};
    struct commit_pod pod = {0};

    if (containers_of_pod(env->containerd, &name, NULL, &all, err) < 0)
        return -1;
    pod.sources = xcalloc(request->count, sizeof(*pod.sources));
    int result = keep_running(env->containerd, &all, &pod.running, err);
    for (size_t i = 0; result == 0 && i < request->count; i++) {
        struct commit_source *source = add_source(&pod, request);
        if (!find_running(&pod, source->wanted->name))
            result = not_running(&all, source->wanted->name, err);
        else
            result = resolve_source(env, &pod, source, err);
        if (result < 0)
            (void)error_wrap(err, "container %s", source->wanted->name);
    }
    if (result < 0) {
        commit_pod_done(&pod);
        return -1;
    }
    *ret_pod = pod;
    return 0;
}

/* ---- what was handed over ---- */

static int reopen_source(const struct commit_environment *env, const struct journal_container *entry,
                         struct commit_source *source, struct error *err)
{
    SCOPED_OVERLAY struct overlay dirs = {0};
    SCOPED(string) char *snapshot = handover_snapshot_name(source->key, entry->name);
    struct digest base;

    if (digest_parse(entry->base_manifest ? entry->base_manifest : "", &base, err) < 0 ||
        reference_parse(source->wanted->image, &source->target, err) < 0 ||
        base_image_load_manifest(env->containerd, &base, &source->base, err) < 0 ||
        handover_open(env->containerd, source->key, entry->name, &source->upper_fd, err) < 0 ||
        snapshot_dirs(env->containerd, entry->snapshotter, snapshot, &dirs, err) < 0)
        return -1;
    const struct fold_place place = {.snapshotter = entry->snapshotter,
                                     .snapshot = snapshot,
                                     .lower_dirs = dirs.lower_dirs + 1, /* the first is its own */
                                     .lower_count = dirs.lower_count - 1};
    if (fold_plan(env->containerd, &place, &source->base, layers_max_on(env, &source->base), &source->fold,
                  err) < 0)
        return -1;
    source->bytes = estimate_bytes(source);
    return 0;
}

int commit_pod_reopen(const struct commit_environment *env, const struct commit_request *request,
                      const struct journal_record *record, struct commit_pod *ret_pod, struct error *err)
{
    struct commit_pod pod = {.sources = xcalloc(request->count, sizeof(*pod.sources))};
    int result = 0;

    for (size_t i = 0; result == 0 && i < request->count;
         i++) { /* the record begins with the committed ones */
        result = reopen_source(env, &record->containers[i], add_source(&pod, request), err);
        if (result < 0)
            (void)error_wrap(err, "container %s", request->containers[i].name);
    }
    if (result < 0) {
        commit_pod_done(&pod);
        return -1;
    }
    *ret_pod = pod;
    return 0;
}

/* ---- capture ---- */

static int capture_by_differ(const struct commit_source *source, const struct commit_environment *env,
                             const struct layer_options *options, int64_t timeout_ms, struct spool *spool,
                             struct layer_progress *progress, const bool *cancelled,
                             struct layer_result *ret_result, struct error *err)
{
    const struct diff_capture capture = {.key = source->key,
                                         .container = source->container,
                                         .options = options,
                                         .progress = progress,
                                         .cancelled = cancelled,
                                         .timeout_ms = timeout_ms};
    return diff_capture(env->containerd, &capture, spool, ret_result, err);
}

int commit_source_capture(const struct commit_source *source, const struct commit_environment *env,
                          const struct layer_options *options, int64_t timeout_ms, struct spool *spool,
                          struct layer_progress *progress, const bool *cancelled,
                          struct layer_result *ret_result, struct error *err)
{
    if (source->upper_fd < 0)
        return capture_by_differ(source, env, options, timeout_ms, spool, progress, cancelled, ret_result,
                                 err);
    SCOPED_SOURCE_ROOTS const struct walk_roots roots = commit_source_roots(source);
    return layer_capture(&roots, options, spool, progress, cancelled, ret_result, err);
}

static bool has_id(const struct container_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].id, id) == 0)
            return true;
    return false;
}

int commit_pod_check_complete(struct containerd *containerd, const struct commit_pod *pod, struct error *err)
{
    const struct container *member = &pod->running.items[0];
    const struct pod_name name = {
        .uid = member->pod_uid, .pod_namespace = member->pod_namespace, .name = member->pod_name};
    SCOPED_CONTAINER_LIST struct container_list now = {0};
    struct task task;

    if (containers_of_pod(containerd, &name, NULL, &now, err) < 0)
        return -1;
    for (size_t i = 0; i < now.count; i++) {
        if (has_id(&pod->running, now.items[i].id))
            continue;
        int found = task_get(containerd, now.items[i].id, &task, err);
        if (found < 0 && err->code != ERR_NOT_FOUND)
            return -1;
        if (found == 0 && task.state == TASK_RUNNING) {
            (void)error_set(err, ERR_CONFLICT, "container %s was started while its pod was being frozen",
                            now.items[i].name);
            return error_reason(err, "FreezeFailed");
        }
    }
    return 0;
}

void commit_pod_done(struct commit_pod *pod)
{
    for (size_t i = 0; i < pod->count; i++) {
        if (pod->sources[i].upper_fd >= 0)
            (void)close(pod->sources[i].upper_fd); /* only read */
        fold_done(&pod->sources[i].fold);
        base_image_done(&pod->sources[i].base);
    }
    free(pod->sources);
    container_list_done(&pod->running);
    *pod = (struct commit_pod){0};
}
