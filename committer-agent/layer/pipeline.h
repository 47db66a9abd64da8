/* pipeline.h - from tar bytes to a compressed, twice hashed layer in a spool, on two threads.
 *
 *   caller's thread:  fills a buffer -> sha256 (diffID) -> hands it over
 *   worker thread:    compress -> sha256 (digest) -> spool, gives the buffer back
 *
 * Memory is PIPELINE_BUFFERS buffers of PIPELINE_BUFFER_BYTES and the compressor's own, whatever the layer's
 * size: who is ahead waits. A buffer is small enough to be hashed while it is still in the cache it was read
 * into. Threads: all functions are for the one thread that made the pipeline. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "committer-agent/layer/compress.h"
#include "committer-agent/layer/sink.h"
#include "committer-agent/layer/spool.h"
#include "shared/base/cleanup.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"

#define PIPELINE_BUFFERS      16
#define PIPELINE_BUFFER_BYTES ((size_t)256 << 10)

struct pipeline;

struct pipeline_result {
    struct digest diff_id; /* of what went in */
    struct digest digest;  /* of what came out */
    uint64_t bytes_in, bytes_out;
};

/* Appends to spool, which is borrowed and must outlive the pipeline; ending it is the caller's. bytes_written
 * (may be NULL, borrowed) grows by what is appended. ERR_INVALID: bad options.
 * ERR_EXHAUSTED: no thread, no memory for the compressor. */
int pipeline_new(const struct compress_options *options, struct spool *spool, atomic_ullong *bytes_written,
                 struct pipeline **ret_pipeline, struct error *err);

/* Stops the worker and forgets what is under way. */
void pipeline_free(struct pipeline *pipeline);
DEFINE_FREEP(pipeline, struct pipeline, pipeline_free)

/* Room for the next bytes, at least one. Waits for a free buffer. Fails with what made the worker stop. */
int pipeline_span(struct pipeline *pipeline, void **ret_at, size_t *ret_room, struct error *err);
/* Says that the first length bytes of the last span are filled. */
void pipeline_advance(struct pipeline *pipeline, size_t length);

int pipeline_write(struct pipeline *pipeline, const void *bytes, size_t length, struct error *err);
struct byte_sink pipeline_sink(struct pipeline *pipeline); /* pipeline_write as a sink */

uint64_t pipeline_bytes_in(const struct pipeline *pipeline); /* so far */

/* Drains, joins the worker and tells the result. Afterwards only pipeline_free() is allowed. */
int pipeline_finish(struct pipeline *pipeline, struct pipeline_result *ret_result, struct error *err);
