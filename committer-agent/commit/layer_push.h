/* layer_push.h - the upload of one layer that follows its spool while it is still being captured.
 *
 *   layer_push_start()   own thread: the bytes go out as they come in
 *   layer_push_finish()  waits for the rest and closes the upload with the digest, which is known by then
 *   layer_push_free()    ends it wherever it is; what was not finished is cancelled at the registry
 *
 * The spool must be finished or failed before layer_push_finish() or layer_push_free(): they wait for the
 * thread. */
#pragma once

#include <stdatomic.h>

#include "committer-agent/image/reference.h"
#include "committer-agent/layer/spool.h"
#include "committer-agent/registry/registry.h"

struct layer_push;

struct layer_push_options {
    struct registry *registry;      /* borrowed until free; the thread's alone until it is finished */
    const struct reference *target; /* borrowed until free */
    struct spool *spool;            /* referenced */
    const char *note;               /* file that tells of it while it is open (upload_note.h); copied */
    _Atomic uint64_t *bytes_pushed; /* grows by what the registry accepted; borrowed until free */
};

int layer_push_start(const struct layer_push_options *options, struct layer_push **ret_push,
                     struct error *err);
int layer_push_finish(struct layer_push *push, const struct digest *digest, struct error *err);
void layer_push_free(struct layer_push *push);
DEFINE_FREEP(layer_push, struct layer_push, layer_push_free)
