/* registry/upload.h - one resumable blob upload; the blob may still be growing while it is sent.
 *
 *   upload_begin -> upload_stream (follows the source to its end) -> upload_commit (now the digest is known)
 * -> upload_free
 *
 * Chunks are PATCH requests of known length; a tiny blob needs none, it goes with the PUT. After a broken connection, a 416 or a 5xx the registry is asked
 * which offset it kept, and sending goes on there; an upload that the registry forgot is begun again from
 * offset 0. So a source must be able to give any offset again until upload_free. Spec: OCI distribution-spec
 * "Pushing blobs" (end-4a, -4b, -5, -6, -13). An upload that is given up or begun anew is
 * cancelled at the registry. Threads: that of its registry. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "committer-agent/registry/registry.h"

#define UPLOAD_CHUNK_BYTES     (16u << 20) /* one PATCH, unless the registry asks for more */
#define UPLOAD_WHOLE_MAX_BYTES (1u << 20)  /* a blob that ends within it goes along with the PUT */
#define UPLOAD_POST_MAX_BYTES  (64u << 10) /* what a POST carries on the chance that it is taken */
#define UPLOAD_MAX_CHUNK_BYTES (1u << 30)  /* an OCI-Chunk-Min-Length above it is refused */

struct upload;

/* Where the bytes come from. */
struct blob_source {
    /* Blocks until `want` bytes from offset on are there, or the end of the blob is known. Answers how many
     * of them there are: less than `want` only at the end, 0: the blob ends at offset. -1 with err ends the
     * upload (the writer failed, cancelled). */
    int64_t (*ready)(void *self, uint64_t offset, uint64_t want, struct error *err);
    /* Up to room bytes from offset; only asked for bytes that are ready. Answers how many, at least 1; -1
     * with err. */
    long (*read)(void *self, uint64_t offset, char *into, size_t room, struct error *err);
    void *self;
};

struct upload_options {
    uint32_t chunk_bytes;                         /* 0: UPLOAD_CHUNK_BYTES */
    void (*accepted)(void *self, uint64_t bytes); /* or NULL: the registry has so many bytes by now */
    void *self;
};

/* Opens an upload (POST). *ret_up is the caller's; options are copied, NULL: the defaults. */
int upload_begin(struct registry *registry, const char *repository, const struct upload_options *options,
                 struct upload **ret_up, struct error *err);

/* Sends the source from its start to its end. The source is borrowed until upload_free. */
int upload_stream(struct upload *up, const struct blob_source *source, struct error *err);

/* Closes the upload (PUT). digest is that of the bytes sent, not the diffID.
 * ERR_CORRUPT, BlobDigestMismatch: the registry counted other bytes. */
int upload_commit(struct upload *up, const struct digest *digest, struct error *err);

uint64_t upload_size_bytes(const struct upload *up); /* what the registry has accepted */

/* For the journal: what registry_cancel_upload takes after a crash. Borrowed until the next call. */
const char *upload_location(const struct upload *up);

/* Frees. What was not committed is cancelled (DELETE), best effort. */
void upload_free(struct upload *up);
DEFINE_FREEP(upload, struct upload, upload_free)

/* A blob in memory (an image config): one POST where the registry takes that, else POST and one PUT. */
int upload_bytes(struct registry *registry, const char *repository, const char *bytes, size_t length,
                 const struct digest *digest, struct error *err);
