#include "committer-agent/containerd/content.h"

#include <containerd/services/content.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"

typedef Containerd__Services__Content__V1__ReadContentResponse read_message;

static const ProtobufCServiceDescriptor *const service =
    &containerd__services__content__v1__content__descriptor;

struct content_blob {
    struct containerd *containerd;
    struct digest digest;
    uint64_t size_bytes;

    struct rpc_stream *stream; /* NULL: none open */
    uint64_t next_offset;      /* of the next message of the stream */
    read_message *chunk;       /* the message being read, or NULL */
    uint64_t chunk_offset;
};

static int content_failed(struct error *err, const struct digest *digest)
{
    if (err->code == ERR_NOT_FOUND)
        (void)error_reason(err, "BlobMissing");
    return error_wrap(err, "reading %s from containerd's content store", digest->text);
}

int content_stat(struct containerd *containerd, const struct digest *digest,
                 struct content_record *ret_record, struct error *err)
{
    Containerd__Services__Content__V1__InfoRequest request =
        CONTAINERD__SERVICES__CONTENT__V1__INFO_REQUEST__INIT;
    SCOPED_MESSAGE Containerd__Services__Content__V1__InfoResponse *answer = NULL;
    struct containerd_call call = {service, "Info", NULL, 0};

    request.digest = (char *)digest->text;
    if (containerd_call(containerd, call, &request, &answer, err) < 0)
        return content_failed(err, digest);
    if (!answer->info || answer->info->size < 0)
        return error_set(err, ERR_CORRUPT, "containerd's record of %s has no size", digest->text);

    const Containerd__Services__Content__V1__Info *info = answer->info;
    *ret_record = (struct content_record){
        .size_bytes = (uint64_t)info->size,
        .labels = xcalloc(info->n_labels + 1, sizeof(*ret_record->labels)),
        .label_count = info->n_labels,
    };
    for (size_t i = 0; i < info->n_labels; i++)
        ret_record->labels[i] =
            (struct content_label){xstrdup(info->labels[i]->key), xstrdup(info->labels[i]->value)};
    return 0;
}

const char *content_label_get(const struct content_record *record, const char *key)
{
    for (size_t i = 0; i < record->label_count; i++)
        if (strcmp(record->labels[i].key, key) == 0)
            return record->labels[i].value;
    return NULL;
}

/* containerd names the source without its port, and an IPv6 address without its brackets. */
static char *source_label(const char *host)
{
    const bool is_bracketed = *host == '[';
    const char *name = is_bracketed ? host + 1 : host;

    return xasprintf("containerd.io/distribution.source.%.*s", (int)strcspn(name, is_bracketed ? "]" : ":"),
                     name);
}

const char *content_sources(const struct content_record *record, const char *host)
{
    SCOPED(string)
    char *key = source_label(host);
    const char *repositories = content_label_get(record, key);

    return repositories && *repositories ? repositories : NULL;
}

void content_record_done(struct content_record *record)
{
    for (size_t i = 0; i < record->label_count; i++) {
        free(record->labels[i].key);
        free(record->labels[i].value);
    }
    free(record->labels);
    *record = (struct content_record){0};
}

int content_open(struct containerd *containerd, const struct digest *digest, struct content_blob **ret_blob,
                 struct error *err)
{
    SCOPED_CONTENT_RECORD struct content_record record = {0};

    if (content_stat(containerd, digest, &record, err) < 0)
        return -1;
    struct content_blob *blob = xcalloc(1, sizeof(*blob));
    blob->containerd = containerd;
    blob->digest = *digest;
    blob->size_bytes = record.size_bytes;
    *ret_blob = blob;
    return 0;
}

uint64_t content_blob_size(const struct content_blob *blob)
{
    return blob->size_bytes;
}

static void blob_drop_chunk(struct content_blob *blob)
{
    message_freep(&blob->chunk);
    blob->chunk = NULL;
}

static void blob_close(struct content_blob *blob)
{
    blob_drop_chunk(blob);
    if (blob->stream)
        rpc_stream_free(blob->stream);
    blob->stream = NULL;
}

void content_blob_free(struct content_blob *blob)
{
    if (!blob)
        return;
    blob_close(blob);
    free(blob);
}

static int blob_open_at(struct content_blob *blob, uint64_t offset, struct error *err)
{
    Containerd__Services__Content__V1__ReadContentRequest request =
        CONTAINERD__SERVICES__CONTENT__V1__READ_CONTENT_REQUEST__INIT;

    blob_close(blob);
    request.digest = blob->digest.text;
    request.offset = (int64_t)offset;
    blob->next_offset = offset;
    return rpc_stream_open(blob->containerd->channel, service, "Read", &request.base, &blob->stream, NULL,
                           err);
}

/* Makes the chunk that holds `offset` the current one; 0 when there is none: the stream ended. */
static int blob_advance(struct content_blob *blob, uint64_t offset, struct error *err)
{
    bool in_order =
        blob->stream && (offset == blob->next_offset ||
                         (blob->chunk && offset >= blob->chunk_offset && offset < blob->next_offset));

    if (!in_order && blob_open_at(blob, offset, err) < 0)
        return -1;
    while (offset >= blob->next_offset) {
        blob_drop_chunk(blob);
        int got = rpc_stream_next(blob->stream, &blob->chunk, err);
        if (got <= 0)
            return got;
        /* The answer's own offset counts from the request's in containerd; the order is what tells where we are. */
        blob->chunk_offset = blob->next_offset;
        blob->next_offset += blob->chunk->data.len;
    }
    return 1;
}

long content_blob_read(struct content_blob *blob, uint64_t offset, char *into, size_t room, struct error *err)
{
    if (offset >= blob->size_bytes || room == 0)
        return 0;

    int got = blob_advance(blob, offset, err);
    if (got == 0)
        (void)error_set(err, ERR_CORRUPT, "it ends at %llu, want %llu bytes",
                        (unsigned long long)blob->next_offset, (unsigned long long)blob->size_bytes);
    if (got <= 0) {
        blob_close(blob); /* the next read begins with a stream of its own */
        return content_failed(err, &blob->digest);
    }
    size_t skip = (size_t)(offset - blob->chunk_offset);
    size_t length = blob->chunk->data.len - skip;
    if (length > room)
        length = room;
    memcpy(into, blob->chunk->data.data + skip, length);
    return (long)length;
}

int content_read(struct containerd *containerd, const struct digest *digest, size_t limit_bytes,
                 struct strbuf *ret_bytes, struct error *err)
{
    SCOPED(content_blob)
    struct content_blob *blob = NULL;
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    char piece[16384];

    if (content_open(containerd, digest, &blob, err) < 0)
        return -1;
    if (blob->size_bytes > limit_bytes)
        return error_set(err, ERR_EXHAUSTED, "%s has %llu bytes, want at most %zu", digest->text,
                         (unsigned long long)blob->size_bytes, limit_bytes);
    for (;;) {
        long got = content_blob_read(blob, bytes.length, piece, sizeof(piece), err);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        strbuf_append(&bytes, piece, (size_t)got);
    }
    struct digest found = digest_of(strbuf_text(&bytes), bytes.length);
    if (!digest_equal(&found, digest))
        return error_set(err, ERR_CORRUPT, "containerd's content store has other bytes than %s promises",
                         digest->text);
    strbuf_done(ret_bytes);
    *ret_bytes = bytes;
    bytes = (struct strbuf)STRBUF_INIT;
    return 0;
}
