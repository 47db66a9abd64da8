/* The containerd client against a real one; tests/lib/with-containerd.sh starts it and a busybox image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "committer-agent/containerd/containers.h"
#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/diff.h"
#include "committer-agent/containerd/events.h"
#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/images.h"
#include "committer-agent/containerd/leases.h"
#include "committer-agent/containerd/overlay.h"
#include "committer-agent/containerd/snapshots.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/ids.h"

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        if ((call) < 0)                                                                                      \
            fail_msg("%s: %s (%s)", #call, err.text, err.reason);                                            \
    } while (0)

struct world {
    struct containerd *containerd;
    char *ctr; /* "ctr -a <socket> -n k8s.io" */
    const char *image;
    char uid[UUID_SIZE]; /* of the pod of the running test */
};

static int start_world(void **state)
{
    struct world *world = xcalloc(1, sizeof(*world));
    const char *dir = getenv("STASIS_CONTAINERD_DIR");

    world->image = getenv("STASIS_TEST_IMAGE");
    if (!dir || !world->image)
        return -1;
    SCOPED(string) char *socket = xasprintf("%s/containerd.sock", dir);
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

static int new_pod(void **state)
{
    struct world *world = *state;
    uuid_v4(world->uid);
    return 0;
}

static void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* A container as CRI would label it, running `script`. */
static void run_container(const struct world *world, const char *id, const char *name, const char *kind,
                          const char *script)
{
    SCOPED(string)
    char *command =
        xasprintf("%s run -d --label io.kubernetes.pod.uid=%s --label io.kubernetes.pod.namespace=team "
                  "--label io.kubernetes.pod.name=pod-%s --label io.kubernetes.container.name=%s "
                  "--label io.cri-containerd.kind=%s %s %s sh -c '%s' >/dev/null",
                  world->ctr, world->uid, world->uid, name, kind, world->image, id, script);
    shell(command);
}

static void remove_container(const struct world *world, const char *id)
{
    SCOPED(string)
    char *command = xasprintf(
        "%s tasks resume %s >/dev/null 2>&1; %s tasks delete -f %s >/dev/null 2>&1; %s containers rm %s",
        world->ctr, id, world->ctr, id, world->ctr, id);
    shell(command);
}

static char *id_of(const struct world *world, const char *suffix)
{
    return xasprintf("%s-%s", world->uid, suffix);
}

static void the_version_is_told(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *version = NULL;
    struct error err = {0};

    assert_ok(containerd_version(world->containerd, &version, &err));
    assert_true(strlen(version) > 2);
}

static void a_containerd_that_is_away_is_unavailable(void **state)
{
    SCOPED(containerd) struct containerd *nobody = containerd_new("/tmp/no-containerd-here.sock", NULL);
    SCOPED(string) char *version = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(containerd_version(nobody, &version, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void the_containers_of_a_pod_are_found_without_its_sandbox(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *sandbox = id_of(world, "s"), *main_ = id_of(world, "m"), *side = id_of(world, "d");
    SCOPED_CONTAINER_LIST struct container_list all = {0}, by_name = {0};
    struct error err = {0};

    run_container(world, sandbox, "", "sandbox", "sleep 1000");
    run_container(world, side, "side", "container", "sleep 1000");
    run_container(world, main_, "main", "container", "sleep 1000");

    struct pod_name pod = {.uid = world->uid};
    assert_ok(containers_of_pod(world->containerd, &pod, NULL, &all, &err));
    assert_int_equal(all.count, 2);
    assert_string_equal(all.items[0].name, "main"); /* newest first */
    assert_string_equal(all.items[1].name, "side");
    assert_string_equal(all.items[0].id, main_);
    assert_string_equal(all.items[0].pod_namespace, "team");
    assert_string_equal(all.items[0].image, world->image);
    assert_string_equal(all.items[0].snapshotter, "overlayfs");
    assert_string_equal(all.items[0].snapshot_key, main_);
    assert_string_equal(all.items[0].runtime, "io.containerd.runc.v2");

    SCOPED(string) char *pod_name = xasprintf("pod-%s", world->uid);
    struct pod_name named = {.pod_namespace = "team", .name = pod_name};
    assert_ok(containers_of_pod(world->containerd, &named, "side", &by_name, &err));
    assert_int_equal(by_name.count, 1);
    assert_string_equal(by_name.items[0].id, side);

    container_list_done(&all);
    assert_int_equal(containers_of_pod(world->containerd, &pod, "other", &all, &err), -1);
    assert_string_equal(err.reason, "ContainerNotFound");
    remove_container(world, main_);
    remove_container(world, side);
    remove_container(world, sandbox);
}

static void an_unknown_pod_is_named_as_such_and_a_hostile_name_refused(void **state)
{
    struct world *world = *state;
    SCOPED_CONTAINER_LIST struct container_list list = {0};
    struct pod_name unknown = {.uid = "nobody"}, hostile = {.uid = "a\"||labels.x==\"y"}, none = {0};
    struct error err = {0};

    assert_int_equal(containers_of_pod(world->containerd, &unknown, NULL, &list, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.reason, "PodNotFound");
    assert_int_equal(containers_of_pod(world->containerd, &hostile, NULL, &list, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(containers_of_pod(world->containerd, &none, NULL, &list, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

static void the_writable_layer_is_where_the_mounts_say(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *id = id_of(world, "c");
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts mounts = {0};
    SCOPED_SNAPSHOT_CHAIN struct snapshot_chain chain = {0};
    SCOPED_OVERLAY struct overlay overlay = {0};
    struct error err = {0};
    struct stat st;

    run_container(world, id, "main", "container", "echo hi >/made-here; sleep 1000");
    assert_ok(snapshot_mounts(world->containerd, "overlayfs", id, &mounts, &err));
    assert_ok(overlay_read("overlayfs", &mounts, &overlay, &err));
    SCOPED(string)
    char *wait = xasprintf("for i in $(seq 100); do [ -e %s/made-here ] && exit 0; sleep 0.05; done; exit 1",
                           overlay.upper_dir);
    shell(wait);
    SCOPED(string) char *file = xasprintf("%s/made-here", overlay.upper_dir);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(overlay.lower_count, 1);
    assert_ok(snapshot_parents(world->containerd, "overlayfs", id, &chain, &err));
    assert_int_equal(chain.count, 1);
    assert_memory_equal(chain.names[0], "sha256:", 7);
    assert_int_equal(snapshot_exists(world->containerd, "overlayfs", chain.names[0], &err), 1);
    assert_int_equal(snapshot_exists(world->containerd, "overlayfs", "nothing", &err), 0);
    remove_container(world, id);
}

static void an_image_and_its_blobs_can_be_read(void **state)
{
    struct world *world = *state;
    SCOPED_IMAGE_RECORD struct image_record image = {0};
    SCOPED_CONTENT_RECORD struct content_record record = {0};
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    struct digest nowhere = digest_of("nowhere", 7);
    struct error err = {0};

    assert_ok(image_get(world->containerd, world->image, &image, &err));
    assert_string_equal(image.media_type, "application/vnd.oci.image.manifest.v1+json");
    assert_ok(content_read(world->containerd, &image.digest, 1 << 20, &bytes, &err));
    assert_int_equal(bytes.length, image.size_bytes);
    assert_non_null(strstr(strbuf_text(&bytes), "\"layers\""));
    assert_ok(content_stat(world->containerd, &image.digest, &record, &err));
    assert_int_equal(record.size_bytes, image.size_bytes);

    assert_int_equal(content_read(world->containerd, &image.digest, 10, &bytes, &err), -1);
    assert_int_equal(err.code, ERR_EXHAUSTED);
    assert_int_equal(content_read(world->containerd, &nowhere, 10, &bytes, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.reason, "BlobMissing");
    error_clear(&err);
    assert_int_equal(image_get(world->containerd, "stasis.local/none:1", &image, &err), -1);
    assert_string_equal(err.reason, "ImageNotFound");
}

/* The layer's digest is in the manifest; the last "sha256:..." of it. */
static struct digest layer_of(const struct world *world)
{
    SCOPED_IMAGE_RECORD struct image_record image = {0};
    SCOPED_STRBUF struct strbuf manifest = STRBUF_INIT;
    struct digest digest = {0};
    struct error err = {0};

    assert_ok(image_get(world->containerd, world->image, &image, &err));
    assert_ok(content_read(world->containerd, &image.digest, 1 << 20, &manifest, &err));
    const char *layers = strstr(strbuf_text(&manifest), "\"layers\"");
    assert_non_null(layers);
    SCOPED(string) char *text = xstrndup(strstr(layers, "sha256:"), 71);
    assert_ok(digest_parse(text, &digest, &err));
    return digest;
}

static void a_large_blob_reads_in_order_and_after_jumps(void **state)
{
    struct world *world = *state;
    struct digest layer = layer_of(world);
    SCOPED(content_blob) struct content_blob *blob = NULL;
    struct hasher *hasher = hasher_new();
    char piece[100000], again[1000];
    struct error err = {0};
    uint64_t offset = 0;
    long got;

    assert_ok(content_open(world->containerd, &layer, &blob, &err));
    while ((got = content_blob_read(blob, offset, piece, sizeof(piece), &err)) > 0) {
        hasher_update(hasher, piece, (size_t)got);
        offset += (uint64_t)got;
    }
    assert_int_equal(got, 0);
    assert_int_equal(offset, content_blob_size(blob));
    struct digest found = hasher_finish(hasher);
    assert_true(digest_equal(&found, &layer));

    got = content_blob_read(blob, 5000, again, sizeof(again), &err); /* back */
    assert_int_equal(got, sizeof(again));
    got = content_blob_read(blob, 5000 + 10, piece, 10, &err); /* within the chunk */
    assert_int_equal(got, 10);
    assert_memory_equal(piece, again + 10, 10);
}

static void a_frozen_container_stands_still_until_it_is_thawed(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *id = id_of(world, "c");
    struct error err = {0};

    run_container(world, id, "main", "container", "while true; do echo x >>/log; done");
    {
        SCOPED_FROZEN struct frozen frozen = {0}, second = {0};
        assert_ok(container_freeze(world->containerd, id, &frozen, &err));
        assert_int_equal(container_is_frozen(world->containerd, id, &err), 1);
        assert_int_equal(container_freeze(world->containerd, id, &second, &err), -1);
        assert_string_equal(err.reason, "FreezeFailed");
        assert_null(second.containerd);
        error_clear(&err);
    }
    assert_int_equal(container_is_frozen(world->containerd, id, &err), 0);
    assert_ok(container_thaw(world->containerd, id, &err)); /* idempotent */
    remove_container(world, id);
}

static void what_is_not_running_cannot_be_frozen(void **state)
{
    struct world *world = *state;
    struct frozen frozen = {0};
    struct error err = {0};

    assert_int_equal(container_freeze(world->containerd, "no-such-container", &frozen, &err), -1);
    assert_string_equal(err.reason, "ContainerNotRunning");
    error_clear(&err);
    assert_ok(container_thaw(world->containerd, "no-such-container", &err));
    assert_ok(container_kill_frozen(world->containerd, "no-such-container", &err));
}

static off_t size_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* The kill rule: whoever thaws it afterwards, no process of it writes another byte. */
static void killed_while_frozen_no_process_ever_runs_again(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *id = id_of(world, "c");
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts mounts = {0};
    SCOPED_OVERLAY struct overlay overlay = {0};
    struct frozen frozen = {0};
    struct error err = {0};

    run_container(world, id, "main", "container",
                  "for i in 1 2 3 4 5 6 7 8; do (while true; do echo x >>/log; done) & done; wait");
    assert_ok(snapshot_mounts(world->containerd, "overlayfs", id, &mounts, &err));
    assert_ok(overlay_read("overlayfs", &mounts, &overlay, &err));
    SCOPED(string) char *log = xasprintf("%s/log", overlay.upper_dir);
    SCOPED(string)
    char *wait = xasprintf("for i in $(seq 100); do [ -s %s ] && exit 0; sleep 0.05; done; exit 1", log);
    shell(wait);
    assert_int_equal(container_kill_frozen(world->containerd, id, &err), -1); /* it runs */
    assert_string_equal(err.reason, "HoldExpired");
    error_clear(&err);

    assert_ok(container_freeze(world->containerd, id, &frozen, &err));
    off_t before = size_of(log);
    assert_ok(container_kill_frozen(world->containerd, id, &err));
    assert_ok(container_kill_frozen(world->containerd, id, &err)); /* idempotent */
    frozen_done(&frozen);
    SCOPED(string)
    char *gone = xasprintf(
        "for i in $(seq 100); do %s tasks ls | grep %s | grep -q STOPPED && exit 0; sleep 0.05; done; exit 1",
        world->ctr, id);
    shell(gone);
    assert_int_equal(size_of(log), before);
    remove_container(world, id);
}

static void events_tell_a_tasks_life_from_the_moment_of_subscription(void **state)
{
    struct world *world = *state;
    SCOPED(string) char *id = id_of(world, "c");
    SCOPED(event_stream) struct event_stream *stream = NULL;
    bool seen[CONTAINER_EVENT_MAX] = {false};
    struct container_event event = {0};
    struct frozen frozen = {0};
    struct error err = {0};

    assert_ok(event_stream_open(world->containerd, &stream, &err));
    run_container(world, id, "main", "container", "sleep 1000");
    assert_ok(container_freeze(world->containerd, id, &frozen, &err));
    frozen_done(&frozen);
    remove_container(world, id);
    while (!seen[CONTAINER_EVENT_DELETED]) {
        assert_int_equal(event_stream_next(stream, &event, &err), 1);
        if (strcmp(event.container_id, id) != 0)
            continue;
        seen[event.kind] = true;
        if (event.kind == TASK_EVENT_EXITED) {
            assert_int_equal(event.exit_status, 137);
            assert_false(event.is_exec);
            assert_true(event.at_unix_ms > clock_realtime_ms() - 60000);
        }
    }
    assert_true(seen[CONTAINER_EVENT_CREATED] && seen[TASK_EVENT_STARTED] && seen[TASK_EVENT_PAUSED] &&
                seen[TASK_EVENT_RESUMED] && seen[TASK_EVENT_EXITED] && seen[TASK_EVENT_DELETED]);
    event_stream_cancel(stream);
    assert_int_equal(event_stream_next(stream, &event, &err), -1);
    assert_int_equal(err.code, ERR_CANCELLED);
}

static void subscribing_to_a_containerd_that_is_away_fails_at_once(void **state)
{
    SCOPED(containerd) struct containerd *nobody = containerd_new("/tmp/no-containerd-here.sock", NULL);
    struct event_stream *stream = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(event_stream_open(nobody, &stream, &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void a_frozen_layer_is_committed_under_a_lease_and_found_by_name(void **state)
{
    struct world *world = *state;
    SCOPED(string)
    char *id = id_of(world, "c"), *name = id_of(world, "committed"), *view = id_of(world, "view");
    SCOPED_SNAPSHOT_CHAIN struct snapshot_chain chain = {0};
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts lower = {0}, upper = {0};
    SCOPED_CONTENT_RECORD struct content_record record = {0};
    struct diff_blob diff = {0};
    struct error err = {0};

    assert_ok(lease_create(world->containerd, world->uid, clock_realtime_ms() / 1000 + 3600, NULL, &err));
    run_container(world, id, "main", "container", "echo hi >/made-here; sleep 1000");
    assert_ok(snapshot_parents(world->containerd, "overlayfs", id, &chain, &err));
    assert_ok(snapshot_view(world->containerd, "overlayfs", view, chain.names[0], world->uid, &lower, &err));
    assert_ok(snapshot_mounts(world->containerd, "overlayfs", id, &upper, &err));
    assert_ok(diff_create(world->containerd, &lower, &upper, world->uid, world->uid, 60000, &diff, &err));
    assert_ok(content_stat(world->containerd, &diff.digest, &record, &err));
    assert_int_equal(record.size_bytes, diff.size_bytes);

    assert_ok(snapshot_commit(world->containerd, "overlayfs", name, id, world->uid, NULL, &err));
    assert_int_equal(snapshot_exists(world->containerd, "overlayfs", name, &err), 1);
    assert_int_equal(snapshot_commit(world->containerd, "overlayfs", name, view, world->uid, NULL, &err), -1);
    error_clear(&err);
    remove_container(world, id);
    assert_ok(snapshot_remove(world->containerd, "overlayfs", view, &err));
    assert_ok(snapshot_remove(world->containerd, "overlayfs", name, &err));
    assert_ok(snapshot_remove(world->containerd, "overlayfs", name, &err)); /* a missing one is fine */
    assert_ok(lease_delete(world->containerd, world->uid, &err));
    assert_ok(lease_delete(world->containerd, world->uid, &err));
}

#define POD_TEST(test) cmocka_unit_test_setup(test, new_pod)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POD_TEST(the_version_is_told),
        POD_TEST(a_containerd_that_is_away_is_unavailable),
        POD_TEST(the_containers_of_a_pod_are_found_without_its_sandbox),
        POD_TEST(an_unknown_pod_is_named_as_such_and_a_hostile_name_refused),
        POD_TEST(the_writable_layer_is_where_the_mounts_say),
        POD_TEST(an_image_and_its_blobs_can_be_read),
        POD_TEST(a_large_blob_reads_in_order_and_after_jumps),
        POD_TEST(a_frozen_container_stands_still_until_it_is_thawed),
        POD_TEST(what_is_not_running_cannot_be_frozen),
        POD_TEST(killed_while_frozen_no_process_ever_runs_again),
        POD_TEST(events_tell_a_tasks_life_from_the_moment_of_subscription),
        POD_TEST(subscribing_to_a_containerd_that_is_away_fails_at_once),
        POD_TEST(a_frozen_layer_is_committed_under_a_lease_and_found_by_name),
    };
    return cmocka_run_group_tests(tests, start_world, end_world);
}
