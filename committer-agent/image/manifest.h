/* image/manifest.h - image manifests and indexes: OCI and docker schema 2 in, OCI out.
 *
 *   {"schemaVersion":2, "mediaType":..., "config":{descriptor}, "layers":[{descriptor}...],
 * "annotations":{...}}
 *
 * Spec: OCI image-spec "Image Manifest", "Image Index". Threads: plain values, no sharing. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "committer-agent/image/media_type.h"
#include "committer-agent/image/platform.h"
#include "shared/base/cleanup.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"

#define MANIFEST_MAX_BYTES  (4u << 20) /* what registries must take at least, and many take at most */
#define MANIFEST_MAX_LAYERS 500
#define INDEX_MAX_ENTRIES   1000

struct descriptor {
    enum media_type media_type;
    struct digest digest; /* of the blob as stored */
    uint64_t size_bytes;
};

struct manifest {
    struct descriptor config;
    struct descriptor *layers; /* base first */
    size_t layer_count;
    struct json_map annotations;
};

struct index_entry {
    struct descriptor manifest;
    struct platform platform; /* empty strings when the entry has none (attestations, artefacts) */
};
struct index {
    struct index_entry *entries;
    size_t count;
};

/* Which of the two is it? From mediaType when it is there, else from the members; a document that is both is
 * refused (CVE-2021-41190). ERR_INVALID: neither, or schema 1. */
int manifest_media_type(const char *bytes, size_t length, enum media_type *ret_type, struct error *err);

/* ERR_INVALID: "<what>: layers[2].mediaType: ..."; ERR_EXHAUSTED: beyond the limits above. */
int manifest_parse(const char *bytes, size_t length, const char *what, struct manifest *ret_manifest,
                   struct error *err);
void manifest_done(struct manifest *manifest);
#define SCOPED_MANIFEST __attribute__((cleanup(manifest_done)))

/* Appends on top. ERR_EXHAUSTED: the image has MANIFEST_MAX_LAYERS layers already. */
int manifest_add_layer(struct manifest *manifest, const struct descriptor *layer, struct error *err);

/* The OCI bytes: members in a fixed order and docker media types translated, so equal manifests give equal
 * bytes. *ret_self describes them. ERR_EXHAUSTED: larger than MANIFEST_MAX_BYTES. */
int manifest_format(const struct manifest *manifest, struct strbuf *ret_bytes, struct descriptor *ret_self,
                    struct error *err);

/* Entries that are no image manifests (unknown media types) are left out: an index may hold anything. */
int index_parse(const char *bytes, size_t length, const char *what, struct index *ret_index,
                struct error *err);
void index_done(struct index *index);
#define SCOPED_INDEX __attribute__((cleanup(index_done)))

/* The entry that fits best; the first of equals. ERR_NOT_FOUND names what was wanted and what there is. */
int index_select(const struct index *index, const struct platform *want, struct descriptor *ret_manifest,
                 struct error *err);
