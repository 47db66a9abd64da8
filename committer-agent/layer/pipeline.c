#include "committer-agent/layer/pipeline.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

struct buffer {
    unsigned char *bytes; /* PIPELINE_BUFFER_BYTES */
    size_t length;
};

struct pipeline {
    struct buffer
        buffers[PIPELINE_BUFFERS]; /* a ring; each belongs to one thread at a time, see filled and emptied */

    struct hasher *diff_id; /* caller's thread */
    uint64_t bytes_in;
    bool joined;

    struct compressor *compressor; /* worker thread */
    struct hasher *digest;         /* NULL where nothing is compressed: the diffID is the digest */
    struct spool *spool;
    uint64_t bytes_out;
    atomic_ullong *bytes_written; /* may be NULL */

    pthread_t worker;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t change;
    uint64_t filled;  /* buffers handed over so far */
    uint64_t emptied; /* buffers given back so far; filled - emptied are the worker's */
    bool closed;      /* no more will be handed over */
    bool aborted;     /* what is under way is not wanted any more */
    bool failed;      /* the worker has left early, because of error */
    struct error error;
};

static struct buffer *buffer_number(struct pipeline *pipeline, uint64_t number)
{
    return &pipeline->buffers[number % PIPELINE_BUFFERS];
}

/* The compressor's sink, on the worker thread. */
static int put_compressed(void *arg, const void *bytes, size_t length, struct error *err)
{
    struct pipeline *pipeline = arg;

    if (spool_append(pipeline->spool, bytes, length, err) < 0)
        return -1;
    if (pipeline->digest)
        hasher_update(pipeline->digest, bytes, length);
    pipeline->bytes_out += length;
    if (pipeline->bytes_written)
        atomic_fetch_add_explicit(pipeline->bytes_written, length, memory_order_relaxed);
    return 0;
}

/* The next buffer to compress; NULL at the end or after an abort. */
static struct buffer *take_filled(struct pipeline *pipeline)
{
    struct buffer *buffer = NULL;

    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->aborted && !pipeline->closed && pipeline->filled == pipeline->emptied)
        pthread_cond_wait(&pipeline->change, &pipeline->lock);
    if (!pipeline->aborted && pipeline->filled != pipeline->emptied)
        buffer = buffer_number(pipeline, pipeline->emptied);
    pthread_mutex_unlock(&pipeline->lock);
    return buffer;
}

static void give_back(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->emptied++;
    pthread_cond_broadcast(&pipeline->change);
    pthread_mutex_unlock(&pipeline->lock);
}

static bool is_aborted(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    bool aborted = pipeline->aborted;
    pthread_mutex_unlock(&pipeline->lock);
    return aborted;
}

static int compress_all(struct pipeline *pipeline, struct error *err)
{
    const struct byte_sink sink = {.write = put_compressed, .arg = pipeline};

    for (struct buffer *buffer; (buffer = take_filled(pipeline)); give_back(pipeline))
        if (compressor_write(pipeline->compressor, buffer->bytes, buffer->length, sink, err) < 0)
            return -1;
    return is_aborted(pipeline) ? 0 : compressor_finish(pipeline->compressor, sink, err);
}

static void *run_worker(void *arg)
{
    struct pipeline *pipeline = arg;
    struct error err = {0};

    if (compress_all(pipeline, &err) < 0) {
        pthread_mutex_lock(&pipeline->lock);
        pipeline->failed = true;
        pipeline->error = err;
        pthread_cond_broadcast(&pipeline->change);
        pthread_mutex_unlock(&pipeline->lock);
    }
    return NULL;
}

static struct pipeline *pipeline_allocate(struct spool *spool, atomic_ullong *bytes_written)
{
    struct pipeline *pipeline = xcalloc(1, sizeof(*pipeline));

    for (size_t i = 0; i < PIPELINE_BUFFERS; i++)
        pipeline->buffers[i].bytes = xcalloc(1, PIPELINE_BUFFER_BYTES);
    pipeline->spool = spool;
    pipeline->bytes_written = bytes_written;
    pipeline->diff_id = hasher_new();
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_cond_init(&pipeline->change, NULL);
    pipeline->joined = true; /* there is no worker yet */
    return pipeline;
}

int pipeline_new(const struct compress_options *options, struct spool *spool, atomic_ullong *bytes_written,
                 struct pipeline **ret_pipeline, struct error *err)
{
    SCOPED(pipeline)
    struct pipeline *pipeline = pipeline_allocate(spool, bytes_written);

    if (compressor_new(options, &pipeline->compressor, err) < 0)
        return -1;
    if (options->compression != LAYER_NONE)
        pipeline->digest = hasher_new();
    int code = pthread_create(&pipeline->worker, NULL, run_worker, pipeline);
    if (code != 0) {
        (void)error_sys(err, code, "starting the compression thread");
        err->code = ERR_EXHAUSTED; /* EAGAIN here speaks of a limit on threads */
        return -1;
    }
    pipeline->joined = false;
    *ret_pipeline = TAKE(pipeline);
    return 0;
}

