/* registry/registry.h - one OCI registry as a client sees it: blobs and manifests by digest.
 *
 * https only, unless `insecure`: then a certificate need not be trusted, and where nobody speaks TLS plain
 * HTTP is tried. Each call retries by itself (broken connections, 408, 429, 5xx with Retry-After; jittered,
 * within a budget, see retry.h): callers do not. Errors carry a reason: RegistryUnreachable,
 * RegistryUnauthorized, RegistryDenied, BlobDigestMismatch or RegistryError, and name registry, repository
 * and what to do about it. ERR_CANCELLED soon after *cancelled became true. Spec: OCI distribution-spec 1.1.
 * Threads: one registry belongs to one thread; open another for another. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "committer-agent/image/manifest.h"
#include "shared/base/cleanup.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/strbuf.h"

struct registry;

struct registry_options {
    const char *host; /* as a reference has it: "registry:5000", "docker.io" */
    bool insecure;
    const char *ca_file;          /* PEM with more CAs to trust, or NULL */
    const char *dockerconfigjson; /* copied and wiped at the end; NULL: anonymous */
    size_t dockerconfigjson_length;
    const char *user_agent;
    const bool *cancelled; /* or NULL; read atomically, also while waiting between tries */
};

/* Talks to nobody yet. ERR_INVALID: the host is none, or the docker config cannot be read. */
int registry_open(const struct registry_options *options, struct registry **ret_registry, struct error *err);
void registry_free(struct registry *registry);
DEFINE_FREEP(registry, struct registry, registry_free)

/* Preflight: the registry answers, takes our credentials and lets us push here (an upload is begun and
 * cancelled). */
int registry_check(struct registry *registry, const char *repository, struct error *err);

/* 1 it is there (*ret_size_bytes, unless NULL), 0 it is not, -1. */
int registry_has_blob(struct registry *registry, const char *repository, const struct digest *digest,
                      uint64_t *ret_size_bytes, struct error *err);

/* 1 the blob is in `repository` now, 0 the registry would not (not there, not allowed, not supported): push
 * it. */
int registry_mount_blob(struct registry *registry, const char *repository, const char *from_repository,
                        const struct digest *digest, struct error *err);

/* Receives a blob in order; -1 with err ends the call. */
struct blob_sink {
    int (*write)(void *self, const char *bytes, size_t length, struct error *err);
    void *self;
};

/* Streams a blob into the sink, each byte once: a broken connection goes on where it broke. What the sink got
 * is only to be believed when the call succeeds. ERR_NOT_FOUND; ERR_CORRUPT: other bytes than the
 * descriptor's. */
int registry_get_blob(struct registry *registry, const char *repository, const struct descriptor *blob,
                      const struct blob_sink *sink, struct error *err);

/* `target` is a tag or a digest's text. 1 found, 0 not there. */
int registry_head_manifest(struct registry *registry, const char *repository, const char *target,
                           struct descriptor *ret_manifest, struct error *err);

/* Manifest or index; *ret_self describes the bytes. ERR_NOT_FOUND; ERR_CORRUPT: not the bytes of the digest
 * asked for. */
int registry_get_manifest(struct registry *registry, const char *repository, const char *target,
                          struct strbuf *ret_bytes, struct descriptor *ret_self, struct error *err);

/* Puts the manifest under a tag, or under its own digest when tag is NULL. *ret_digest (or NULL) is that of
 * the bytes. ERR_CORRUPT: the registry counted another digest. */
int registry_put_manifest(struct registry *registry, const char *repository, const char *tag,
                          enum media_type type, const char *bytes, size_t length, struct digest *ret_digest,
                          struct error *err);

/* Ends an upload that a crashed process left open (upload_location). A registry that forgot it, or cannot do
 * it, is fine. */
int registry_cancel_upload(struct registry *registry, const char *repository, const char *location,
                           struct error *err);
