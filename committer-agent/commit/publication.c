#include "committer-agent/commit/publication.h"

#include <string.h>

#include "committer-agent/commit/diff_capture.h"
#include "committer-agent/commit/failpoints.h"
#include "committer-agent/commit/layer_push.h"
#include "committer-agent/commit/local_image.h"
#include "committer-agent/commit/upload_note.h"
#include "committer-agent/image/image.h"
#include "committer-agent/layer/precopy.h"
#include "committer-agent/registry/upload.h"
#include "shared/base/alloc.h"

struct part { /* of one container */
    const struct commit_source *source;
    struct registry *registry;
    struct spool *spool;
    struct layer_push *push;
    struct precopy *precopy; /* of a live snapshot, when its directories can be read */
    struct layer_result layer;
};

struct publication {
    struct publication_options options;
    struct part *parts;
    size_t count;
    bool uploads; /* prepared: what is captured is uploaded meanwhile */
};

struct publication *publication_new(const struct publication_options *options)
{
    struct publication *publication = xcalloc(1, sizeof(*publication));

    publication->options = *options;
    publication->count = options->pod->count;
    publication->parts = xcalloc(publication->count + 1, sizeof(*publication->parts));
    for (size_t i = 0; i < publication->count; i++)
        publication->parts[i].source = &options->pod->sources[i];
    return publication;
}

static void part_done(struct part *part)
{
    const struct error given_up = {.code = ERR_CANCELLED, .text = "the commit was given up"};
    struct error ignored; /* a file that stays is removed at the next start */

    if (part->spool)
        spool_fail(part->spool, &given_up); /* nothing, when it is finished */
    layer_push_free(part->push);
    if (part->spool)
        (void)spool_unlink(part->spool, &ignored);
    spool_unref(part->spool);
    precopy_free(part->precopy);
    registry_free(part->registry);
}

void publication_free(struct publication *publication)
{
    if (!publication)
        return;
    for (size_t i = 0; i < publication->count; i++)
        part_done(&publication->parts[i]);
    free(publication->parts);
    free(publication);
}

int commit_check_cancelled(const bool *cancelled, struct error *err)
{
    if (!__atomic_load_n(cancelled, __ATOMIC_ACQUIRE))
        return 0;
    (void)error_set(err, ERR_CANCELLED, "the commit was cancelled");
    return error_reason(err, "CommitCancelled");
}

/* Stops at the first part that fails, or when the commit is cancelled. */
static int each_part(struct publication *publication,
                     int (*step)(struct publication *publication, struct part *part, struct error *err),
                     const char *doing, struct error *err)
{
    for (size_t i = 0; i < publication->count; i++) {
        struct part *part = &publication->parts[i];
        if (commit_check_cancelled(publication->options.cancelled, err) < 0)
            return -1;
        if (step(publication, part, err) < 0)
            return error_wrap(err, "%s container %s", doing, part->source->wanted->name);
    }
    return 0;
}

/* ---- prepare ---- */

static struct registry_options registry_options(const struct publication *publication,
                                                const struct part *part)
{
    const struct commit_request *request = publication->options.request;
    const struct commit_environment *env = publication->options.env;

    return (struct registry_options){.host = part->source->target.host,
                                     .insecure = request->insecure,
                                     .ca_file = env->registry_ca_file,
                                     .dockerconfigjson = request->docker_config,
                                     .dockerconfigjson_length = request->docker_config_length,
                                     .user_agent = env->user_agent,
                                     .cancelled = publication->options.cancelled};
}

/* All of it while the container runs, if it does. */
static int reach_target(struct publication *publication, struct part *part, struct error *err)
{
    const struct commit_source *source = part->source;
    const struct registry_options options = registry_options(publication, part);

    return registry_open(&options, &part->registry, err) < 0 ||
                   registry_check(part->registry, source->target.repository, err) < 0 ||
                   base_image_push_layers(publication->options.env->containerd, &source->base,
                                          source->fold.keep_layers, part->registry, &source->target, err) < 0
               ? -1
               : 0;
}

int publication_prepare(struct publication *publication, struct error *err)
{
    if (each_part(publication, reach_target, "preparing the image of", err) < 0)
        return -1;
    publication->uploads = true;
    FAILPOINT(resolved);
    return 0;
}

/* ---- capture ---- */

static int start_upload(struct publication *publication, struct part *part, struct error *err)
{
    SCOPED(string)
    char *note = upload_note_path(publication->options.env->spool_dir, publication->options.request->key,
                                  part->source->wanted->name);
    const struct layer_push_options push = {.registry = part->registry,
                                            .note = note,
                                            .target = &part->source->target,
                                            .spool = part->spool,
                                            .bytes_pushed = &publication->options.progress->bytes_pushed};
    return layer_push_start(&push, &part->push, err);
}

