/* compress.h - the encodings a layer can have, and a streaming compressor for each.
 *
 *   compressor_write() ...    the sink gets compressed bytes, whenever some are ready
 *   compressor_finish()       the rest; the stream is whole
 *
 * The same bytes with the same options give the same output, whatever the sizes of the writes (and, from one
 * up, whatever the number of threads). Memory is fixed by level and threads, not by the stream's length.
 * Spec: OCI image-spec, "Layer media types"; RFC 8878 (zstd), RFC 1952 (gzip).
 * Threads: a compressor belongs to one thread; zstd's own workers are inside. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "committer-agent/layer/sink.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"

enum layer_compression { LAYER_ZSTD, LAYER_GZIP, LAYER_NONE, LAYER_COMPRESSION_MAX };

/* "zstd", "gzip", "none". */
const char *layer_compression_name(enum layer_compression compression);

/* "application/vnd.oci.image.layer.v1.tar+zstd" and its like. */
const char *layer_media_type(enum layer_compression compression);

/* ERR_INVALID names what was found and what is wanted. */
int layer_compression_parse(const char *name, enum layer_compression *ret_compression, struct error *err);

struct compress_options {
    enum layer_compression compression;
    int level;        /* 0: the fast default of that encoding; zstd 1 to 19, gzip 1 to 9, none takes any */
    unsigned threads; /* zstd's workers; 0: compress in the calling thread */
};

struct compressor;

/* ERR_INVALID: a level or a number of threads out of range. */
int compressor_new(const struct compress_options *options, struct compressor **ret_compressor,
                   struct error *err);
void compressor_free(struct compressor *compressor);
DEFINE_FREEP(compressor, struct compressor, compressor_free)

int compressor_write(struct compressor *compressor, const void *bytes, size_t length, struct byte_sink sink,
                     struct error *err);
int compressor_finish(struct compressor *compressor, struct byte_sink sink, struct error *err);
