#include "committer-agent/commit/run.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "committer-agent/commit/layer_push.h"
#include "committer-agent/commit/rights.h"
#include "committer-agent/commit/source.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/frozen_by.h"
#include "committer-agent/image/image.h"
#include "committer-agent/registry/upload.h"
#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

struct capture { /* of one source */
    struct registry *registry;
    struct spool *spool;
    struct layer_push *push;
    struct layer_result layer;
};

struct steps { /* everything one run owns */
    struct commit_run *run;
    struct commit_pod pod;
    struct capture *captures;      /* one per source */
    struct journal_record *record; /* NULL until something may be frozen */
    struct commit_result *results;
    int64_t frozen_at_ms;
    bool kept; /* frozen containers and record outlive the run */
};

static void enter(struct steps *steps, enum commit_phase phase)
{
    atomic_store(&steps->run->progress.phase, phase);
    steps->run->phase_changed(steps->run->self);
}

static int check_cancelled(const struct steps *steps, struct error *err)
{
    if (!__atomic_load_n(&steps->run->cancelled, __ATOMIC_ACQUIRE))
        return 0;
    (void)error_set(err, ERR_CANCELLED, "the commit was cancelled");
    return error_reason(err, "CommitCancelled");
}

/* What is about to be captured must fit, and leave the node some air. */
static int check_disk(const struct steps *steps, struct error *err)
{
    const struct commit_environment *env = steps->run->env;
    uint64_t want_bytes = env->spool_min_free_bytes + atomic_load(&steps->run->progress.bytes_total);
    struct statvfs fs;

    if (statvfs(env->spool_dir, &fs) < 0)
        return error_sys(err, errno, "looking at the free space of %s", env->spool_dir);
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes >= want_bytes)
        return 0;
    (void)error_set(err, ERR_EXHAUSTED,
                    "%s has %" PRIu64 " MiB free, this commit wants %" PRIu64
                    ": free some space on this node",
                    env->spool_dir, free_bytes >> 20, want_bytes >> 20);
    return error_reason(err, "DiskFull");
}

/* A hold ends by killing, which must not turn out impossible, or void, when everything else is done. */
static int check_rights(const struct steps *steps, struct error *err)
{
    bool kills = steps->run->request->hold;

    if (commit_check_rights(kills, err) < 0)
        return -1;
    return kills ? containerd_check_pids(steps->run->env->containerd, err) : 0;
}

static struct registry_options registry_options(const struct commit_run *run, const struct reference *target)
{
    return (struct registry_options){.host = target->host,
                                     .insecure = run->request->insecure,
                                     .ca_file = run->env->registry_ca_file,
                                     .dockerconfigjson = run->request->docker_config,
                                     .dockerconfigjson_length = run->request->docker_config_length,
                                     .user_agent = run->env->user_agent,
                                     .cancelled = &run->cancelled};
}

/* Reaches the registry with our credentials and puts the base there, all while the container runs. */
static int prepare_target(struct steps *steps, size_t i, struct error *err)
{
    const struct commit_source *source = &steps->pod.sources[i];
    struct capture *capture = &steps->captures[i];
    const struct registry_options options = registry_options(steps->run, &source->target);

    if (registry_open(&options, &capture->registry, err) < 0 ||
        registry_check(capture->registry, source->target.repository, err) < 0 ||
        base_image_push_layers(steps->run->env->containerd, &source->base, capture->registry, &source->target,
                               err) < 0)
        return error_wrap(err, "container %s", source->wanted->name);
    return 0;
}

