#include "committer-agent/commit/layer_push.h"

#include <pthread.h>

#include "committer-agent/commit/upload_note.h"
#include "committer-agent/registry/upload.h"
#include "shared/base/alloc.h"

struct layer_push {
    const struct reference *target;
    struct spool *spool;
    char *note;
    _Atomic uint64_t *bytes_pushed;

    /* The thread's, until it is joined. */
    struct registry *registry;
    struct spool_reader *reader;
    struct blob_source source; /* the upload reads again what the registry lost */
    struct upload *upload;
    uint64_t accepted;
    int result;
    struct error error;

    pthread_t thread;
    bool running;
};

static int64_t spooled_ready(void *self, uint64_t offset, uint64_t want, struct error *err)
{
    struct layer_push *push = self;
    uint64_t available;

    spool_reader_seek(push->reader, offset);
    if (spool_reader_wait(push->reader, want, &available, err) < 0)
        return -1;
    return (int64_t)(available < want ? available : want);
}

static long spooled_read(void *self, uint64_t offset, char *into, size_t room, struct error *err)
{
    struct layer_push *push = self;
    size_t length;

    spool_reader_seek(push->reader, offset);
    if (spool_reader_read(push->reader, into, room, &length, err) < 0)
        return -1;
    return (long)length;
}

/* The registry may forget bytes and be sent them again: progress never goes back. */
static void count_accepted(void *self, uint64_t bytes)
{
    struct layer_push *push = self;

    if (bytes > push->accepted) {
        atomic_fetch_add(push->bytes_pushed, bytes - push->accepted);
        push->accepted = bytes;
    }
}

static void *follow_spool(void *arg)
{
    struct layer_push *push = arg;
    const struct upload_options options = {.accepted = count_accepted, .self = push};

    push->source = (struct blob_source){.ready = spooled_ready, .read = spooled_read, .self = push};
    upload_note_settle(push->note, push->registry, push->target->repository);
    push->result =
        upload_begin(push->registry, push->target->repository, &options, &push->upload, &push->error);
    if (push->result < 0)
        return NULL;
    upload_note_write(push->note, upload_location(push->upload));
    push->result = upload_stream(push->upload, &push->source, &push->error);
    return NULL;
}

int layer_push_start(const struct layer_push_options *options, struct layer_push **ret_push,
                     struct error *err)
{
    SCOPED(layer_push)
    struct layer_push *push = xcalloc(1, sizeof(*push));

    push->target = options->target;
    push->note = xstrdup(options->note);
    push->bytes_pushed = options->bytes_pushed;
    push->spool = spool_ref(options->spool);
    push->reader = spool_reader_new(options->spool, 0);
    push->registry = options->registry;
    int failed = pthread_create(&push->thread, NULL, follow_spool, push);
    if (failed)
        return error_sys(err, failed, "starting the upload of a layer");
    push->running = true;
    *ret_push = TAKE(push);
    return 0;
}

static void join(struct layer_push *push)
{
    if (push->running)
        (void)pthread_join(push->thread, NULL); /* fails only for a thread that is none */
    push->running = false;
}

int layer_push_finish(struct layer_push *push, const struct digest *digest, struct error *err)
{
    join(push);
    if (push->result < 0) {
        *err = push->error;
        return -1;
    }
    if (upload_commit(push->upload, digest, err) < 0)
        return -1;
    upload_note_remove(push->note);
    return 0;
}

void layer_push_free(struct layer_push *push)
{
    if (!push)
        return;
    if (push->running)
        spool_reader_cancel(push->reader);
    join(push);
    if (push->upload)
        upload_note_remove(push->note); /* it is cancelled, unless it is finished */
    upload_free(push->upload);
    spool_reader_free(push->reader);
    spool_unref(push->spool);
    free(push->note);
    free(push);
}