static struct layer_options layer_options(const struct publication_options *options)
{
    return (struct layer_options){.compress = {.compression = options->request->compression,
                                               .level = options->env->compression_level,
                                               .threads = options->env->compression_threads}};
}

/* A spool, and an upload that follows it. */
static int open_spool(struct publication *publication, struct part *part, struct error *err)
{
    if (spool_new(publication->options.env->spool_dir, &part->spool, err) < 0 ||
        (publication->uploads && start_upload(publication, part, err) < 0))
        return -1;
    FAILPOINT(capture_begun);
    return 0;
}

static int capture_part(struct publication *publication, struct part *part, struct error *err)
{
    const struct publication_options *options = &publication->options;
    const struct layer_options layer = layer_options(options);

    if (open_spool(publication, part, err) < 0)
        return -1;
    return commit_source_capture(part->source, options->env, &layer, options->request->timeout_ms,
                                 part->spool, options->layers, options->cancelled, &part->layer, err);
}

int publication_capture(struct publication *publication, struct error *err)
{
    if (each_part(publication, capture_part, "capturing", err) < 0)
        return -1;
    FAILPOINT(captured);
    return 0;
}

/* ---- live ---- */

static int precopy_part(struct publication *publication, struct part *part, struct error *err)
{
    const struct publication_options *options = &publication->options;
    const struct layer_options layer = layer_options(options);

    if (part->source->upper_fd < 0)
        return 0; /* containerd's differ reads it while it is frozen */
    SCOPED_SOURCE_ROOTS const struct walk_roots roots = commit_source_roots(part->source);
    if (precopy_new(options->env->spool_dir, &layer, &part->precopy, err) < 0)
        return -1;
    return precopy_copy(part->precopy, &roots, options->layers, options->cancelled, err);
}

int publication_precopy(struct publication *publication, struct error *err)
{
    return each_part(publication, precopy_part, "reading ahead", err);
}

static int record_part(struct publication *publication, struct part *part, struct error *err)
{
    const struct publication_options *options = &publication->options;

    if (!part->precopy)
        return capture_part(publication, part, err);
    SCOPED_SOURCE_ROOTS const struct walk_roots roots = commit_source_roots(part->source);
    return precopy_freeze(part->precopy, &roots, options->layers, options->cancelled, err);
}

int publication_record(struct publication *publication, struct error *err)
{
    if (each_part(publication, record_part, "capturing", err) < 0)
        return -1;
    FAILPOINT(captured);
    return 0;
}

static int assemble_part(struct publication *publication, struct part *part, struct error *err)
{
    const struct publication_options *options = &publication->options;

    if (!part->precopy)
        return 0; /* it is captured already */
    if (open_spool(publication, part, err) < 0 ||
        precopy_assemble(part->precopy, part->spool, options->layers, options->cancelled, &part->layer, err) <
            0)
        return -1;
    precopy_free(TAKE(part->precopy)); /* its files may be large */
    return 0;
}

int publication_assemble(struct publication *publication, struct error *err)
{
    return each_part(publication, assemble_part, "capturing", err);
}

/* ---- images ---- */

static struct descriptor layer_blob(const struct commit_request *request, const struct layer_result *layer)
{
    return (struct descriptor){.media_type = media_type_parse(layer_media_type(request->compression)),
                               .digest = layer->digest,
                               .size_bytes = layer->size_bytes};
}

static int build_image(const struct publication *publication, const struct part *part,
                       struct image *ret_image, struct error *err)
{
    const struct base_image *base = &part->source->base;
    const struct image_layer added = {.blob = layer_blob(publication->options.request, &part->layer),
                                      .diff_id = part->layer.diff_id,
                                      .created_by = "stasis commit",
                                      .comment = FOLD_COMMENT};
    const struct image_plan plan = {.base_manifest = strbuf_text(&base->manifest_bytes),
                                    .base_manifest_length = base->manifest_bytes.length,
                                    .base_config = strbuf_text(&base->config_bytes),
                                    .base_config_length = base->config_bytes.length,
                                    .keep_layers = part->source->fold.keep_layers,
                                    .layers = &added,
                                    .layer_count = 1,
                                    .created_unix_ms = publication->options.created_unix_ms};
    return image_build(&plan, ret_image, err);
}

