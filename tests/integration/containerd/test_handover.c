/* What becomes of a killed container's files, against a real containerd; tests/lib/with-containerd.sh starts it. */
#include <fcntl.h>
#include <sys/stat.h>

#include "committer-agent/commit/diff_capture.h"
#include "committer-agent/commit/handover.h"
#include "committer-agent/commit/warm.h"
#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/images.h"
#include "committer-agent/containerd/leases.h"
#include "committer-agent/containerd/snapshot_dirs.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "tests/unit/testing.h"

struct world {
    struct containerd *containerd;
    const char *image, *dir;
    char *ctr;           /* "ctr -a <socket> -n k8s.io" */
    char key[UUID_SIZE]; /* of the running test: of its commit, and of its container */
};

static int sh(const char *fmt, ...) PRINTF(1, 2);
static int sh(const char *fmt, ...)
{
    char command[4096];
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    assert_in_range(length, 1, sizeof(command) - 1);
    return system(command);
}

static int start_world(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));

    world->dir = getenv("STASIS_CONTAINERD_DIR");
    world->image = getenv("STASIS_TEST_IMAGE");
    if (!world->dir || !world->image)
        return -1;
    SCOPED(string) char *socket = xasprintf("%s/containerd.sock", world->dir);
    world->containerd = containerd_new(socket, NULL);
    world->ctr = xasprintf("ctr -a %s -n k8s.io", socket);
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;

    containerd_free(world->containerd);
    free(world->ctr);
    free(world);
    return 0;
}

static int new_key(void **state)
{
    struct world *world = *state;
    uuid_v4(world->key);
    return 0;
}

static void remove_container(const struct world *world)
{
    (void)sh("{ %s tasks resume %s; %s tasks delete -f %s; %s containers rm %s; } >/dev/null 2>&1",
             world->ctr, world->key, world->ctr, world->key, world->ctr, world->key);
}

/* A failed test leaves nothing to the next one. */
static int let_go(void **state)
{
    struct world *world = *state;
    struct error err = {0};

    remove_container(world);
    (void)warm_drop(world->containerd, world->key, &err);
    (void)handover_drop(world->containerd, world->key, &err);
    return 0;
}

/* Deleting a lease with --sync returns when the garbage collector has run. */
static void collect_garbage(const struct world *world)
{
    assert_int_equal(
        sh("%s leases create --id collect >/dev/null && %s leases delete --sync collect >/dev/null",
           world->ctr, world->ctr),
        0);
}

/* Runs `script` as the container "main" until it has made /ready. */
static void run_on(const struct world *world, const char *snapshotter, const char *script)
{
    assert_int_equal(
        sh("%s run -d --snapshotter %s --label io.kubernetes.container.name=main "
           "--label io.kubernetes.pod.uid=%s %s %s sh -c '%s; touch /ready; sleep 1000' >/dev/null "
           "&& for i in $(seq 200); do %s tasks exec --exec-id r$i %s test -e /ready && exit 0; "
           "done; exit 1",
           world->ctr, snapshotter, world->key, world->image, world->key, script, world->ctr, world->key),
        0);
}

static void get_container(const struct world *world, struct container *container)
{
    struct error err = {0};
    assert_ok(container_get(world->containerd, world->key, container, &err), &err);
}

/* As a pause does it. */
static void kill_frozen(const struct world *world)
{
    struct frozen frozen = {0};
    struct error err = {0};

    assert_ok(container_freeze(world->containerd, world->key, &frozen, &err), &err);
    frozen_keep(&frozen);
    assert_ok(container_kill_frozen(world->containerd, world->key, &err), &err);
}

static void run_and_take(const struct world *world, const char *script, struct container *container)
{
    struct error err = {0};

    run_on(world, "overlayfs", script);
    get_container(world, container);
    kill_frozen(world);
    assert_ok(handover_take(world->containerd, container, world->key, &err), &err);
}

static void assert_file_says(int folder, const char *name, const char *text)
{
    char bytes[200] = "";
    SCOPED(fd) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_true(read(fd, bytes, sizeof(bytes) - 1) >= 0);
    assert_string_equal(bytes, text);
}

static int snapshot_is_there(const struct world *world, const char *name)
{
    struct error err = {0};
    int there = snapshot_exists(world->containerd, "overlayfs", name, &err);

    assert_ok(there, &err);
    return there;
}

/* ---- handing over ---- */

