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
    CLEANUP_TRIES = 3,
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
    bool doubtful;       /* a request of it failed: what the registry holds may not be what we think */

    const struct blob_source *source;
    uint64_t reading_at; /* of the chunk being sent */
    uint64_t reading_end;
    uint64_t whole_bytes; /* the PUT carries the blob, all of it: no PATCH was sent. 0: the PATCHes do */
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

/* Ends the upload at the registry, if it still has it: best effort, registries expire them too. */
static void abandon(struct upload *up)
{
    struct error unused;

    if (up->location)
        (void)registry_cancel_upload(up->registry, up->repository, up->location, &unused);
    string_freep(&up->location);
}

/* POST: a new upload, from offset 0. One try. */
static int open_once(struct upload *up, struct exchange *exchange, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};

    if (registry_send(up->registry, exchange, &response, err) < 0)
        return -1;
    if (response.status != 202)
        return registry_refusal(&response, err);
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

    abandon(up); /* what came before */
    while (open_once(up, &exchange, err) < 0)
        if (!exchange.retryable || retry_wait(&up->retry, exchange.retry_after_ms, err) < 0)
            return -1;
    return 0;
}

static struct upload *new_upload(struct registry *registry, const char *repository,
                                 const struct upload_options *options)
{
    struct upload *up = xcalloc(1, sizeof(*up));

    up->registry = registry;
    up->repository = xstrdup(repository);
    (void)scope_push(repository, up->scope);
    if (options)
        up->options = *options;
    up->chunk_bytes = up->options.chunk_bytes ? up->options.chunk_bytes : UPLOAD_CHUNK_BYTES;
    up->retry = retry_start(registry->cancelled);
    return up;
}

int upload_begin(struct registry *registry, const char *repository, const struct upload_options *options,
                 struct upload **ret_up, struct error *err)
{
    SCOPED(upload) struct upload *up = new_upload(registry, repository, options);

    if (open_upload(up, err) < 0) {
        (void)error_wrap(err, "opening an upload");
        return registry_wrap(registry, repository, err);
    }
    *ret_up = TAKE(up);
    return 0;
}

int64_t registry_kept_bytes(const struct http_response *response)
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
    if (response.status == 404)
        string_freep(&up->location); /* there is nothing to abandon */
    int64_t kept = registry_kept_bytes(&response);
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

    up->doubtful = true;
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
    int64_t kept = registry_kept_bytes(&response);
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
        if (up->offset == 0 && (uint64_t)ready < up->chunk_bytes && ready <= UPLOAD_WHOLE_MAX_BYTES) {
            up->whole_bytes = (uint64_t)ready; /* the PUT takes it along */
            return 0;
        }
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

/* The body of a PUT that carries the blob. */
static void carry_whole(struct upload *up, struct exchange *exchange)
{
    if (!up->whole_bytes)
        return;
    up->reading_end = up->sent_bytes = up->whole_bytes;
    exchange->read = read_chunk;
    exchange->rewind = rewind_chunk;
    exchange->read_length = (int64_t)up->whole_bytes;
    exchange->self = up;
}

/* A digest that does not match after a request that failed may be the fault of that; once. */
static bool is_mishap(const struct upload *up, const struct error *err)
{
    return err->code == ERR_CORRUPT && up->doubtful;
}

/* PUT. 1: committed, 0: failed in a way to recover from, -1. */
static int close_once(struct upload *up, const struct digest *digest, int64_t *ret_retry_after_ms,
                      struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string) char *url = url_add_query(up->location, "digest", digest->text);
    struct exchange exchange = request_of(up, "PUT", url);

    exchange.headers[0] = (struct http_header){"Content-Type", "application/octet-stream"};
    exchange.header_count = 1;
    carry_whole(up, &exchange);
    exchange.stall_timeout_ms = COMMIT_STALL_MS;
    int result = registry_send(up->registry, &exchange, &response, err);
    *ret_retry_after_ms = exchange.retry_after_ms;
    if (result < 0)
        return exchange.retryable ? 0 : -1;
    if (response.status == 201 || response.status == 204)
        return registry_check_digest(&response, digest, "blob", err) < 0 ? -1 : 1;
    (void)registry_refusal(&response, err);
    return exchange.retryable || lost_its_place(response.status) || is_mishap(up, err) ? 0 : -1;
}

/* After a PUT that failed: 1: the blob is there all the same, 0: try again, -1. */
static int recover_commit(struct upload *up, const struct digest *digest, int64_t retry_after_ms,
                          struct error *err)
{
    bool mismatched = err->code == ERR_CORRUPT;

    if (!up->whole_bytes && !mismatched)
        return recover(up, digest, retry_after_ms, err);
    if (retry_wait(&up->retry, retry_after_ms, err) < 0)
        return -1;
    up->doubtful = !mismatched; /* a second mismatch is one */
    if (blob_is_there(up, digest))
        return 1;
    return open_upload(up, err); /* half a body may have been kept: begin anew rather than ask */
}

