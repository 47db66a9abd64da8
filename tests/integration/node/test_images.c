/* Pods that start from a committed image, by CRI: warm on the node that committed it, and from an image that this node
 * alone has. */
#include "committer-agent/commit/base_image.h"
#include "committer-agent/commit/handover.h"
#include "committer-agent/commit/local_image.h"
#include "committer-agent/commit/warm.h"
#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/layer/layer.h"
#include "committer-agent/registry/upload.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "tests/integration/node/node_client.h"
#include "tests/unit/testing.h"

#define SECRET "{\"auths\":{\"%s\":{\"username\":\"tester\",\"password\":\"secret-of-the-tester\"}}}"
#define CHANGES                                                                                              \
    "mkdir -p /made/deep; echo kept >/made/deep/file; ln /made/deep/file /made/link; chmod 4750 "            \
    "/made/link; "                                                                                           \
    "rm /bin/vi; touch -d 2001-02-03 /made; sleep 1000"
/* All that is not the pod's own: names, modes, owners, sizes, times, contents. */
#define TREE                                                                                                 \
    "find /made /bin /usr /root | sort | xargs stat -c \"%n %f %u %g %s %Y %h\"; ls -la /bin/vi; cat "       \
    "/made/deep/file /made/link"

/* A pod's main container, killed and taken over, and its image. */
struct paused {
    struct containerd *containerd;
    char key[UUID_SIZE];
    char *secret;
    struct reference target;
    struct image image;
    struct digest chain;
    struct strbuf layer;
    struct executed tree; /* as it was before */
    char *by_digest;      /* what a template names */
};

static void collect_garbage(const struct world *world)
{
    shell("c='ctr -a %s -n k8s.io'; $c leases create --id collect >/dev/null && $c leases delete --sync "
          "collect "
          ">/dev/null",
          world->containerd_socket);
}

static void read_tree(struct world *world, struct executed *ret_executed)
{
    struct error err = {0};
    int64_t until_ms = clock_monotonic_ms() + 20000;

    do { /* the container's script may be at it still */
        executed_done(ret_executed);
        assert_ok(exec_script(world, "test -u /made/link && test $(stat -c %Y /made) -lt 1000000000", NULL, 0,
                              5000, ret_executed, &err),
                  &err);
    } while (ret_executed->exit_code != 0 && clock_monotonic_ms() < until_ms);
    executed_done(ret_executed);
    assert_ok(exec_script(world, TREE, NULL, 0, 5000, ret_executed, &err), &err);
    assert_contains(strbuf_text(&ret_executed->out), "/made/deep/file");
    assert_contains(strbuf_text(&ret_executed->out), "kept\nkept\n");
}

static void capture(struct world *world, struct paused *paused, struct layer_result *ret_layer)
{
    const struct layer_options options = {.compress = {.compression = LAYER_GZIP}};
    SCOPED(spool) struct spool *spool = NULL;
    SCOPED(fd) int folder = -1;
    struct error err = {0};

    assert_ok(handover_open(paused->containerd, paused->key, "main", &folder, &err), &err);
    const struct walk_roots roots = {.fds = &folder, .count = 1};
    assert_ok(spool_new(world->dir, &spool, &err), &err);
    assert_ok(layer_capture(&roots, &options, spool, NULL, NULL, ret_layer, &err), &err);
    assert_ok(file_read(spool_path(spool), 64 << 20, &paused->layer, &err), &err);
    assert_ok(spool_unlink(spool, &err), &err);
}

static void build_image(struct paused *paused, const struct container *container,
                        const struct layer_result *layer)
{
    struct base_image base = {0};
    const struct image_layer added = {.blob = {.media_type = MEDIA_OCI_LAYER_GZIP,
                                               .digest = layer->digest,
                                               .size_bytes = layer->size_bytes},
                                      .diff_id = layer->diff_id,
                                      .created_by = "test"};
    SCOPED(image_config) struct image_config *config = NULL;
    struct error err = {0};

    assert_ok(base_image_load(paused->containerd, container->image, &base, &err), &err);
    const struct image_plan plan = {.base_manifest = strbuf_text(&base.manifest_bytes),
                                    .base_manifest_length = base.manifest_bytes.length,
                                    .base_config = strbuf_text(&base.config_bytes),
                                    .base_config_length = base.config_bytes.length,
                                    .keep_layers = SIZE_MAX,
                                    .layers = &added,
                                    .layer_count = 1,
                                    .created_unix_ms = clock_realtime_ms()};
    assert_ok(image_build(&plan, &paused->image, &err), &err);
    base_image_done(&base);
    assert_ok(image_config_parse(strbuf_text(&paused->image.config_bytes), paused->image.config_bytes.length,
                                 "config", &config, &err),
              &err);
    assert_true(image_config_chain_id(config, &paused->chain));
}

