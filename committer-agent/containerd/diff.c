#include "committer-agent/containerd/diff.h"

#include <containerd/services/diff.pb-c.h>
#include <stdlib.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"

/* Mounts as messages that borrow every string. */
struct mount_messages {
    Containerd__Types__Mount *items;
    Containerd__Types__Mount **pointers;
};

static void mount_messages_done(struct mount_messages *messages)
{
    free(messages->items);
    free(messages->pointers);
}
#define SCOPED_MOUNT_MESSAGES __attribute__((cleanup(mount_messages_done)))

static struct mount_messages borrow_mounts(const struct snapshot_mounts *mounts)
{
    struct mount_messages messages = {
        .items = xcalloc(mounts->count + 1, sizeof(*messages.items)),
        .pointers = xcalloc(mounts->count + 1, sizeof(*messages.pointers)),
    };
    for (size_t i = 0; i < mounts->count; i++) {
        Containerd__Types__Mount *message = messages.pointers[i] = &messages.items[i];
        containerd__types__mount__init(message);
        message->type = mounts->items[i].type;
        message->source = mounts->items[i].source;
        message->options = mounts->items[i].options;
        message->n_options = mounts->items[i].option_count;
    }
    return messages;
}

int diff_create(struct containerd *containerd, const struct snapshot_mounts *lower,
                const struct snapshot_mounts *upper, const char *ref, const char *lease, int64_t timeout_ms,
                struct diff_blob *ret_blob, struct error *err)
{
    Containerd__Services__Diff__V1__DiffRequest request = CONTAINERD__SERVICES__DIFF__V1__DIFF_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Diff__V1__DiffResponse *answer = NULL;
    SCOPED_MOUNT_MESSAGES struct mount_messages left = borrow_mounts(lower);
    SCOPED_MOUNT_MESSAGES struct mount_messages right = borrow_mounts(upper);
    struct containerd_call call = {&containerd__services__diff__v1__diff__descriptor, "Diff", lease,
                                   timeout_ms};
    struct digest digest;

    request.left = left.pointers;
    request.n_left = lower->count;
    request.right = right.pointers;
    request.n_right = upper->count;
    request.media_type = (char *)"application/vnd.oci.image.layer.v1.tar";
    request.ref = (char *)ref;
    if (containerd_call(containerd, call, &request, &answer, err) < 0)
        return error_wrap(err, "letting containerd compare two snapshots");
    if (!answer->diff || answer->diff->size < 0 || digest_parse(answer->diff->digest, &digest, err) < 0)
        return error_set(err, ERR_CORRUPT, "containerd's answer to a diff has no usable descriptor");
    *ret_blob = (struct diff_blob){.digest = digest, .size_bytes = (uint64_t)answer->diff->size};
    return 0;
}