/* *ret_lost: the registry has the blob although the PUT failed, so it may still have the upload too. */
static int commit(struct upload *up, const struct digest *digest, bool *ret_lost, struct error *err)
{
    for (;;) {
        int64_t retry_after_ms = 0;
        int done = close_once(up, digest, &retry_after_ms, err);
        if (done == 0) {
            done = recover_commit(up, digest, retry_after_ms, err);
            *ret_lost = done > 0;
        }
        if (done != 0)
            return done < 0 ? -1 : 0;
        if (!up->whole_bytes && up->source && stream_on(up, err) < 0) /* sends what the registry lost */
            return -1;
    }
}

static int commit_and_settle(struct upload *up, const struct digest *digest, struct error *err)
{
    bool lost = false;

    if (commit(up, digest, &lost, err) < 0)
        return -1;
    if (lost)
        abandon(up);
    up->closed = true;
    return up->whole_bytes ? settle_at(up, up->whole_bytes, err) : 0;
}

int upload_commit(struct upload *up, const struct digest *digest, struct error *err)
{
    if (commit_and_settle(up, digest, err) == 0)
        return 0;
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

struct memory {
    const char *bytes;
    size_t length;
};

static long memory_read(void *self, uint64_t offset, char *into, size_t room, struct error *err)
{
    const struct memory *memory = self;
    size_t left = memory->length - (size_t)offset, length = left < room ? left : room;

    (void)err;
    memcpy(into, memory->bytes + offset, length);
    return (long)length;
}

/* POST with all of the blob, which registries may support. 1: it is there. 0: it is not; perhaps an upload was opened all
 * the same. -1: the registry counted another digest. Whatever else goes wrong, the usual way meets it again. */
static int post_whole(struct upload *up, const struct memory *blob, const struct digest *digest,
                      struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string)
    char *path = xasprintf("/v2/%s/blobs/uploads/?digest=%s", up->repository, digest->text);
    struct exchange exchange = request_of(up, "POST", path);
    struct error unused;

    exchange.headers[0] = (struct http_header){"Content-Type", "application/octet-stream"};
    exchange.header_count = 1;
    exchange.body = blob->bytes;
    exchange.body_length = blob->length;
    up->doubtful = true;
    if (registry_send(up->registry, &exchange, &response, &unused) < 0 || exchange.retryable)
        return 0;
    if (response.status == 201)
        return registry_check_digest(&response, digest, "blob", err) < 0 ? -1 : 1;
    up->registry->wants_put = true;
    if (response.status == 202 &&
        (follow_location(up, &response, path, &unused) < 0 || respect_min_chunk(up, &response, &unused) < 0))
        abandon(up);
    return 0;
}

static int send_whole(struct upload *up, const struct memory *blob, const struct digest *digest,
                      struct error *err)
{
    int sent = 0;

    if (!up->registry->wants_put && blob->length <= UPLOAD_POST_MAX_BYTES)
        sent = post_whole(up, blob, digest, err);
    if (sent != 0)
        return sent < 0 ? -1 : 0;
    if (!up->location && open_upload(up, err) < 0)
        return -1;
    return commit_and_settle(up, digest, err);
}

int upload_bytes(struct registry *registry, const char *repository, const char *bytes, size_t length,
                 const struct digest *digest, struct error *err)
{
    SCOPED(upload) struct upload *up = new_upload(registry, repository, NULL);
    struct memory blob = {bytes, length};
    const struct blob_source source = {.read = memory_read, .self = &blob};

    up->source = &source;
    up->whole_bytes = length;
    if (send_whole(up, &blob, digest, err) == 0) {
        up->closed = true;
        return 0;
    }
    (void)error_wrap(err, "uploading blob %s", digest->text);
    return registry_wrap(registry, repository, err);
}

/* DELETE. One try. */
static int cancel_once(struct registry *registry, struct exchange *exchange, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};

    if (registry_send(registry, exchange, &response, err) < 0)
        return -1;
    return exchange->retryable ? registry_refusal(&response, err)
                               : 0; /* 204; or 404, 405...: it is gone, or the registry lets it expire */
}

int registry_cancel_upload(struct registry *registry, const char *repository, const char *location,
                           struct error *err)
{
    struct retry retry = retry_start(NULL);
    char scope[SCOPE_MAX];
    struct exchange exchange = {.method = "DELETE",
                                .url = location,
                                .repository = repository,
                                .scope = scope_cancel(repository, scope),
                                .timeout_ms = CLEANUP_TIMEOUT_MS,
                                .cleaning_up = true};

    for (int tries = 1; cancel_once(registry, &exchange, err) < 0; tries++) {
        bool again = exchange.retryable && err->code != ERR_TIMEOUT && tries < CLEANUP_TRIES;
        if (again && retry_wait(&retry, 0, err) == 0) /* nobody waits long for a clean-up */
            continue;
        (void)error_wrap(err, "cancelling an upload");
        return registry_wrap(registry, repository, err);
    }
    return 0;
}

void upload_free(struct upload *up)
{
    if (!up)
        return;
    if (!up->closed)
        abandon(up);
    free(up->location);
    free(up->repository);
    free(up);
}

int registry_check(struct registry *registry, const char *repository, struct error *err)
{
    SCOPED(upload) struct upload *up = NULL;
    return upload_begin(registry, repository, NULL, &up, err); /* upload_free cancels it again */
}