static void kill_and_take(struct paused *paused, const struct container *container)
{
    struct frozen frozen = {0};
    struct error err = {0};

    assert_ok(container_freeze(paused->containerd, container->id, &frozen, &err), &err);
    frozen_keep(&frozen);
    assert_ok(container_kill_frozen(paused->containerd, container->id, &err), &err);
    assert_ok(handover_take(paused->containerd, container, paused->key, &err), &err);
}

/* The pod runs, changes files and is paused; `repository` and a tag of its own are where its image belongs. */
static void pause_pod(struct world *world, const char *repository, struct paused *paused)
{
    const struct pod_name name = {.uid = world->uid};
    SCOPED_CONTAINER_LIST struct container_list list = {0};
    struct error err = {0};
    struct layer_result layer;
    pod_answer *pod = run_pod(world, &(struct pod_wish){.script = CHANGES}, &err);

    if (!pod)
        fail_msg("RunPod: %s", err.text);
    pod_answer_free(pod);
    *paused = (struct paused){.containerd = node_get_containerd(world->node),
                              .secret = xasprintf(SECRET, world->registry)};
    uuid_v4(paused->key);
    SCOPED(string) char *target = xasprintf("%s:paused-%.8s", repository, paused->key);
    assert_ok(reference_parse(target, &paused->target, &err), &err);
    read_tree(world, &paused->tree);
    assert_ok(containers_of_pod(paused->containerd, &name, "main", &list, &err), &err);
    kill_and_take(paused, &list.items[0]);
    capture(world, paused, &layer);
    build_image(paused, &list.items[0], &layer);
    paused->by_digest = xasprintf("%s@%s", target, paused->image.manifest_self.digest.text);
    assert_ok(stop_pod(world, 0, &err), &err);
}

static void paused_done(struct paused *paused)
{
    struct error ignored;

    (void)warm_drop(paused->containerd, paused->key, &ignored);
    (void)handover_drop(paused->containerd, paused->key, &ignored);
    (void)local_image_forget(paused->containerd, &paused->target, &paused->image.manifest_self.digest,
                             &ignored);
    free(paused->secret);
    free(paused->by_digest);
    strbuf_done(&paused->layer);
    executed_done(&paused->tree);
    image_done(&paused->image);
}
#define SCOPED_PAUSED __attribute__((cleanup(paused_done)))

/* The base's layers are in that repository already. */
static void push(struct world *world, struct paused *paused)
{
    const struct registry_options options = {.host = world->registry,
                                             .insecure = true,
                                             .dockerconfigjson = paused->secret,
                                             .dockerconfigjson_length = strlen(paused->secret),
                                             .user_agent = "test"};
    const struct image *image = &paused->image;
    const struct descriptor *layer = &image->manifest.layers[image->manifest.layer_count - 1];
    const char *repository = paused->target.repository;
    SCOPED(registry) struct registry *registry = NULL;
    struct error err = {0};

    assert_ok(registry_open(&options, &registry, &err), &err);
    assert_ok(
        upload_bytes(registry, repository, paused->layer.bytes, paused->layer.length, &layer->digest, &err),
        &err);
    assert_ok(upload_bytes(registry, repository, strbuf_text(&image->config_bytes),
                           image->config_bytes.length, &image->manifest.config.digest, &err),
              &err);
    assert_ok(registry_put_manifest(registry, repository, paused->target.tag, image->manifest_self.media_type,
                                    strbuf_text(&image->manifest_bytes), image->manifest_bytes.length, NULL,
                                    &err),
              &err);
}

static void keep_warm(const struct paused *paused)
{
    const struct warm_image image = {
        .key = paused->key, .container = "main", .chain_id = &paused->chain, .retention_ms = 3600000};
    const char *why = NULL;
    struct error err = {0};

    assert_int_equal(warm_keep(paused->containerd, &image, &why, &err), 1);
}

static void resume(struct world *world, const struct paused *paused)
{
    struct executed tree = {0};
    struct error err = {0};
    pod_answer *pod = run_pod(
        world,
        &(struct pod_wish){.script = "sleep 1000", .image = paused->by_digest, .secret = paused->secret},
        &err);

    if (!pod)
        fail_msg("RunPod: %s", err.text);
    pod_answer_free(pod);
    read_tree(world, &tree);
    assert_string_equal(strbuf_text(&tree.out), strbuf_text(&paused->tree.out));
    executed_done(&tree);
}

static bool layer_was_downloaded(const struct paused *paused)
{
    const struct manifest *manifest = &paused->image.manifest;
    SCOPED_CONTENT_RECORD struct content_record record = {0};
    struct error err = {0};
    int found =
        content_stat(paused->containerd, &manifest->layers[manifest->layer_count - 1].digest, &record, &err);

    assert_true(found == 0 || err.code == ERR_NOT_FOUND);
    return found == 0;
}