static void files_taken_over_outlive_their_container_and_the_collector_until_they_are_dropped(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    SCOPED(string) char *taken = handover_snapshot_name(world->key, "main");
    SCOPED(fd) int folder = -1;
    struct error err = {0};
    struct stat st;

    run_and_take(world, "mkdir /made; echo of this >/made/file; rm /bin/vi", &container);
    assert_ok(handover_take(world->containerd, &container, world->key, &err),
              &err); /* and again, after a crash */
    assert_int_equal(handover_taken(world->containerd, world->key, "main", &err), 1);
    assert_false(snapshot_is_there(world, container.snapshot_key));
    remove_container(world);
    collect_garbage(world);

    assert_ok(handover_open(world->containerd, world->key, "main", &folder, &err), &err);
    assert_file_says(folder, "made/file", "of this\n");
    assert_int_equal(fstatat(folder, "bin/vi", &st, AT_SYMLINK_NOFOLLOW),
                     0); /* the layer alone: a whiteout */
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(sh("! %s leases ls | grep -q stasis-view && ! %s snapshots ls | grep -q stasis-view",
                        world->ctr, world->ctr),
                     0);

    assert_ok(handover_drop(world->containerd, world->key, &err), &err);
    assert_ok(handover_drop(world->containerd, world->key, &err), &err);
    collect_garbage(world);
    assert_false(snapshot_is_there(world, taken));
    assert_int_equal(handover_taken(world->containerd, world->key, "main", &err), 0);
    fd_freep(&folder);
    assert_fails(handover_open(world->containerd, world->key, "main", &folder, &err), &err, ERR_NOT_FOUND,
                 "are gone");
    assert_string_equal(err.reason, "CommitLost");
}

static void what_cannot_be_taken_is_refused_and_changes_nothing(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    SCOPED(string) char *other_name = handover_snapshot_name(world->key, "main");
    const struct container nobody = {
        .name = (char *)"main", .snapshotter = (char *)"overlayfs", .snapshot_key = (char *)"nobody"};
    const struct container native = {.name = (char *)"main", .snapshotter = (char *)"native"};
    struct error err = {0};

    run_on(world, "overlayfs", "true");
    get_container(world, &container);
    assert_fails(handover_take(world->containerd, &nobody, world->key, &err), &err, ERR_NOT_FOUND, "nobody");
    assert_string_equal(err.reason, "ContainerNotFound");
    assert_fails(handover_take(world->containerd, &native, world->key, &err), &err, ERR_UNSUPPORTED,
                 "native");

    /* Somebody else's of that name. */
    assert_int_equal(sh("%s snapshots prepare %s-x >/dev/null && %s snapshots commit %s %s-x", world->ctr,
                        world->key, world->ctr, other_name, world->key),
                     0);
    assert_fails(handover_take(world->containerd, &container, world->key, &err), &err, ERR_CONFLICT,
                 "is there already");
    assert_true(snapshot_is_there(world, container.snapshot_key));
    assert_int_equal(sh("%s tasks exec --exec-id alive %s true", world->ctr, world->key), 0);
}

static void two_containers_cannot_be_the_same_one(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    struct error err = {0};

    run_and_take(world, "true", &container);
    SCOPED(string) char *again = xasprintf("%s-again", world->key);
    assert_ok(snapshot_prepare(world->containerd, "overlayfs", again, "", NULL, NULL, &err), &err);
    const struct container twin = {
        .name = container.name, .snapshotter = container.snapshotter, .snapshot_key = again};
    assert_fails(handover_take(world->containerd, &twin, world->key, &err), &err, ERR_CONFLICT, again);
    assert_ok(snapshot_remove(world->containerd, "overlayfs", again, &err), &err);
}

static bool is_listed(const struct world *world)
{
    SCOPED_HANDOVER_KEYS struct handover_keys keys = {0};
    struct error err = {0};
    size_t found = 0;

    assert_ok(handover_list(world->containerd, &keys, &err), &err);
    for (size_t i = 0; i < keys.count; i++)
        found += strcmp(keys.items[i], world->key) == 0;
    assert_true(found <= 1);
    return found;
}

static void the_keys_that_something_is_kept_for_are_listed(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    struct error err = {0};

    assert_false(is_listed(world));
    run_and_take(world, "true", &container);
    assert_true(is_listed(world));
    assert_ok(handover_drop(world->containerd, world->key, &err), &err);
    assert_false(is_listed(world));
}