static uint64_t image_size(const struct manifest *manifest)
{
    uint64_t size = manifest->config.size_bytes;
    for (size_t i = 0; i < manifest->layer_count; i++)
        size += manifest->layers[i].size_bytes;
    return size;
}

static void fill_skipped(struct commit_result *result, const struct commit_source *source,
                         const struct layer_lost lost[LAYER_LOSS_MAX])
{
    result->skipped = xcalloc(LAYER_LOSS_MAX + 1, sizeof(*result->skipped));
    if (source->upper_fd < 0)
        result->skipped[result->skipped_count++] = (struct commit_skipped){
            .kind = xstrdup(DIFF_CAPTURE_LOSS_KIND), .count = 1, .example = xstrdup(DIFF_CAPTURE_LOSS)};
    for (int loss = 0; loss < LAYER_LOSS_MAX; loss++)
        if (lost[loss].count)
            result->skipped[result->skipped_count++] =
                (struct commit_skipped){.kind = xstrdup(layer_loss_name((enum layer_loss)loss)),
                                        .count = lost[loss].count,
                                        .example = xstrdup(lost[loss].example.text)};
}

static int fill_result(const struct part *part, const struct image *image, struct commit_result *result,
                       struct error *err)
{
    const struct layer_result *layer = &part->layer;
    const struct commit_container *wanted = part->source->wanted;
    struct digest chain;

    if (image_chain_id(image, &chain, err) < 0)
        return -1;
    *result = (struct commit_result){.container = xstrdup(wanted->name),
                                     .image = xstrdup(wanted->image),
                                     .digest = xstrdup(image->manifest_self.digest.text),
                                     .layer_digest = xstrdup(layer->digest.text),
                                     .diff_id = xstrdup(layer->diff_id.text),
                                     .chain_id = xstrdup(chain.text),
                                     .layer_size = layer->size_bytes,
                                     .image_size = image_size(&image->manifest),
                                     .files = layer->files,
                                     .layers = (uint32_t)image->manifest.layer_count};
    fill_skipped(result, part->source, layer->lost);
    return 0;
}

static int push_image(struct publication *publication, struct part *part, struct commit_result *result,
                      struct error *err)
{
    const struct reference *target = &part->source->target;
    SCOPED_IMAGE struct image image = {0};

    if (layer_push_finish(part->push, &part->layer.digest, err) < 0)
        return -1;
    FAILPOINT(layer_uploaded);
    if (build_image(publication, part, &image, err) < 0 ||
        upload_bytes(part->registry, target->repository, strbuf_text(&image.config_bytes),
                     image.config_bytes.length, &image.manifest.config.digest, err) < 0)
        return -1;
    FAILPOINT(config_uploaded);
    if (registry_put_manifest(part->registry, target->repository, target->tag, image.manifest_self.media_type,
                              strbuf_text(&image.manifest_bytes), image.manifest_bytes.length, NULL, err) < 0)
        return -1;
    FAILPOINT(manifest_put);
    return fill_result(part, &image, result, err);
}

static int keep_image(struct publication *publication, struct part *part, struct commit_result *result,
                      struct error *err)
{
    SCOPED_IMAGE struct image image = {0};

    const struct local_image local = {.key = part->source->key,
                                      .container = part->source->wanted->name,
                                      .target = &part->source->target,
                                      .image = &image};

    if (build_image(publication, part, &image, err) < 0 || fill_result(part, &image, result, err) < 0 ||
        local_image_keep(publication->options.env->containerd, &local, err) < 0)
        return -1;
    FAILPOINT(kept_image_made);
    return 0;
}

static int make_images(struct publication *publication,
                       int (*make)(struct publication *publication, struct part *part,
                                   struct commit_result *result, struct error *err),
                       const char *doing, struct commit_result **ret_results, struct error *err)
{
    const size_t count = publication->count;
    struct commit_result *results = xcalloc(count + 1, sizeof(*results));
    int result = 0;

    for (size_t i = 0; result == 0 && i < count; i++) {
        struct part *part = &publication->parts[i];
        result = commit_check_cancelled(publication->options.cancelled, err);
        if (result == 0 && make(publication, part, &results[i], err) < 0)
            result = error_wrap(err, "%s %s", doing, part->source->wanted->image);
    }
    if (result < 0)
        commit_results_free(results, count);
    else
        *ret_results = results;
    return result;
}

int publication_push(struct publication *publication, struct commit_result **ret_results, struct error *err)
{
    return make_images(publication, push_image, "pushing", ret_results, err);
}

int publication_keep(struct publication *publication, struct commit_result **ret_results, struct error *err)
{
    return make_images(publication, keep_image, "keeping", ret_results, err);
}