static int prepare(struct steps *steps, struct error *err)
{
    enter(steps, COMMIT_RESOLVING);
    if (commit_pod_resolve(steps->run->env->containerd, steps->run->request, &steps->pod, err) < 0 ||
        steps->run->claim(steps->run->self, &steps->pod.running.items[0], err) < 0)
        return -1;
    for (size_t i = 0; i < steps->pod.count; i++)
        atomic_fetch_add(&steps->run->progress.bytes_total, steps->pod.sources[i].upper_bytes);
    if (check_rights(steps, err) < 0 || check_disk(steps, err) < 0)
        return -1;
    steps->captures = xcalloc(steps->pod.count, sizeof(*steps->captures));
    for (size_t i = 0; i < steps->pod.count; i++)
        if (check_cancelled(steps, err) < 0 || prepare_target(steps, i, err) < 0)
            return -1;
    return 0;
}

static bool is_wanted(const struct commit_request *request, const char *container)
{
    for (size_t i = 0; i < request->count; i++)
        if (strcmp(request->containers[i].name, container) == 0)
            return true;
    return false;
}

static struct journal_container recorded(const struct container *container, const char *image)
{
    return (struct journal_container){.name = xstrdup(container->name),
                                      .id = xstrdup(container->id),
                                      .image = image ? xstrdup(image) : NULL};
}

static struct journal_record *record_of(const struct steps *steps)
{
    const struct commit_request *request = steps->run->request;
    const struct commit_pod *pod = &steps->pod;
    const struct container_list *running = &pod->running;
    struct journal_record *record = xcalloc(1, sizeof(*record));

    record->key = xstrdup(request->key);
    record->stage = STAGE_FREEZING;
    record->pod_uid = xstrdup(running->items[0].pod_uid);
    record->pod_ns = xstrdup(running->items[0].pod_namespace);
    record->pod_name = xstrdup(running->items[0].pod_name);
    record->hold = request->hold;
    record->changed_unix_ms = clock_realtime_ms();
    record->containers = xcalloc(running->count, sizeof(*record->containers));
    for (size_t i = 0; i < pod->count; i++) /* in the order of the request: so are results read back */
        record->containers[record->count++] =
            recorded(pod->sources[i].container, pod->sources[i].wanted->image);
    for (size_t i = 0; i < running->count; i++)
        if (!is_wanted(request, running->items[i].name))
            record->containers[record->count++] = recorded(&running->items[i], NULL);
    return record;
}

/* Minutes may have passed since the pod was looked at. What somebody else froze in between is not ours to thaw
 * when we fail, so it must not get into the record. */
static int check_all_run(const struct steps *steps, struct error *err)
{
    const struct container_list *running = &steps->pod.running;

    for (size_t i = 0; i < running->count; i++) {
        int frozen = container_is_frozen(steps->run->env->containerd, running->items[i].id, err);
        if (frozen < 0)
            return -1;
        if (frozen) {
            (void)error_set(err, ERR_PRECONDITION, "container %s is frozen already, by somebody else",
                            running->items[i].name);
            return error_reason(err, "FreezeFailed");
        }
    }
    return 0;
}