static bool is_there(const struct paused *paused, const char *snapshot)
{
    struct error err = {0};
    int there = snapshot_exists(paused->containerd, "overlayfs", snapshot, &err);

    assert_ok(there, &err);
    return there;
}

static void the_node_that_committed_an_image_starts_it_without_its_layer(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *repository = xasprintf("%s/team/busybox", world->registry);
    SCOPED_PAUSED struct paused paused = {0};
    struct error err = {0};

    pause_pod(world, repository, &paused);
    SCOPED(string) char *taken = handover_snapshot_name(paused.key, "main");
    push(world, &paused);
    keep_warm(&paused);
    assert_ok(handover_drop(paused.containerd, paused.key, &err), &err);
    collect_garbage(world);

    resume(world, &paused);
    assert_false(layer_was_downloaded(&paused));

    /* What the pull recorded keeps the files from now on. */
    assert_ok(warm_drop(paused.containerd, paused.key, &err), &err);
    assert_ok(stop_pod(world, 0, &err), &err);
    collect_garbage(world);
    resume(world, &paused);
    assert_false(layer_was_downloaded(&paused));

    assert_ok(stop_pod(world, 0, &err), &err);
    assert_ok(local_image_forget(paused.containerd, &paused.target, &paused.image.manifest_self.digest, &err),
              &err);
    collect_garbage(world);
    collect_garbage(world);
    assert_false(is_there(&paused, paused.chain.text));
    assert_false(is_there(&paused, taken));
}

static void without_an_alias_the_same_image_is_downloaded_and_is_the_same(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *repository = xasprintf("%s/team/busybox", world->registry);
    SCOPED_PAUSED struct paused paused = {0};
    struct error err = {0};

    pause_pod(world, repository, &paused);
    push(world, &paused);
    assert_ok(handover_drop(paused.containerd, paused.key, &err), &err);
    resume(world, &paused);
    assert_true(layer_was_downloaded(&paused));
    assert_ok(stop_pod(world, 0, &err), &err);
}

static void keep_locally(const struct paused *paused)
{
    const struct local_image local = {
        .key = paused->key, .container = "main", .target = &paused->target, .image = &paused->image};
    struct error err = {0};

    assert_ok(local_image_keep(paused->containerd, &local, &err), &err);
}

/* Nobody listens at that registry: nothing of this can have been pulled. */
static void an_image_kept_on_the_node_starts_without_a_registry(void **state)
{
    struct world *world = *state;
    SCOPED_PAUSED struct paused paused = {0};
    struct error err = {0};

    pause_pod(world, "127.0.0.1:1/team/kept", &paused);
    SCOPED(string) char *taken = handover_snapshot_name(paused.key, "main");
    keep_locally(&paused);
    keep_locally(&paused);
    collect_garbage(world);
    resume(world, &paused);
    assert_ok(stop_pod(world, 0, &err), &err);

    /* Its records alone keep it, too; with them it goes. */
    assert_ok(handover_drop(paused.containerd, paused.key, &err), &err);
    collect_garbage(world);
    resume(world, &paused);
    assert_ok(stop_pod(world, 0, &err), &err);
    assert_ok(local_image_forget(paused.containerd, &paused.target, &paused.image.manifest_self.digest, &err),
              &err);
    assert_ok(local_image_forget(paused.containerd, &paused.target, &paused.image.manifest_self.digest, &err),
              &err);
    collect_garbage(world);
    collect_garbage(world);
    assert_false(is_there(&paused, paused.chain.text));
    assert_false(is_there(&paused, taken));
    assert_null(run_pod(world, &(struct pod_wish){.script = "true", .image = paused.by_digest}, &err));
    assert_string_equal(err.reason, "ErrImagePull");
}

static void only_a_pod_that_asks_for_it_pulls_what_the_node_has(void **state)
{
    struct world *world = *state;
    SCOPED_PAUSED struct paused paused = {0};
    struct error err = {0};

    pause_pod(world, "127.0.0.1:1/team/kept", &paused);
    keep_locally(&paused);
    assert_null(run_pod(
        world, &(struct pod_wish){.script = "true", .image = paused.by_digest, .policy = "Always"}, &err));
    assert_string_equal(err.reason, "ErrImagePull");
    resume(world, &paused);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_new_pod, world_stop_pod)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_node_that_committed_an_image_starts_it_without_its_layer),
        TEST(without_an_alias_the_same_image_is_downloaded_and_is_the_same),
        TEST(an_image_kept_on_the_node_starts_without_a_registry),
        TEST(only_a_pod_that_asks_for_it_pulls_what_the_node_has),
    };
    return cmocka_run_group_tests_name("images", tests, world_start, world_end);
}
