#include "committer-agent/registry/upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/registry/registry_priv.h"
#include "shared/base/alloc.h"
#include "shared/http/url.h"

enum {
    COMMIT_STALL_MS = 300 * 1000, /* before it answers, a registry may hash or copy all of the blob */
    CLEANUP_TIMEOUT_MS = 10 * 1000,
};

struct upload {
    struct registry *registry;
    char *repository;
    char scope[SCOPE_MAX];
    struct upload_options options;
    struct retry retry;

    char *location; /* where the next request of this upload goes; every answer may move it */
    uint64_t chunk_bytes;
    uint64_t offset;     /* what the registry has */
    uint64_t sent_bytes; /* the most it can have: beyond it nothing was ever sent to this location */
    uint64_t farthest;   /* the most it ever had: only more than this is progress */
    bool closed;         /* committed, or cancelled already */

    const struct blob_source *source;
    uint64_t reading_at; /* of the chunk being sent */
    uint64_t reading_end;
};

static struct exchange request_of(struct upload *up, const char *method, const char *url)
{
    return (struct exchange){.method = method, .url = url, .repository = up->repository, .scope = up->scope};
}

/* Takes over the answer's Location, if it has one. */
static int follow_location(struct upload *up, const struct http_response *response, const char *asked,
                           struct error *err)
{
    char *location = NULL;

    if (up->location && !http_response_header(response, "location"))
        return 0; /* required by the specification, forgotten by some: the upload stays where it was */
    SCOPED(string) char *asked_url = registry_url(up->registry, asked);
    if (registry_location(up->registry, response, asked_url, &location, err) < 0)
        return -1;
    free(up->location);
    up->location = location;
    return 0;
}

static int respect_min_chunk(struct upload *up, const struct http_response *response, struct error *err)
{
    const char *text = http_response_header(response, "oci-chunk-min-length");
    char *end = NULL;
    unsigned long long least = text ? strtoull(text, &end, 10) : 0;

    if (text && (*end || least > UPLOAD_MAX_CHUNK_BYTES)) {
        (void)error_set(err, ERR_UNSUPPORTED, "OCI-Chunk-Min-Length: want at most %u, got \"%.40s\"",
                        UPLOAD_MAX_CHUNK_BYTES, text);
        return error_reason(err, "RegistryError");
    }
    if (least > up->chunk_bytes)
        up->chunk_bytes = least;
    return 0;
}

/* POST: a new upload, from offset 0. One try. */
static int open_once(struct upload *up, struct exchange *exchange, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};

    if (registry_send(up->registry, exchange, &response, err) < 0)
        return -1;
    if (response.status != 202)
        return registry_refusal(&response, err);
    string_freep(&up->location);
    up->offset = up->sent_bytes = 0;
    if (follow_location(up, &response, exchange->url, err) < 0)
        return -1;
    return respect_min_chunk(up, &response, err);
}

/* The same, as often as the upload's budget allows. */
static int open_upload(struct upload *up, struct error *err)
{
    SCOPED(string) char *path = xasprintf("/v2/%s/blobs/uploads/", up->repository);
    struct exchange exchange = request_of(up, "POST", path);

    while (open_once(up, &exchange, err) < 0)
        if (!exchange.retryable || retry_wait(&up->retry, exchange.retry_after_ms, err) < 0)
            return -1;
    return 0;
}

int upload_begin(struct registry *registry, const char *repository, const struct upload_options *options,
                 struct upload **ret_up, struct error *err)
{
    SCOPED(upload) struct upload *up = xcalloc(1, sizeof(*up));

    up->registry = registry;
    up->repository = xstrdup(repository);
    (void)scope_push(repository, up->scope);
    if (options)
        up->options = *options;
    up->chunk_bytes = up->options.chunk_bytes ? up->options.chunk_bytes : UPLOAD_CHUNK_BYTES;
    up->retry = retry_start(registry->cancelled);
    if (open_upload(up, err) < 0) {
        (void)error_wrap(err, "opening an upload");
        return registry_wrap(registry, repository, err);
    }
    *ret_up = TAKE(up);
    return 0;
}

/* How much the registry says it has: "0-4095" (or "bytes=0-4095") is 4096. -1: nothing that could be relied
 * on, which "0-0" is too: docker's registry says so of an empty upload as of one byte. */
static int64_t kept_bytes(const struct http_response *response)
{
    const char *range = http_response_header(response, "range");
    char *end = NULL;

    if (range && strncmp(range, "bytes=", 6) == 0)
        range += 6;
    if (!range || strncmp(range, "0-", 2) != 0 || range[2] < '0' || range[2] > '9' || strlen(range) > 20)
        return -1;
    long long last = strtoll(range + 2, &end, 10);
    return *end || last == 0 ? -1 : last + 1;
}

/* The registry has so much now. */
static int settle_at(struct upload *up, uint64_t offset, struct error *err)
{
    if (offset > up->sent_bytes) {
        (void)error_set(err, ERR_CORRUPT, "the registry claims %llu bytes of %llu that were sent",
                        (unsigned long long)offset, (unsigned long long)up->sent_bytes);
        return error_reason(err, "RegistryError");
    }
    up->offset = offset;
    if (offset > up->farthest) {
        up->farthest = offset;
        retry_progress(&up->retry);
    }
    if (up->options.accepted)
        up->options.accepted(up->options.self, up->offset);
    return 0;
}