static void the_base_images_blobs_stay_as_long_as_the_files(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    SCOPED_CONTENT_RECORD struct content_record record = {0};
    static const char text[] = "a manifest that only this commit needs";
    const struct digest digest = digest_of(text, sizeof(text)), missing = digest_of("?", 1);
    struct error err = {0};

    run_and_take(world, "true", &container);
    assert_ok(lease_create(world->containerd, "writer", LEASE_FOREVER, NULL, &err), &err);
    assert_ok(content_write(world->containerd, &digest, text, sizeof(text), NULL, "writer", &err), &err);
    assert_ok(handover_keep_blob(world->containerd, world->key, &digest, &err), &err);
    assert_ok(handover_keep_blob(world->containerd, world->key, &digest, &err), &err);
    assert_ok(lease_delete(world->containerd, "writer", &err), &err);
    collect_garbage(world);
    assert_ok(content_stat(world->containerd, &digest, &record, &err), &err);
    assert_fails(handover_keep_blob(world->containerd, world->key, &missing, &err), &err, ERR_NOT_FOUND,
                 "sha256:");
    assert_string_equal(err.reason, "BlobMissing");
    assert_ok(handover_drop(world->containerd, world->key, &err), &err);
    collect_garbage(world);
    content_record_done(&record);
    assert_fails(content_stat(world->containerd, &digest, &record, &err), &err, ERR_NOT_FOUND, "sha256:");
}

/* ---- the content store ---- */

static void a_blob_that_is_there_already_gets_the_labels_too_and_keeps_its_own(void **state)
{
    struct world *world = *state;
    SCOPED_CONTENT_RECORD struct content_record record = {0};
    SCOPED_STRBUF struct strbuf read = STRBUF_INIT;
    SCOPED(string) char *text = xasprintf("written by %s", world->key);
    const struct digest digest = digest_of(text, strlen(text)), other = digest_of("?", 1);
    const struct resource_label first = {"stasis.test/a.b", "1"}, second = {"stasis.test/c", "2"};
    struct error err = {0};

    assert_ok(lease_create(world->containerd, world->key, LEASE_FOREVER, NULL, &err), &err);
    assert_ok(content_write(world->containerd, &digest, text, strlen(text),
                            &(struct resource_labels){&first, 1}, world->key, &err),
              &err);
    assert_ok(content_write(world->containerd, &digest, text, strlen(text),
                            &(struct resource_labels){&second, 1}, world->key, &err),
              &err);
    assert_ok(content_stat(world->containerd, &digest, &record, &err), &err);
    assert_string_equal(content_label_get(&record, "stasis.test/a.b"), "1");
    assert_string_equal(content_label_get(&record, "stasis.test/c"), "2");
    assert_ok(content_read(world->containerd, &digest, 1000, &read, &err), &err);
    assert_string_equal(strbuf_text(&read), text);
    assert_fails(content_write(world->containerd, &other, text, strlen(text), NULL, world->key, &err), &err,
                 ERR_CORRUPT, digest.text);
    assert_ok(lease_delete(world->containerd, world->key, &err), &err);
}

static void an_image_record_is_made_changed_found_by_its_target_and_removed(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *name = xasprintf("stasis.test/%s:1", world->key);
    const struct digest first = digest_of(world->key, 8), second = digest_of(world->key, 9);
    struct image_record record = {.name = name,
                                  .media_type = (char *)"application/vnd.oci.image.manifest.v1+json",
                                  .digest = first,
                                  .size_bytes = 8};
    SCOPED_IMAGE_RECORD struct image_record found = {0};
    SCOPED_IMAGE_NAMES struct image_names names = {0}, none = {0};
    struct error err = {0};

    assert_ok(image_put(world->containerd, &record, NULL, &err), &err);
    record.digest = second;
    assert_ok(image_put(world->containerd, &record, NULL, &err), &err);
    assert_ok(image_get(world->containerd, name, &found, &err), &err);
    assert_true(digest_equal(&found.digest, &second));
    assert_ok(image_names_of(world->containerd, &second, &names, &err), &err);
    assert_int_equal(names.count, 1);
    assert_string_equal(names.items[0], name);
    assert_ok(image_names_of(world->containerd, &first, &none, &err), &err);
    assert_int_equal(none.count, 0);
    assert_ok(image_remove(world->containerd, name, &err), &err);
    assert_ok(image_remove(world->containerd, name, &err), &err);
}

