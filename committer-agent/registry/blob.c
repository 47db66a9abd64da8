/* Blobs by digest: is it there, mount it, fetch it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/registry/registry_priv.h"
#include "shared/base/alloc.h"
#include "shared/http/url.h"

static char *blob_path(const char *repository, const struct digest *digest)
{
    return xasprintf("/v2/%s/blobs/%s", repository, digest->text);
}

/* A whole number of bytes, or -1. */
static int64_t header_number(const struct http_response *response, const char *name)
{
    const char *text = http_response_header(response, name);
    if (!text || !*text || strlen(text) > 18 || text[strspn(text, "0123456789")])
        return -1;
    return atoll(text);
}

int registry_has_blob(struct registry *registry, const char *repository, const struct digest *digest,
                      uint64_t *ret_size_bytes, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string) char *path = blob_path(repository, digest);
    char scope[SCOPE_MAX];
    struct exchange exchange = {
        .method = "HEAD", .url = path, .repository = repository, .scope = scope_push(repository, scope)};

    int result = registry_exchange(registry, &exchange, &response, err);
    if (result == 0 && response.status == 404)
        return 0;
    if (result == 0 && response.status != 200)
        result = registry_refusal(&response, err);
    if (result < 0) {
        (void)error_wrap(err, "looking for blob %s", digest->text);
        return registry_wrap(registry, repository, err);
    }
    int64_t size = header_number(&response, "content-length");
    if (ret_size_bytes)
        *ret_size_bytes = size > 0 ? (uint64_t)size : 0;
    return 1;
}

static void cancel_quietly(struct registry *registry, const char *repository,
                           const struct http_response *response, const char *asked_path)
{
    SCOPED(string) char *asked = registry_url(registry, asked_path), *location = NULL;
    struct error unused;

    if (registry_location(registry, response, asked, &location, &unused) == 0)
        (void)registry_cancel_upload(registry, repository, location,
                                     &unused); /* registries expire them as well */
}

int registry_mount_blob(struct registry *registry, const char *repository, const char *from_repository,
                        const struct digest *digest, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string)
    char *path =
        xasprintf("/v2/%s/blobs/uploads/?mount=%s&from=%s", repository, digest->text, from_repository);
    char push[SCOPE_MAX], pull[SCOPE_MAX];
    SCOPED(string)
    char *scope = xasprintf("%s %s", scope_push(repository, push), scope_pull(from_repository, pull));
    struct exchange exchange = {.method = "POST", .url = path, .repository = repository, .scope = scope};

    if (registry_exchange(registry, &exchange, &response, err) < 0) {
        if (err->code == ERR_DENIED)
            return 0; /* perhaps only `from` is denied; if not, the push that follows says so */
        (void)error_wrap(err, "mounting blob %s from %s", digest->text, from_repository);
        return registry_wrap(registry, repository, err);
    }
    if (response.status == 201)
        return 1;
    if (response.status == 202)
        cancel_quietly(registry, repository, &response, path);
    return 0;
}

/* A blob on its way into the sink: survives broken connections, so each byte reaches the sink once. */
struct download {
    const struct descriptor *blob;
    const struct blob_sink *sink;
    struct hasher *hasher;
    uint64_t got_bytes;
    uint64_t skip_bytes; /* the answer starts over: so many we have already */
};

static int download_head(void *self, const struct http_response *head, struct error *err)
{
    struct download *download = self;

    (void)err;
    download->skip_bytes = head->status == 206 ? 0 : download->got_bytes;
    return 0;
}

static int download_write(void *self, const char *bytes, size_t length, struct error *err)
{
    struct download *download = self;

    if (download->skip_bytes) {
        size_t skipped = length < download->skip_bytes ? length : (size_t)download->skip_bytes;
        download->skip_bytes -= skipped;
        bytes += skipped;
        length -= skipped;
    }
    if (length > download->blob->size_bytes - download->got_bytes) {
        (void)error_set(err, ERR_CORRUPT, "more than the %llu bytes of its descriptor",
                        (unsigned long long)download->blob->size_bytes);
        return error_reason(err, "BlobDigestMismatch");
    }
    if (length && download->sink->write(download->sink->self, bytes, length, err) < 0)
        return -1;
    hasher_update(download->hasher, bytes, length);
    download->got_bytes += length;
    return 0;
}

/* One try; 0: the connection delivered what it had. */
static int download_some(struct registry *registry, struct exchange *exchange, struct download *download,
                         struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    char range[48];

    exchange->header_count = 0;
    if (download->got_bytes) {
        (void)snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)download->got_bytes);
        exchange->headers[exchange->header_count++] = (struct http_header){"Range", range};
    }
    if (registry_send(registry, exchange, &response, err) < 0)
        return -1;
    if (response.status != 200 && response.status != 206)
        return registry_refusal(&response, err);
    if (download->got_bytes == download->blob->size_bytes)
        return 0;
    exchange->retryable = true;
    (void)error_set(err, ERR_UNAVAILABLE, "only %llu of %llu bytes came",
                    (unsigned long long)download->got_bytes, (unsigned long long)download->blob->size_bytes);
    return error_reason(err, "RegistryError");
}

static int download_all(struct registry *registry, struct exchange *exchange, struct download *download,
                        struct error *err)
{
    struct retry retry = retry_start(registry->cancelled);

    for (;;) {
        uint64_t before = download->got_bytes;
        if (download_some(registry, exchange, download, err) == 0)
            return 0;
        if (!exchange->retryable)
            return -1;
        if (download->got_bytes > before)
            retry_progress(&retry);
        if (retry_wait(&retry, exchange->retry_after_ms, err) < 0)
            return -1;
    }
}

int registry_get_blob(struct registry *registry, const char *repository, const struct descriptor *blob,
                      const struct blob_sink *sink, struct error *err)
{
    SCOPED(string) char *path = blob_path(repository, &blob->digest);
    struct download download = {.blob = blob, .sink = sink, .hasher = hasher_new()};
    char scope[SCOPE_MAX];
    struct exchange exchange = {.method = "GET",
                                .url = path,
                                .repository = repository,
                                .scope = scope_pull(repository, scope),
                                .write = download_write,
                                .head = download_head,
                                .self = &download};

    int result = download_all(registry, &exchange, &download, err);
    struct digest digest = hasher_finish(download.hasher);
    if (result == 0 && !digest_equal(&digest, &blob->digest)) {
        result = error_set(err, ERR_CORRUPT, "its bytes have digest %s", digest.text);
        (void)error_reason(err, "BlobDigestMismatch");
    }
    if (result == 0)
        return 0;
    (void)error_wrap(err, "fetching blob %s", blob->digest.text);
    return registry_wrap(registry, repository, err);
}
