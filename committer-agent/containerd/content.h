/* containerd/content.h - blobs of the content store, by digest. */
#pragma once

#include "committer-agent/containerd/containerd.h"
#include "shared/base/digest.h"
#include "shared/base/strbuf.h"

struct content_label {
    char *key, *value;
};

struct content_record {
    uint64_t size_bytes;
    struct content_label *labels;
    size_t label_count;
};

/* ERR_NOT_FOUND, BlobMissing: not on this node (CRI may discard layers that it has unpacked). */
int content_stat(struct containerd *containerd, const struct digest *digest,
                 struct content_record *ret_record, struct error *err);
const char *content_label_get(const struct content_record *record, const char *key); /* NULL: absent */
/* The repositories of `host` that the blob was pulled from ("team/app,team/base"), for a cross-repository
 * mount; NULL: none. Label containerd.io/distribution.source.<host without its port>: registries that differ by port
 * alone share it, so a mount may find nothing there. */
const char *content_sources(const struct content_record *record, const char *host);
void content_record_done(struct content_record *record);
#define SCOPED_CONTENT_RECORD __attribute__((cleanup(content_record_done)))

/* A whole small blob: a manifest, a config. ERR_NOT_FOUND, BlobMissing; ERR_EXHAUSTED: over limit_bytes;
 * ERR_CORRUPT: other bytes than the digest's. */
int content_read(struct containerd *containerd, const struct digest *digest, size_t limit_bytes,
                 struct strbuf *ret_bytes, struct error *err);

/* Writes a whole small blob (at most CONTENT_WRITE_MAX_BYTES), which `lease` keeps. One that is there already gets these
 * labels, too, and its lease. ERR_CORRUPT: other bytes than the digest's. */
int content_write(struct containerd *containerd, const struct digest *digest, const void *bytes,
                  size_t length, const struct resource_labels *labels, const char *lease, struct error *err);
#define CONTENT_WRITE_MAX_BYTES ((size_t)8 << 20)

/* Ends an ingest that somebody began under that ref and did not finish; a missing one is fine. */
int content_abort(struct containerd *containerd, const char *ref, struct error *err);

/* A large blob, read where the reader likes; in order it is one stream, a jump opens another. Digests are not
 * checked: who receives the bytes does (a registry upload is closed with the digest).
 * Threads: one reader at a time. */
struct content_blob;
int content_open(struct containerd *containerd, const struct digest *digest, struct content_blob **ret_blob,
                 struct error *err);
uint64_t content_blob_size(const struct content_blob *blob);
/* Up to room bytes from offset: how many, 0 at the end, -1 with err. */
long content_blob_read(struct content_blob *blob, uint64_t offset, char *into, size_t room,
                       struct error *err);
void content_blob_free(struct content_blob *blob);
DEFINE_FREEP(content_blob, struct content_blob, content_blob_free)