static void join_worker(struct pipeline *pipeline, bool abort_first)
{
    if (pipeline->joined)
        return;
    pthread_mutex_lock(&pipeline->lock);
    pipeline->closed = true;
    pipeline->aborted = abort_first;
    pthread_cond_broadcast(&pipeline->change);
    pthread_mutex_unlock(&pipeline->lock);
    pthread_join(pipeline->worker, NULL);
    pipeline->joined = true;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    join_worker(pipeline, true);
    compressor_free(pipeline->compressor);
    hasher_free(pipeline->diff_id);
    hasher_free(pipeline->digest);
    for (size_t i = 0; i < PIPELINE_BUFFERS; i++)
        free(pipeline->buffers[i].bytes);
    pthread_cond_destroy(&pipeline->change);
    pthread_mutex_destroy(&pipeline->lock);
    free(pipeline);
}

/* Only this thread moves filled, so the buffer of that number is ours once the worker is not a whole ring
 * behind. */
static int wait_for_room(struct pipeline *pipeline, struct error *err)
{
    int answer = 0;

    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->failed && pipeline->filled - pipeline->emptied == PIPELINE_BUFFERS)
        pthread_cond_wait(&pipeline->change, &pipeline->lock);
    if (pipeline->failed) {
        *err = pipeline->error;
        answer = -1;
    }
    pthread_mutex_unlock(&pipeline->lock);
    return answer;
}

static struct buffer *current_buffer(struct pipeline *pipeline)
{
    return buffer_number(pipeline, pipeline->filled);
}

static int hand_over(struct pipeline *pipeline, struct error *err)
{
    struct buffer *buffer = current_buffer(pipeline);

    /* Hash before compressing: the diffID must not depend on the encoding. */
    hasher_update(pipeline->diff_id, buffer->bytes, buffer->length);
    pthread_mutex_lock(&pipeline->lock);
    pipeline->filled++;
    pthread_cond_broadcast(&pipeline->change);
    pthread_mutex_unlock(&pipeline->lock);
    if (wait_for_room(pipeline, err) < 0)
        return -1;
    current_buffer(pipeline)->length = 0;
    return 0;
}

int pipeline_span(struct pipeline *pipeline, void **ret_at, size_t *ret_room, struct error *err)
{
    struct buffer *buffer = current_buffer(pipeline);

    if (buffer->length == PIPELINE_BUFFER_BYTES) {
        if (hand_over(pipeline, err) < 0)
            return -1;
        buffer = current_buffer(pipeline);
    }
    *ret_at = buffer->bytes + buffer->length;
    *ret_room = PIPELINE_BUFFER_BYTES - buffer->length;
    return 0;
}

void pipeline_advance(struct pipeline *pipeline, size_t length)
{
    struct buffer *buffer = current_buffer(pipeline);

    assert(length <= PIPELINE_BUFFER_BYTES - buffer->length);
    buffer->length += length;
    pipeline->bytes_in += length;
}

int pipeline_write(struct pipeline *pipeline, const void *bytes, size_t length, struct error *err)
{
    for (const char *at = bytes; length > 0;) {
        void *to;
        size_t room;
        if (pipeline_span(pipeline, &to, &room, err) < 0)
            return -1;
        if (room > length)
            room = length;
        memcpy(to, at, room);
        pipeline_advance(pipeline, room);
        at += room;
        length -= room;
    }
    return 0;
}

static int write_to_pipeline(void *arg, const void *bytes, size_t length, struct error *err)
{
    return pipeline_write(arg, bytes, length, err);
}

struct byte_sink pipeline_sink(struct pipeline *pipeline)
{
    return (struct byte_sink){.write = write_to_pipeline, .arg = pipeline};
}

uint64_t pipeline_bytes_in(const struct pipeline *pipeline)
{
    return pipeline->bytes_in;
}

int pipeline_finish(struct pipeline *pipeline, struct pipeline_result *ret_result, struct error *err)
{
    if (current_buffer(pipeline)->length > 0 && hand_over(pipeline, err) < 0)
        return -1;
    join_worker(pipeline, false);
    if (pipeline->failed) {
        *err = pipeline->error;
        return -1;
    }
    struct digest diff_id = hasher_finish(TAKE(pipeline->diff_id));
    *ret_result = (struct pipeline_result){
        .diff_id = diff_id,
        .digest = pipeline->digest ? hasher_finish(TAKE(pipeline->digest)) : diff_id,
        .bytes_in = pipeline->bytes_in,
        .bytes_out = pipeline->bytes_out,
    };
    return 0;
}
