/* Manifests and indexes under tags and digests. */
#include <stdlib.h>
#include <string.h>

#include "committer-agent/registry/registry_priv.h"
#include "shared/base/alloc.h"

static const char accept_all[] =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json";

static char *manifest_path(const char *repository, const char *target)
{
    return xasprintf("/v2/%s/manifests/%s", repository, target);
}

/* The descriptor that a HEAD's headers tell; false: they do not tell it all. */
static bool descriptor_from_headers(const struct http_response *response, struct descriptor *ret_self)
{
    const char *digest = http_response_header(response, "docker-content-digest");
    const char *length = http_response_header(response, "content-length");
    struct descriptor self = {.media_type = media_type_parse(http_response_header(response, "content-type"))};
    struct error unreadable;

    if (self.media_type == MEDIA_UNKNOWN || !digest || digest_parse(digest, &self.digest, &unreadable) < 0 ||
        !length || !*length || strlen(length) > 9 || length[strspn(length, "0123456789")])
        return false;
    self.size_bytes = (uint64_t)atoll(length);
    *ret_self = self;
    return true;
}

int registry_head_manifest(struct registry *registry, const char *repository, const char *target,
                           struct descriptor *ret_manifest, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    SCOPED(string) char *path = manifest_path(repository, target);
    char scope[SCOPE_MAX];
    struct exchange exchange = {.method = "HEAD",
                                .url = path,
                                .repository = repository,
                                .scope = scope_pull(repository, scope),
                                .headers = {{"Accept", accept_all}},
                                .header_count = 1};

    int result = registry_exchange(registry, &exchange, &response, err);
    if (result == 0 && response.status == 404)
        return 0;
    if (result == 0 && response.status != 200)
        result = registry_refusal(&response, err);
    if (result < 0) {
        (void)error_wrap(err, "looking for manifest %.128s", target);
        return registry_wrap(registry, repository, err);
    }
    if (descriptor_from_headers(&response, ret_manifest))
        return 1;
    /* Docker-Content-Digest is a header that registries may leave out: then only the bytes tell. */
    return registry_get_manifest(registry, repository, target, &bytes, ret_manifest, err) < 0 ? -1 : 1;
}

/* What came must be what was asked for, and what its Content-Type says. */
static int judge_manifest(const struct http_response *response, const char *target,
                          struct descriptor *ret_self, struct error *err)
{
    const struct strbuf *body = &response->body;
    enum media_type said = media_type_parse(http_response_header(response, "content-type"));
    struct descriptor self = {.digest = digest_of(strbuf_text(body), body->length),
                              .size_bytes = body->length};

    if (strncmp(target, "sha256:", 7) == 0 && strcmp(target, self.digest.text) != 0) {
        (void)error_set(err, ERR_CORRUPT, "its bytes have digest %s", self.digest.text);
        return error_reason(err, "BlobDigestMismatch");
    }
    if (registry_check_digest(response, &self.digest, "what came", err) < 0)
        return -1;
    if (manifest_media_type(strbuf_text(body), body->length, &self.media_type, err) < 0)
        return error_reason(err, "RegistryError");
    if (said != MEDIA_UNKNOWN && media_type_to_oci(said) != media_type_to_oci(self.media_type)) {
        (void)error_set(err, ERR_INVALID, "Content-Type is %s, the document a %s", media_type_text(said),
                        media_type_text(self.media_type));
        return error_reason(err, "RegistryError");
    }
    *ret_self = self;
    return 0;
}

int registry_get_manifest(struct registry *registry, const char *repository, const char *target,
                          struct strbuf *ret_bytes, struct descriptor *ret_self, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    SCOPED(string) char *path = manifest_path(repository, target);
    char scope[SCOPE_MAX];
    struct exchange exchange = {.method = "GET",
                                .url = path,
                                .repository = repository,
                                .scope = scope_pull(repository, scope),
                                .headers = {{"Accept", accept_all}},
                                .header_count = 1,
                                .max_body = MANIFEST_MAX_BYTES};
    struct descriptor self;

    int result = registry_exchange(registry, &exchange, &response, err);
    if (result == 0 && response.status != 200)
        result = registry_refusal(&response, err);
    if (result == 0)
        result = judge_manifest(&response, target, &self, err);
    if (result < 0) {
        (void)error_wrap(err, "fetching manifest %.128s", target);
        return registry_wrap(registry, repository, err);
    }
    strbuf_reset(ret_bytes);
    if (!strbuf_append(ret_bytes, strbuf_text(&response.body), response.body.length))
        return error_set(err, ERR_EXHAUSTED, "manifest %.128s is larger than its buffer takes", target);
    *ret_self = self;
    return 0;
}

int registry_put_manifest(struct registry *registry, const char *repository, const char *tag,
                          enum media_type type, const char *bytes, size_t length, struct digest *ret_digest,
                          struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};
    struct digest digest = digest_of(bytes, length);
    SCOPED(string) char *path = manifest_path(repository, tag ? tag : digest.text);
    char scope[SCOPE_MAX];
    struct exchange exchange = {.method = "PUT",
                                .url = path,
                                .repository = repository,
                                .scope = scope_push(repository, scope),
                                .headers = {{"Content-Type", media_type_text(type)}},
                                .header_count = 1,
                                .body = bytes,
                                .body_length = length};

    int result = registry_exchange(registry, &exchange, &response, err);
    if (result == 0 && response.status / 100 != 2)
        result = registry_refusal(&response, err);
    if (result == 0)
        result = registry_check_digest(&response, &digest, "manifest", err);
    if (result < 0) {
        (void)error_wrap(err, "putting manifest %.128s", tag ? tag : digest.text);
        return registry_wrap(registry, repository, err);
    }
    if (ret_digest)
        *ret_digest = digest;
    return 0;
}
