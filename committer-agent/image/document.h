/* image/document.h - private to image/: what manifests and indexes share. */
#pragma once

#include "committer-agent/image/manifest.h"

struct descriptor_doc {
    char *media_type;
    struct digest digest;
    uint64_t size_bytes;
};
extern const struct json_field descriptor_doc_fields[];

/* json_parse with a bound. */
int document_parse(const char *bytes, size_t length, size_t max_bytes, const char *what, json_t **ret_doc,
                   struct error *err);
int document_version(int32_t schema_version, const char *what, struct error *err);