/* ---- warm ---- */

static struct warm_image warm_image(const struct world *world, const struct digest *chain,
                                    int64_t retention_ms)
{
    return (struct warm_image){
        .key = world->key, .container = "main", .chain_id = chain, .retention_ms = retention_ms};
}

static void an_alias_has_the_containers_files_and_keeps_them_after_the_handover_is_dropped(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    SCOPED_OVERLAY struct overlay overlay = {0};
    SCOPED(string) char *taken = handover_snapshot_name(world->key, "main");
    const struct digest chain = digest_of(world->key, sizeof(world->key));
    const struct warm_image image = warm_image(world, &chain, 3600000);
    const char *why = NULL;
    struct error err = {0};

    run_and_take(world, "echo warm >/file", &container);
    assert_int_equal(warm_keep(world->containerd, &image, &why, &err), 1);
    remove_container(world);
    assert_ok(handover_drop(world->containerd, world->key, &err), &err);
    collect_garbage(world);

    assert_ok(snapshot_dirs(world->containerd, "overlayfs", chain.text, &overlay, &err), &err);
    assert_int_equal(overlay.lower_count, 3); /* the alias, the files, busybox */
    SCOPED(fd) int folder = open(overlay.lower_dirs[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_file_says(folder, "file", "warm\n");
    assert_ok(warm_keep(world->containerd, &image, &why, &err),
              &err); /* it is there: T need not be looked for */

    assert_ok(warm_drop(world->containerd, world->key, &err), &err);
    assert_ok(warm_drop(world->containerd, world->key, &err), &err);
    collect_garbage(world);
    assert_false(snapshot_is_there(world, chain.text));
    assert_false(snapshot_is_there(world, taken));
}

static void an_alias_that_a_crash_cut_off_is_finished(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    SCOPED(string) char *taken = handover_snapshot_name(world->key, "main");
    SCOPED(string) char *active = xasprintf("%s-alias", taken);
    const struct digest chain = digest_of(world->key, sizeof(world->key));
    const struct warm_image image = warm_image(world, &chain, 3600000);
    const char *why = NULL;
    struct error err = {0};

    run_and_take(world, "true", &container);
    assert_ok(snapshot_prepare(world->containerd, "overlayfs", active, taken, NULL, NULL, &err), &err);
    assert_int_equal(warm_keep(world->containerd, &image, &why, &err), 1);
    assert_true(snapshot_is_there(world, chain.text));
    assert_false(snapshot_is_there(world, active));
}

static void a_warm_image_goes_when_its_time_is_over(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    SCOPED(string) char *taken = handover_snapshot_name(world->key, "main");
    const struct digest chain = digest_of(world->key, sizeof(world->key));
    const struct warm_image image = warm_image(world, &chain, 1);
    int64_t until_ms = clock_monotonic_ms() + 20000;
    const char *why = NULL;
    struct error err = {0};

    run_and_take(world, "true", &container);
    assert_int_equal(warm_keep(world->containerd, &image, &why, &err), 1);
    remove_container(world);
    assert_ok(handover_drop(world->containerd, world->key, &err), &err);
    while (snapshot_is_there(world, chain.text) && clock_monotonic_ms() < until_ms)
        collect_garbage(world);
    collect_garbage(world); /* a parent goes in the run after its child */
    assert_false(snapshot_is_there(world, chain.text));
    assert_false(snapshot_is_there(world, taken));
}

static void without_retention_or_without_files_there_is_no_alias(void **state)
{
    struct world *world = *state;
    const struct digest chain = digest_of(world->key, sizeof(world->key));
    const struct warm_image cold = warm_image(world, &chain, 0), lost = warm_image(world, &chain, 1000);
    const char *why = NULL;
    struct error err = {0};

    assert_int_equal(warm_keep(world->containerd, &cold, &why, &err), 0);
    assert_contains(why, "not kept warm");
    assert_fails(warm_keep(world->containerd, &lost, &why, &err), &err, ERR_NOT_FOUND, "is gone");
    assert_string_equal(err.reason, "CommitLost");
}

static char *make_chain(const struct world *world, size_t depth)
{
    char *top = xstrdup("");
    struct error err = {0};

    for (size_t i = 0; i < depth; i++) {
        SCOPED(string) char *key = xasprintf("%s-key", world->key);
        char *name = xasprintf("%s-chain-%zu", world->key, i);
        assert_ok(snapshot_prepare(world->containerd, "overlayfs", key, top, world->key, NULL, &err), &err);
        assert_ok(snapshot_commit(world->containerd, "overlayfs", name, key, world->key, NULL, &err), &err);
        free(top);
        top = name;
    }
    return top;
}

static int warm_on_a_chain_of(struct world *world, size_t depth, const char **ret_why)
{
    const struct digest chain = digest_of(world->key, sizeof(world->key));
    const struct warm_image image = warm_image(world, &chain, 3600000);
    SCOPED(string) char *active = xasprintf("%s-active", world->key);
    const struct container container = {
        .name = (char *)"main", .snapshotter = (char *)"overlayfs", .snapshot_key = active};
    struct error err = {0};

    uuid_v4(world->key);
    assert_ok(lease_create(world->containerd, world->key, LEASE_FOREVER, NULL, &err), &err);
    SCOPED(string) char *top = make_chain(world, depth);
    assert_ok(snapshot_prepare(world->containerd, "overlayfs", active, top, world->key, NULL, &err), &err);
    assert_ok(handover_take(world->containerd, &container, world->key, &err), &err);
    int made = warm_keep(world->containerd, &image, ret_why, &err);
    assert_ok(made, &err);
    assert_ok(lease_delete(world->containerd, world->key, &err), &err);
    assert_ok(warm_drop(world->containerd, world->key, &err), &err);
    assert_ok(handover_drop(world->containerd, world->key, &err), &err);
    return made;
}

static void a_long_chain_gets_no_alias_so_that_a_pull_makes_it_short_again(void **state)
{
    const char *why = NULL;

    assert_int_equal(warm_on_a_chain_of(*state, WARM_DEPTH_MAX - 2, &why), 1);
    assert_int_equal(warm_on_a_chain_of(*state, WARM_DEPTH_MAX - 1, &why), 0);
    assert_contains(why, "long");
}

/* ---- the differ ---- */

static void assert_nothing_left(const struct world *world)
{
    assert_int_equal(sh("! %s leases ls | grep stasis-diff && ! %s snapshots --snapshotter native ls | grep "
                        "stasis-diff && ! %s content active | grep stasis-diff",
                        world->ctr, world->ctr, world->ctr),
                     0);
}

static void capture(const struct world *world, const struct container *container, struct spool **ret_spool,
                    struct layer_result *ret_layer)
{
    const struct layer_options options = {.compress = {.compression = LAYER_GZIP}};
    struct layer_progress progress = {0};
    const struct diff_capture wanted = {.key = world->key,
                                        .container = container,
                                        .options = &options,
                                        .progress = &progress,
                                        .timeout_ms = 60000};
    struct error err = {0};

    assert_ok(spool_new(world->dir, ret_spool, &err), &err);
    assert_ok(diff_capture(world->containerd, &wanted, *ret_spool, ret_layer, &err), &err);
    assert_int_equal(atomic_load(&progress.bytes_read), ret_layer->tar_bytes);
    assert_int_equal(atomic_load(&progress.bytes_written), ret_layer->size_bytes);
    assert_int_equal(atomic_load(&progress.files), ret_layer->files);
}

static void a_container_on_another_snapshotter_is_captured_by_containerd(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    SCOPED(spool) struct spool *spool = NULL;
    struct layer_result layer;
    struct frozen frozen = {0};
    struct error err = {0};

    run_on(world, "native",
           "mkdir -p /a/b; echo native >/a/b/file; ln /a/b/file /link; rm /bin/vi; chmod 4711 /link");
    get_container(world, &container);
    assert_string_equal(container.snapshotter, "native");
    assert_ok(container_freeze(world->containerd, world->key, &frozen, &err), &err);
    frozen_keep(&frozen);
    capture(world, &container, &spool, &layer);
    assert_ok(container_thaw(world->containerd, world->key, &err), &err);

    assert_int_equal(sh("test \"$(tar -xzOf %s a/b/file)\" = native && tar -tzf %s | grep -qx bin/.wh.vi && "
                        "tar -tvzf %s | grep -q '^.rws--x--x .* link'",
                        spool_path(spool), spool_path(spool), spool_path(spool)),
                     0);
    assert_int_equal(sh("test $(tar -tzf %s | wc -l) = %llu && test $(zcat %s | wc -c) = %llu && "
                        "test sha256:$(zcat %s | sha256sum | cut -d' ' -f1) = %s && "
                        "test sha256:$(sha256sum <%s | cut -d' ' -f1) = %s",
                        spool_path(spool), (unsigned long long)layer.files, spool_path(spool),
                        (unsigned long long)layer.tar_bytes, spool_path(spool), layer.diff_id.text,
                        spool_path(spool), layer.digest.text),
                     0);
    collect_garbage(world);
    assert_nothing_left(world);
    assert_int_equal(sh("! %s content ls | grep %s", world->ctr, layer.diff_id.text), 0);
    assert_ok(spool_unlink(spool, &err), &err);
}

static void a_capture_that_fails_leaves_nothing_and_tells_who_follows_the_spool(void **state)
{
    struct world *world = *state;
    const struct layer_options options = {0};
    const bool cancelled = true;
    SCOPED_CONTAINER struct container container = {0};
    const struct container nobody = {
        .name = (char *)"main", .snapshotter = (char *)"native", .snapshot_key = (char *)"nobody"};
    const struct diff_capture examples[] = {
        {.key = world->key, .container = &nobody, .options = &options, .timeout_ms = 60000},
        {.key = world->key,
         .container = &container,
         .options = &options,
         .timeout_ms = 60000,
         .cancelled = &cancelled},
    };
    static const enum error_code codes[] = {ERR_NOT_FOUND, ERR_CANCELLED};

    run_on(world, "native", "true");
    get_container(world, &container);
    for (size_t i = 0; i < 2; i++) {
        SCOPED(spool) struct spool *spool = NULL;
        struct layer_result layer;
        struct error err = {0}, seen = {0};
        char byte;
        size_t length;

        assert_ok(spool_new(world->dir, &spool, &err), &err);
        assert_fails(diff_capture(world->containerd, &examples[i], spool, &layer, &err), &err, codes[i],
                     "container main");
        SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 0);
        assert_fails(spool_reader_read(reader, &byte, 1, &length, &seen), &seen, codes[i], "");
        assert_ok(spool_unlink(spool, &err), &err);
        assert_nothing_left(world);
    }
}

static void what_a_crashed_capture_left_is_no_hindrance_and_can_be_settled(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER struct container container = {0};
    SCOPED(spool) struct spool *spool = NULL;
    SCOPED(string) char *name = xasprintf("stasis-diff-%s-main", world->key);
    struct layer_result layer;
    struct error err = {0};

    run_on(world, "native", "true");
    get_container(world, &container);
    for (int i = 0; i < 2; i++) {
        assert_ok(lease_create(world->containerd, name, LEASE_FOREVER, NULL, &err), &err);
        assert_ok(snapshot_view(world->containerd, "native", name, "", name, NULL, &err), &err);
        if (i == 0) {
            capture(world, &container, &spool, &layer);
            assert_true(layer.files < 50); /* compared with its parent, not with that view */
            assert_ok(spool_unlink(spool, &err), &err);
        } else {
            assert_ok(diff_capture_settle(world->containerd, world->key, "main", &err), &err);
            assert_ok(diff_capture_settle(world->containerd, world->key, "main", &err), &err);
            collect_garbage(world);
        }
        assert_nothing_left(world);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_key, let_go)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_taken_over_outlive_their_container_and_the_collector_until_they_are_dropped),
        TEST(what_cannot_be_taken_is_refused_and_changes_nothing),
        TEST(two_containers_cannot_be_the_same_one),
        TEST(the_keys_that_something_is_kept_for_are_listed),
        TEST(the_base_images_blobs_stay_as_long_as_the_files),
        TEST(a_blob_that_is_there_already_gets_the_labels_too_and_keeps_its_own),
        TEST(an_image_record_is_made_changed_found_by_its_target_and_removed),
        TEST(an_alias_has_the_containers_files_and_keeps_them_after_the_handover_is_dropped),
        TEST(an_alias_that_a_crash_cut_off_is_finished),
        TEST(a_warm_image_goes_when_its_time_is_over),
        TEST(without_retention_or_without_files_there_is_no_alias),
        TEST(a_long_chain_gets_no_alias_so_that_a_pull_makes_it_short_again),
        TEST(a_container_on_another_snapshotter_is_captured_by_containerd),
        TEST(a_capture_that_fails_leaves_nothing_and_tells_who_follows_the_spool),
        TEST(what_a_crashed_capture_left_is_no_hindrance_and_can_be_settled),
    };
    return cmocka_run_group_tests_name("handover", tests, start_world, end_world);
}