/* GET: which offset was kept? 1: we know and go on there; 0: the registry has forgotten the upload; -1. One
 * try. */
static int ask_offset(struct upload *up, struct exchange *exchange, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string) char *asked = xstrdup(up->location);

    exchange->url = asked;
    int result = registry_send(up->registry, exchange, &response, err);
    exchange->url = NULL;
    if (result < 0)
        return -1;
    if (exchange->retryable)
        return registry_refusal(&response, err);
    int64_t kept = kept_bytes(&response);
    if (response.status / 100 != 2 || kept < 0)
        return 0;
    if (follow_location(up, &response, asked, err) < 0)
        return -1;
    return settle_at(up, (uint64_t)kept, err) < 0 ? -1 : 1;
}

/* HEAD: has the reply to our PUT been lost, but the blob been made? 1, 0: no, or no answer. One try. */
static int blob_is_there(struct upload *up, const struct digest *digest)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string) char *path = xasprintf("/v2/%s/blobs/%s", up->repository, digest->text);
    struct exchange exchange = request_of(up, "HEAD", path);
    struct error unused; /* whatever is wrong, the next request meets it again */

    return registry_send(up->registry, &exchange, &response, &unused) == 0 && response.status == 200;
}

/* After a request of this upload failed (err says how): waits, and finds the offset to go on from.
 * `committing`, unless NULL, is the digest of a PUT that failed. 0: go on from up->offset; 1: the blob is
 * there, nothing is left to do; -1. */
static int recover(struct upload *up, const struct digest *committing, int64_t retry_after_ms,
                   struct error *err)
{
    struct exchange exchange = request_of(up, "GET", NULL);

    for (;;) {
        if (retry_wait(&up->retry, retry_after_ms, err) < 0)
            return -1;
        if (committing && blob_is_there(up, committing))
            return 1;
        int known = ask_offset(up, &exchange, err);
        if (known > 0)
            return 0;
        if (known == 0)
            return open_upload(up, err);
        if (!exchange.retryable)
            return -1;
        retry_after_ms = exchange.retry_after_ms;
    }
}

static void rewind_chunk(void *self)
{
    struct upload *up = self;
    up->reading_at = up->offset;
}

static long read_chunk(void *self, char *into, size_t room, struct error *err)
{
    struct upload *up = self;
    uint64_t left = up->reading_end - up->reading_at;

    if (left == 0)
        return 0;
    long got =
        up->source->read(up->source->self, up->reading_at, into, room < left ? room : (size_t)left, err);
    if (got == 0)
        return error_set(err, ERR_INTERNAL, "the source has no byte at %llu although it said so",
                         (unsigned long long)up->reading_at);
    if (got > 0)
        up->reading_at += (uint64_t)got;
    return got;
}

/* An upload that cannot go on as it stands, but perhaps from another offset or anew. */
static bool lost_its_place(int status)
{
    return status == 404 || status == 416;
}

/* PATCH: the bytes from offset to reading_end. 1: accepted, 0: failed in a way to recover from (err says
 * how), -1. */
static int send_chunk(struct upload *up, int64_t *ret_retry_after_ms, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string) char *asked = xstrdup(up->location);
    struct exchange exchange = request_of(up, "PATCH", asked);
    char range[48];

    (void)snprintf(range, sizeof(range), "%llu-%llu", (unsigned long long)up->offset,
                   (unsigned long long)up->reading_end - 1);
    exchange.headers[0] = (struct http_header){"Content-Range", range};
    exchange.headers[1] = (struct http_header){"Content-Type", "application/octet-stream"};
    exchange.header_count = 2;
    exchange.read = read_chunk;
    exchange.rewind = rewind_chunk;
    exchange.read_length = (int64_t)(up->reading_end - up->offset);
    exchange.self = up;
    if (up->reading_end > up->sent_bytes)
        up->sent_bytes = up->reading_end;

    int result = registry_send(up->registry, &exchange, &response, err);
    *ret_retry_after_ms = exchange.retry_after_ms;
    if (result < 0)
        return exchange.retryable ? 0 : -1;
    if (response.status / 100 != 2) {
        (void)registry_refusal(&response, err);
        return exchange.retryable || lost_its_place(response.status) ? 0 : -1;
    }
    if (follow_location(up, &response, asked, err) < 0)
        return -1;
    int64_t kept = kept_bytes(&response);
    return settle_at(up, kept < 0 ? up->reading_end : (uint64_t)kept, err) < 0 ? -1 : 1;
}

