#include <containerd/services/content.pb-c.h>
#include <stdlib.h>

#include "committer-agent/containerd/connection.h"
#include "committer-agent/containerd/content.h"
#include "committer-agent/containerd/leases.h"
#include "shared/base/alloc.h"

enum { WRITE_TIMEOUT_MS = 30000 };

static const ProtobufCServiceDescriptor *const service =
    &containerd__services__content__v1__content__descriptor;

DEFINE_LABEL_ENTRIES(write, Containerd__Services__Content__V1__WriteContentRequest__LabelsEntry,
                     containerd__services__content__v1__write_content_request__labels_entry__init)
DEFINE_LABEL_ENTRIES(info, Containerd__Services__Content__V1__Info__LabelsEntry,
                     containerd__services__content__v1__info__labels_entry__init)

/* One message has all of it: containerd writes, closes, answers and ends the stream. */
static int exchange(struct containerd *containerd,
                    const Containerd__Services__Content__V1__WriteContentRequest *request, const char *lease,
                    struct error *err)
{
    struct rpc_call_options options = {.timeout_ms = WRITE_TIMEOUT_MS};
    struct rpc_stream *stream = NULL;
    int got = 1;

    if (lease) {
        options.header_key = "containerd-lease";
        options.header_value = lease;
    }
    if (rpc_stream_open(containerd->channel, service, "Write", NULL, &stream, &options, err) < 0)
        return -1;
    struct error unsent; /* what broke the stream is told by its end */
    (void)rpc_stream_write(stream, &request->base, true, &unsent);
    while (got == 1) {
        SCOPED_MESSAGE Containerd__Services__Content__V1__WriteContentResponse *answer = NULL;
        got = rpc_stream_next(stream, &answer, err);
    }
    rpc_stream_free(stream);
    return got;
}

static int write_new(struct containerd *containerd, const struct digest *digest, const void *bytes,
                     size_t length, const struct resource_labels *labels, const char *lease,
                     struct error *err)
{
    Containerd__Services__Content__V1__WriteContentRequest request =
        CONTAINERD__SERVICES__CONTENT__V1__WRITE_CONTENT_REQUEST__INIT;
    SCOPED(memory)
    Containerd__Services__Content__V1__WriteContentRequest__LabelsEntry **entries =
        write_label_entries(labels);
    SCOPED(string) char *ref = xasprintf("stasis-%s", digest->text);
    struct error ignored; /* an ingest that stays is collected after a day */

    request.action = CONTAINERD__SERVICES__CONTENT__V1__WRITE_ACTION__COMMIT;
    request.ref = ref;
    request.total = (int64_t)length;
    request.expected = (char *)digest->text;
    request.data.data = (uint8_t *)bytes;
    request.data.len = length;
    request.labels = entries;
    request.n_labels = labels->count;
    int result = exchange(containerd, &request, lease, err);
    if (result < 0 && err->code != ERR_EXISTS)
        (void)content_abort(containerd, ref, &ignored);
    return result;
}

/* Each label by its own path: those of others stay. */
static int add_labels(struct containerd *containerd, const struct digest *digest,
                      const struct resource_labels *labels, struct error *err)
{
    Containerd__Services__Content__V1__Info info = CONTAINERD__SERVICES__CONTENT__V1__INFO__INIT;
    Containerd__Services__Content__V1__UpdateRequest request =
        CONTAINERD__SERVICES__CONTENT__V1__UPDATE_REQUEST__INIT;
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    SCOPED(memory)
    Containerd__Services__Content__V1__Info__LabelsEntry **entries = info_label_entries(labels);
    SCOPED(memory) char **paths = xcalloc(labels->count + 1, sizeof(*paths));

    for (size_t i = 0; i < labels->count; i++)
        paths[i] = xasprintf("labels.%s", labels->items[i].key);
    mask.paths = paths;
    mask.n_paths = labels->count;
    info.digest = (char *)digest->text;
    info.labels = entries;
    info.n_labels = labels->count;
    request.info = &info;
    request.update_mask = &mask;
    const struct containerd_call call = {service, "Update", NULL, 0};
    int result = labels->count ? containerd_tell(containerd, call, &request, err) : 0;
    for (size_t i = 0; i < labels->count; i++)
        free(paths[i]);
    return result;
}

/* Leased first: then it cannot be collected between the look and the labels. */
static int adopt(struct containerd *containerd, const struct digest *digest,
                 const struct resource_labels *labels, const char *lease, struct error *err)
{
    SCOPED_CONTENT_RECORD struct content_record record = {0};

    if (lease && lease_add_blob(containerd, lease, digest, err) < 0)
        return -1;
    if (content_stat(containerd, digest, &record, err) < 0)
        return -1;
    return add_labels(containerd, digest, labels, err);
}

int content_write(struct containerd *containerd, const struct digest *digest, const void *bytes,
                  size_t length, const struct resource_labels *labels, const char *lease, struct error *err)
{
    const struct resource_labels given = labels ? *labels : (struct resource_labels){0};
    const struct digest found = digest_of(bytes, length);

    if (length > CONTENT_WRITE_MAX_BYTES)
        return error_set(err, ERR_EXHAUSTED, "%s has %zu bytes, want at most %zu", digest->text, length,
                         CONTENT_WRITE_MAX_BYTES);
    if (!digest_equal(&found,
                      digest)) /* containerd would see it, too, but not when the blob is there already */
        return error_set(err, ERR_CORRUPT, "%s: the bytes to write have the digest %s", digest->text,
                         found.text);
    for (int again = 0;; again = 1) {
        int result = write_new(containerd, digest, bytes, length, &given, lease, err);
        if (result < 0 && err->code == ERR_EXISTS) {
            error_clear(err);
            result = adopt(containerd, digest, &given, lease, err);
            if (result < 0 && err->code == ERR_NOT_FOUND && !again)
                continue; /* collected in the moment before it was leased */
        }
        return result < 0 ? error_wrap(err, "writing %s into containerd's content store", digest->text) : 0;
    }
}

int content_abort(struct containerd *containerd, const char *ref, struct error *err)
{
    Containerd__Services__Content__V1__AbortRequest request =
        CONTAINERD__SERVICES__CONTENT__V1__ABORT_REQUEST__INIT;
    const struct containerd_call call = {service, "Abort", NULL, 0};

    request.ref = (char *)ref;
    if (containerd_tell(containerd, call, &request, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return error_wrap(err, "aborting ingest %s", ref);
    error_clear(err);
    return 0;
}