/* A layer of files that somebody could write meanwhile would be a torn one. */
static int check_still_frozen(const struct steps *steps, struct error *err)
{
    const struct journal_record *record = steps->record;

    for (size_t i = 0; i < record->count; i++) {
        int frozen = container_is_frozen(steps->run->env->containerd, record->containers[i].id, err);
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
static int mark_all(const struct steps *steps, struct error *err)
{
    const struct commit_environment *env = steps->run->env;
    const struct journal_record *record = steps->record;

    for (size_t i = 0; env->owner && i < record->count; i++)
        if (container_mark_frozen(env->containerd, record->containers[i].id, env->owner, err) < 0)
            return -1;
    return 0;
}

static int freeze_all(struct steps *steps, struct error *err)
{
    const struct commit_environment *env = steps->run->env;
    struct journal_record *record = steps->record;

    for (size_t i = 0; i < record->count; i++) {
        struct frozen frozen = {0};
        if (container_freeze(env->containerd, record->containers[i].id, &frozen, err) < 0) {
            journal_record_keep(record, i + 1); /* the others are not ours to thaw */
            return error_wrap(err, "freezing container %s", record->containers[i].name);
        }
        frozen_keep(&frozen); /* the record owes the thaw */
    }
    return commit_pod_check_complete(env->containerd, &steps->pod, err);
}

static int freeze(struct steps *steps, struct error *err)
{
    const struct commit_environment *env = steps->run->env;

    enter(steps, COMMIT_FREEZING);
    if (check_cancelled(steps, err) < 0 || check_all_run(steps, err) < 0)
        return -1;
    struct journal_record *record = record_of(steps);
    if (journal_write(env->journal, record, err) < 0) {
        journal_record_free(record);
        return -1;
    }
    steps->record = record;
    if (mark_all(steps, err) < 0)
        return -1;
    steps->frozen_at_ms = clock_monotonic_ms();
    return freeze_all(steps, err);
}

static int capture_one(struct steps *steps, size_t i, struct error *err)
{
    struct commit_run *run = steps->run;
    const struct commit_source *source = &steps->pod.sources[i];
    struct capture *capture = &steps->captures[i];
    const struct registry_options registry = registry_options(run, &source->target);
    const struct layer_options options = {.compress = {.compression = run->request->compression,
                                                       .level = run->env->compression_level,
                                                       .threads = run->env->compression_threads}};

    if (spool_new(run->env->spool_dir, &capture->spool, err) < 0)
        return -1;
    const struct layer_push_options push = {.registry = &registry,
                                            .target = &source->target,
                                            .spool = capture->spool,
                                            .bytes_pushed = &run->progress.bytes_pushed};
    if (layer_push_start(&push, &capture->push, err) < 0)
        return -1;
    const struct walk_roots roots = {&source->upper_fd, 1};
    if (layer_capture(&roots, &options, capture->spool, &run->layers, &run->cancelled,
                      &capture->layer, err) < 0)
        return error_wrap(err, "capturing container %s", source->wanted->name);
    return 0;
}

static int capture(struct steps *steps, struct error *err)
{
    enter(steps, COMMIT_CAPTURING);
    for (size_t i = 0; i < steps->pod.count; i++)
        if (check_cancelled(steps, err) < 0 || capture_one(steps, i, err) < 0)
            return -1;
    if (check_still_frozen(steps, err) < 0)
        return -1;
    if (steps->run->request->hold)
        return 0;
    if (commit_thaw(steps->run->env->containerd, steps->record, err) < 0)
        return error_wrap(err, "thawing after the capture");
    steps->record->frozen_ms = clock_monotonic_ms() - steps->frozen_at_ms;
    return 0;
}

static struct descriptor layer_blob(const struct commit_request *request, const struct layer_result *layer)
{
    return (struct descriptor){.media_type = media_type_parse(layer_media_type(request->compression)),
                               .digest = layer->digest,
                               .size_bytes = layer->size_bytes};
}

static int build_image(const struct steps *steps, size_t i, struct image *ret_image, struct error *err)
{
    const struct commit_source *source = &steps->pod.sources[i];
    const struct layer_result *layer = &steps->captures[i].layer;
    const struct image_layer added = {.blob = layer_blob(steps->run->request, layer),
                                      .diff_id = layer->diff_id,
                                      .created_by = "stasis commit",
                                      .comment = "stasis"};
    const struct image_plan plan = {.base_manifest = strbuf_text(&source->base.manifest_bytes),
                                    .base_manifest_length = source->base.manifest_bytes.length,
                                    .base_config = strbuf_text(&source->base.config_bytes),
                                    .base_config_length = source->base.config_bytes.length,
                                    .keep_layers = SIZE_MAX,
                                    .layers = &added,
                                    .layer_count = 1,
                                    .created_unix_ms = clock_realtime_ms()};
    return image_build(&plan, ret_image, err);
}

static uint64_t image_size(const struct manifest *manifest)
{
    uint64_t size = manifest->config.size_bytes;
    for (size_t i = 0; i < manifest->layer_count; i++)
        size += manifest->layers[i].size_bytes;
    return size;
}

static void fill_skipped(struct commit_result *result, const struct layer_lost lost[LAYER_LOSS_MAX])
{
    result->skipped = xcalloc(LAYER_LOSS_MAX, sizeof(*result->skipped));
    for (int loss = 0; loss < LAYER_LOSS_MAX; loss++)
        if (lost[loss].count)
            result->skipped[result->skipped_count++] =
                (struct commit_skipped){.kind = xstrdup(layer_loss_name((enum layer_loss)loss)),
                                        .count = lost[loss].count,
                                        .example = xstrdup(lost[loss].example.text)};
}

static void fill_result(const struct steps *steps, size_t i, const struct image *image)
{
    const struct layer_result *layer = &steps->captures[i].layer;
    const struct commit_container *wanted = steps->pod.sources[i].wanted;
    struct commit_result *result = &steps->results[i];

    *result = (struct commit_result){.container = xstrdup(wanted->name),
                                     .image = xstrdup(wanted->image),
                                     .digest = xstrdup(image->manifest_self.digest.text),
                                     .layer_digest = xstrdup(layer->digest.text),
                                     .diff_id = xstrdup(layer->diff_id.text),
                                     .layer_size = layer->size_bytes,
                                     .image_size = image_size(&image->manifest),
                                     .files = layer->files,
                                     .layers = (uint32_t)image->manifest.layer_count};
    fill_skipped(result, layer->lost);
}

static int push_one(struct steps *steps, size_t i, struct error *err)
{
    const struct reference *target = &steps->pod.sources[i].target;
    struct capture *capture = &steps->captures[i];
    SCOPED_IMAGE struct image image = {0};

    if (layer_push_finish(capture->push, &capture->layer.digest, err) < 0 ||
        build_image(steps, i, &image, err) < 0 ||
        upload_bytes(capture->registry, target->repository, strbuf_text(&image.config_bytes),
                     image.config_bytes.length, &image.manifest.config.digest, err) < 0 ||
        registry_put_manifest(capture->registry, target->repository, target->tag,
                              image.manifest_self.media_type, strbuf_text(&image.manifest_bytes),
                              image.manifest_bytes.length, NULL, err) < 0)
        return error_wrap(err, "pushing %s", steps->pod.sources[i].wanted->image);
    fill_result(steps, i, &image);
    return 0;
}

static int push(struct steps *steps, struct error *err)
{
    enter(steps, COMMIT_PUSHING);
    steps->results = xcalloc(steps->pod.count, sizeof(*steps->results));
    for (size_t i = 0; i < steps->pod.count; i++)
        if (check_cancelled(steps, err) < 0 || push_one(steps, i, err) < 0)
            return -1;
    return 0;
}

static void copy_result(struct journal_container *into, const struct commit_result *result)
{
    into->digest = xstrdup(result->digest);
    into->layer_digest = xstrdup(result->layer_digest);
    into->diff_id = xstrdup(result->diff_id);
    into->layer_size = result->layer_size;
    into->image_size = result->image_size;
    into->files = result->files;
    into->layers = (int32_t)result->layers;
    struct journal_skipped *skipped = xcalloc(result->skipped_count + 1, sizeof(*skipped));
    for (size_t i = 0; i < result->skipped_count; i++)
        skipped[i] = (struct journal_skipped){.kind = xstrdup(result->skipped[i].kind),
                                              .count = result->skipped[i].count,
                                              .example = xstrdup(result->skipped[i].example)};
    into->skipped = (struct json_list){.items = skipped, .count = result->skipped_count};
}

/* From here on the commit is a fact: it survives this process. */
static int conclude(struct steps *steps, struct error *err)
{
    const struct commit_request *request = steps->run->request;
    struct journal_record *record = steps->record;

    for (size_t i = 0; i < steps->pod.count; i++) /* the record begins with the committed ones */
        copy_result(&record->containers[i], &steps->results[i]);
    record->changed_unix_ms = clock_realtime_ms();
    record->stage = request->hold ? STAGE_HOLDING : STAGE_DONE;
    if (request->hold) {
        record->frozen_ms = clock_monotonic_ms() - steps->frozen_at_ms;
        record->hold_until_unix_ms = record->changed_unix_ms + request->hold_timeout_ms;
    }
    if (journal_write(steps->run->env->journal, record, err) < 0)
        return -1;
    steps->kept = true;
    enter(steps, request->hold ? COMMIT_HOLDING : COMMIT_DONE);
    return 0;
}

int commit_thaw(struct containerd *containerd, const struct journal_record *record, struct error *err)
{
    struct error each;
    int result = 0;

    for (size_t i = 0; i < record->count; i++) /* one that fails must not keep the others frozen */
        if (container_thaw(containerd, record->containers[i].id, &each) < 0) {
            *err = each;
            result = error_wrap(err, "thawing container %s", record->containers[i].name);
        }
    for (size_t i = 0; result == 0 && i < record->count; i++)
        (void)container_unmark_frozen(containerd, record->containers[i].id,
                                      &each); /* one that stays says nothing */
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

int commit_kill(struct containerd *containerd, const struct journal_record *record, struct error *err)
{
    for (size_t i = 0; i < record->count; i++)
        if (container_kill_frozen(containerd, record->containers[i].id, err) < 0)
            return error_wrap(err, "killing container %s", record->containers[i].name);
    return 0;
}

/* The way back: everybody runs again, and only then the record goes. */
static void undo(struct steps *steps)
{
    const struct commit_environment *env = steps->run->env;
    struct backoff backoff = {.first_ms = 100, .max_ms = 5000};
    struct error err;

    while (commit_thaw(env->containerd, steps->record, &err) < 0) {
        log_failure(LOG_ERROR, "containers stay frozen until containerd lets us thaw them", &err,
                    log_str("pod", steps->record->pod_name));
        if (!steps->run->wait(steps->run->self, backoff_next_ms(&backoff)))
            return; /* stopping: the record is settled at the next start */
    }
    if (journal_remove(env->journal, steps->record->key, &err) < 0)
        log_failure(LOG_WARN, "a settled journal record stays",
                    &err); /* settled again at the next start: harmless */
}

static void capture_done(struct capture *capture)
{
    const struct error given_up = {.code = ERR_CANCELLED, .text = "the commit was given up"};
    struct error ignored; /* a file that stays is removed at the next start */

    if (capture->spool)
        spool_fail(capture->spool, &given_up); /* nothing, when it is finished */
    layer_push_free(capture->push);
    if (capture->spool)
        (void)spool_unlink(capture->spool, &ignored);
    spool_unref(capture->spool);
    registry_free(capture->registry);
}

int commit_run(struct commit_run *run, struct journal_record **ret_record, struct commit_result **ret_results,
               struct error *err)
{
    struct steps steps = {.run = run};
    int result = prepare(&steps, err) < 0 || freeze(&steps, err) < 0 || capture(&steps, err) < 0 ||
                         push(&steps, err) < 0 || conclude(&steps, err) < 0
                     ? -1
                     : 0;

    if (steps.record && !steps.kept)
        undo(&steps); /* first of all: nobody waits frozen for our clean-up */
    for (size_t i = 0; steps.captures && i < steps.pod.count; i++)
        capture_done(&steps.captures[i]);
    free(steps.captures);
    if (result == 0) {
        *ret_record = TAKE(steps.record);
        *ret_results = TAKE(steps.results);
    }
    commit_results_free(steps.results, steps.results ? steps.pod.count : 0);
    journal_record_free(steps.record);
    commit_pod_done(&steps.pod);
    return result;
}