static int stream_on(struct upload *up, struct error *err)
{
    for (;;) {
        int64_t retry_after_ms = 0, ready;
        uint64_t before = up->offset;

        ready = up->source->ready(up->source->self, up->offset, up->chunk_bytes, err);
        if (ready <= 0)
            return (int)ready; /* 0: all of it is sent */
        up->reading_end = up->offset + (uint64_t)ready;
        int sent = send_chunk(up, &retry_after_ms, err);
        if (sent > 0 && up->offset <= before) {
            (void)error_set(err, ERR_UNAVAILABLE, "the registry took a chunk and kept nothing of it");
            (void)error_reason(err, "RegistryError");
            sent = 0;
        }
        if (sent < 0 || (sent == 0 && recover(up, NULL, retry_after_ms, err) < 0))
            return -1;
    }
}

int upload_stream(struct upload *up, const struct blob_source *source, struct error *err)
{
    up->source = source;
    if (stream_on(up, err) == 0)
        return 0;
    (void)error_wrap(err, "uploading a blob, at byte %llu", (unsigned long long)up->offset);
    return registry_wrap(up->registry, up->repository, err);
}

/* PUT. 1: committed, 0: failed in a way to recover from, -1. */
static int close_once(struct upload *up, const struct digest *digest, const char *bytes, size_t length,
                      int64_t *ret_retry_after_ms, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string) char *url = url_add_query(up->location, "digest", digest->text);
    struct exchange exchange = request_of(up, "PUT", url);

    exchange.headers[0] = (struct http_header){"Content-Type", "application/octet-stream"};
    exchange.header_count = 1;
    exchange.body = bytes;
    exchange.body_length = length;
    exchange.stall_timeout_ms = COMMIT_STALL_MS;
    int result = registry_send(up->registry, &exchange, &response, err);
    *ret_retry_after_ms = exchange.retry_after_ms;
    if (result < 0)
        return exchange.retryable ? 0 : -1;
    if (response.status == 201 || response.status == 204)
        return registry_check_digest(&response, digest, "blob", err) < 0 ? -1 : 1;
    (void)registry_refusal(&response, err);
    return exchange.retryable || lost_its_place(response.status) ? 0 : -1;
}

static int commit(struct upload *up, const struct digest *digest, struct error *err)
{
    for (;;) {
        int64_t retry_after_ms = 0;
        int done = close_once(up, digest, NULL, 0, &retry_after_ms, err);
        if (done == 0)
            done = recover(up, digest, retry_after_ms, err);
        if (done != 0)
            return done < 0 ? -1 : 0;
        if (up->source && stream_on(up, err) < 0) /* sends what the registry lost, often nothing */
            return -1;
    }
}

int upload_commit(struct upload *up, const struct digest *digest, struct error *err)
{
    if (commit(up, digest, err) == 0) {
        up->closed = true;
        return 0;
    }
    (void)error_wrap(err, "committing blob %s", digest->text);
    return registry_wrap(up->registry, up->repository, err);
}

uint64_t upload_size_bytes(const struct upload *up)
{
    return up->offset;
}

const char *upload_location(const struct upload *up)
{
    return up->location;
}

int registry_cancel_upload(struct registry *registry, const char *repository, const char *location,
                           struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    char scope[SCOPE_MAX];
    struct exchange exchange = {.method = "DELETE",
                                .url = location,
                                .repository = repository,
                                .scope = scope_cancel(repository, scope),
                                .timeout_ms = CLEANUP_TIMEOUT_MS,
                                .cleaning_up = true};

    int result = registry_send(registry, &exchange, &response, err);
    if (result == 0 && response.status >= 500)
        result = registry_refusal(&response, err);
    if (result == 0)
        return 0; /* 204; or 404, 405...: it is gone, or the registry lets it expire */
    (void)error_wrap(err, "cancelling an upload");
    return registry_wrap(registry, repository, err);
}

void upload_free(struct upload *up)
{
    struct error unused;

    if (!up)
        return;
    if (up->location && !up->closed)
        (void)registry_cancel_upload(up->registry, up->repository, up->location,
                                     &unused); /* registries expire them too */
    free(up->location);
    free(up->repository);
    free(up);
}

static int put_bytes(struct upload *up, const char *bytes, size_t length, const struct digest *digest,
                     struct error *err)
{
    for (;;) {
        int64_t retry_after_ms = 0;
        int done = close_once(up, digest, bytes, length, &retry_after_ms, err);
        if (done != 0)
            return done < 0 ? -1 : 0;
        if (retry_wait(&up->retry, retry_after_ms, err) < 0)
            return -1;
        if (blob_is_there(up, digest))
            return 0;
        if (open_upload(up, err) < 0) /* half a body may have been kept: begin anew rather than ask */
            return -1;
    }
}

int upload_bytes(struct registry *registry, const char *repository, const char *bytes, size_t length,
                 const struct digest *digest, struct error *err)
{
    SCOPED(upload) struct upload *up = NULL;

    if (upload_begin(registry, repository, NULL, &up, err) < 0)
        return -1;
    if (put_bytes(up, bytes, length, digest, err) < 0) {
        (void)error_wrap(err, "uploading blob %s", digest->text);
        return registry_wrap(registry, repository, err);
    }
    up->closed = true;
    return 0;
}

int registry_check(struct registry *registry, const char *repository, struct error *err)
{
    SCOPED(upload) struct upload *up = NULL;
    return upload_begin(registry, repository, NULL, &up, err); /* upload_free cancels it again */
}
