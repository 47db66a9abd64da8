#include "committer-agent/commit/diff_capture.h"

#include "committer-agent/commit/tar_entries.h"
#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/diff.h"
#include "committer-agent/containerd/leases.h"
#include "committer-agent/layer/pipeline.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"

enum { LEASE_MARGIN_S = 3600, READ_BYTES = 64 << 10 };

/* One name for lease, view and ingest: they come and go together. */
static char *name_of(const char *key, const char *container)
{
    return xasprintf("stasis-diff-%s-%s", key, container);
}

static bool is_cancelled(const struct diff_capture *capture)
{
    return capture->cancelled && __atomic_load_n(capture->cancelled, __ATOMIC_RELAXED);
}

static int check_cancelled(const struct diff_capture *capture, struct error *err)
{
    return is_cancelled(capture) ? error_set(err, ERR_CANCELLED, "capturing the layer: cancelled") : 0;
}

/* The lease takes the blob, and whatever else of it is still there by then. */
static int settle(struct containerd *containerd, const char *snapshotter, const char *name, struct error *err)
{
    struct error ignored;

    (void)content_abort(containerd, name, &ignored);
    if (snapshotter)
        (void)snapshot_remove(containerd, snapshotter, name, &ignored);
    return lease_delete(containerd, name, err);
}

int diff_capture_settle(struct containerd *containerd, const char *key, const char *container,
                        struct error *err)
{
    SCOPED(string) char *name = name_of(key, container);
    return settle(containerd, NULL, name, err);
}

/* What an earlier try left is removed first: its view may be of another parent. */
static int begin(struct containerd *containerd, const struct diff_capture *capture, const char *name,
                 struct error *err)
{
    int64_t expires_at_s = (clock_realtime_ms() + capture->timeout_ms) / 1000 + LEASE_MARGIN_S;

    if (settle(containerd, capture->container->snapshotter, name, err) < 0)
        return -1;
    return lease_create(containerd, name, expires_at_s, NULL, err);
}

static int compare(struct containerd *containerd, const struct diff_capture *capture, const char *name,
                   struct diff_blob *ret_blob, struct error *err)
{
    const char *snapshotter = capture->container->snapshotter, *key = capture->container->snapshot_key;
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts lower = {0};
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts upper = {0};
    SCOPED(string) char *parent = NULL;

    if (snapshot_parent(containerd, snapshotter, key, &parent, err) < 0 ||
        snapshot_view(containerd, snapshotter, name, parent, name, &lower, err) < 0 ||
        snapshot_mounts(containerd, snapshotter, key, &upper, err) < 0)
        return -1;
    return diff_create(containerd, &lower, &upper, name, name, capture->timeout_ms, ret_blob, err);
}

static int pipe_blob(struct content_blob *blob, const struct diff_capture *capture, struct pipeline *pipeline,
                     struct tar_entries *entries, struct error *err)
{
    SCOPED(memory) char *piece = xcalloc(1, READ_BYTES);
    uint64_t offset = 0;

    for (;;) {
        long got = content_blob_read(blob, offset, piece, READ_BYTES, err);
        if (got <= 0)
            return (int)got;
        size_t length = (size_t)got;
        if (check_cancelled(capture, err) < 0 || tar_entries_add(entries, piece, length, err) < 0 ||
            pipeline_write(pipeline, piece, length, err) < 0)
            return -1;
        offset += length;
        if (capture->progress)
            atomic_fetch_add(&capture->progress->bytes_read, length);
    }
}

static int recompress(struct containerd *containerd, const struct diff_capture *capture,
                      const struct diff_blob *tar, struct spool *spool, struct layer_result *ret_result,
                      struct error *err)
{
    atomic_ullong *bytes_written = capture->progress ? &capture->progress->bytes_written : NULL;
    SCOPED(content_blob) struct content_blob *blob = NULL;
    SCOPED(pipeline) struct pipeline *pipeline = NULL;
    SCOPED_TAR_ENTRIES struct tar_entries entries = {0};
    struct pipeline_result piped;

    if (content_open(containerd, &tar->digest, &blob, err) < 0 ||
        pipeline_new(&capture->options->compress, spool, bytes_written, &pipeline, err) < 0 ||
        pipe_blob(blob, capture, pipeline, &entries, err) < 0 || pipeline_finish(pipeline, &piped, err) < 0)
        return -1;
    if (!digest_equal(&piped.diff_id, &tar->digest))
        return error_set(err, ERR_CORRUPT, "containerd's content store has other bytes than %s promises",
                         tar->digest.text);
    *ret_result = (struct layer_result){.diff_id = piped.diff_id,
                                        .digest = piped.digest,
                                        .size_bytes = piped.bytes_out,
                                        .tar_bytes = piped.bytes_in,
                                        .files = entries.count};
    if (capture->progress)
        atomic_fetch_add(&capture->progress->files, entries.count);
    return 0;
}

int diff_capture(struct containerd *containerd, const struct diff_capture *capture, struct spool *spool,
                 struct layer_result *ret_result, struct error *err)
{
    SCOPED(string) char *name = name_of(capture->key, capture->container->name);
    struct diff_blob tar;
    struct error ignored; /* it expires */

    int result = begin(containerd, capture, name, err) < 0 ||
                         compare(containerd, capture, name, &tar, err) < 0 ||
                         check_cancelled(capture, err) < 0 ||
                         recompress(containerd, capture, &tar, spool, ret_result, err) < 0
                     ? -1
                     : 0;
    (void)settle(containerd, capture->container->snapshotter, name, &ignored);
    if (result < 0) {
        (void)error_wrap(err, "letting containerd capture container %s", capture->container->name);
        spool_fail(spool, err);
        return -1;
    }
    spool_finish(spool);
    return 0;
}
