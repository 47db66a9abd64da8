#include <containerd/services/diff.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "committer-agent/containerd/connection.h"
#include "committer-agent/containerd/containers.h"
#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/leases.h"
#include "committer-agent/containerd/snapshots.h"
#include "committer-agent/containerd/tasks.h"
#include "shared/base/alloc.h"
#include "tests/bench/commit_driver.h"

enum { TIMEOUT_MS = 30 * 60 * 1000, LEASE_S = 3600, MOUNTS_MAX = 8 };

struct diff_driver {
    struct containerd *containerd;
    char *lease; /* keeps the last result from the collector, as nerdctl's does; NULL before the first */
};

struct mounts { /* as messages that borrow every string */
    Containerd__Types__Mount items[MOUNTS_MAX], *pointers[MOUNTS_MAX];
};

struct diff_driver *diff_driver_new(const char *socket)
{
    struct diff_driver *driver = xcalloc(1, sizeof(*driver));

    driver->containerd = containerd_new(socket, NULL);
    return driver;
}

static void let_go(struct diff_driver *driver)
{
    struct error unused; /* it ends by itself */

    if (driver->lease)
        (void)lease_delete(driver->containerd, driver->lease, &unused);
    free(TAKE(driver->lease));
}

void diff_driver_free(struct diff_driver *driver)
{
    let_go(driver);
    containerd_free(driver->containerd);
    free(driver);
}

static size_t borrow(const struct snapshot_mounts *mounts, struct mounts *ret_messages)
{
    size_t count = mounts->count < MOUNTS_MAX ? mounts->count : MOUNTS_MAX;

    for (size_t i = 0; i < count; i++) {
        Containerd__Types__Mount *message = ret_messages->pointers[i] = &ret_messages->items[i];
        containerd__types__mount__init(message);
        message->type = mounts->items[i].type;
        message->source = mounts->items[i].source;
        message->options = mounts->items[i].options;
        message->n_options = mounts->items[i].option_count;
    }
    return count;
}

/* The media type says gzip, at the level that is containerd's default. */
static int compare(struct diff_driver *driver, const struct snapshot_mounts *lower,
                   const struct snapshot_mounts *upper, char *ref, struct digest *ret_digest,
                   int64_t *ret_size, struct error *err)
{
    Containerd__Services__Diff__V1__DiffRequest request = CONTAINERD__SERVICES__DIFF__V1__DIFF_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Diff__V1__DiffResponse *answer = NULL;
    struct mounts left, right;
    struct containerd_call call = {&containerd__services__diff__v1__diff__descriptor, "Diff", driver->lease,
                                   TIMEOUT_MS};

    request.n_left = borrow(lower, &left);
    request.left = left.pointers;
    request.n_right = borrow(upper, &right);
    request.right = right.pointers;
    request.media_type = (char *)"application/vnd.oci.image.layer.v1.tar+gzip";
    request.ref = ref;
    if (containerd_call(driver->containerd, call, &request, &answer, err) < 0)
        return -1;
    *ret_size = answer->diff->size;
    return digest_parse(answer->diff->digest, ret_digest, err);
}

static int diff(struct diff_driver *driver, const struct container *container, char *ref,
                struct digest *ret_digest, int64_t *ret_size, struct error *err)
{
    struct containerd *containerd = driver->containerd;
    SCOPED(string) char *parent = NULL, *view = xasprintf("%s-view", ref);
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts lower = {0}, upper = {0};

    if (snapshot_parent(containerd, container->snapshotter, container->snapshot_key, &parent, err) < 0 ||
        snapshot_mounts(containerd, container->snapshotter, container->snapshot_key, &upper, err) < 0 ||
        snapshot_view(containerd, container->snapshotter, view, parent, driver->lease, &lower, err) < 0)
        return -1;
    int result = compare(driver, &lower, &upper, ref, ret_digest, ret_size, err);
    struct error unused; /* a view that stays is in nobody's way */
    (void)snapshot_remove(containerd, container->snapshotter, view, &unused);
    return result;
}

static int diff_paused(struct diff_driver *driver, const struct container *container, char *ref,
                       struct digest *ret_digest, int64_t *ret_size, struct error *err)
{
    struct error resuming;

    if (task_pause(driver->containerd, container->id, err) < 0)
        return -1;
    int result = diff(driver, container, ref, ret_digest, ret_size, err);
    if (task_resume(driver->containerd, container->id, &resuming) < 0 && result == 0) {
        *err = resuming;
        return -1;
    }
    return result;
}

int diff_driver_run(struct diff_driver *driver, char *const words[2], json_t **ret_outcome, struct error *err)
{
    SCOPED_CONTAINER struct container container = {0};
    SCOPED_CONTENT_RECORD struct content_record record = {0};
    struct digest digest;
    int64_t size = 0, began_us = driver_now_us();

    let_go(driver);
    driver->lease = xasprintf("%s-lease", words[1]);
    if (lease_create(driver->containerd, driver->lease, (int64_t)time(NULL) + LEASE_S, NULL, err) < 0 ||
        container_get(driver->containerd, words[0], &container, err) < 0)
        return -1;
    int64_t paused_us = driver_now_us();
    if (diff_paused(driver, &container, words[1], &digest, &size, err) < 0)
        return -1;
    int64_t resumed_us = driver_now_us();
    if (content_stat(driver->containerd, &digest, &record, err) < 0)
        return -1;
    const char *diff_id = content_label_get(&record, "containerd.io/uncompressed");
    *ret_outcome =
        json_pack("{s:f, s:I, s:s, s:I, s:s}", "seconds", (double)(driver_now_us() - began_us) / 1e6,
                  "frozen_ms", (json_int_t)((resumed_us - paused_us) / 1000), "digest", digest.text, "size",
                  (json_int_t)size, "diff_id", diff_id ? diff_id : digest.text);
    return 0;
}
