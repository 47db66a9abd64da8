/* publication.h - from the writable layers of a commit's containers to images in the registry.
 *
 *   publication_prepare()    the registry is reached with our credentials, the base is there     the containers run
 *   publication_capture()    layer -> tar -> compressed -> spool; the upload follows             frozen, or handed over
 *   publication_push()       the rest of the uploads, config, manifest
 *
 * A live snapshot, whose freeze must be short, in place of the second:
 *   publication_precopy()    most of the files are read already                                  the containers run
 *   publication_record()     what has changed since                                              frozen
 *   publication_assemble()   -> tar -> compressed -> spool; the upload follows                   the containers run
 *
 * Each once, in this order, on one thread at a time. What was not finished is cancelled at the registry by
 * publication_free(). */
#pragma once

#include "committer-agent/commit/environment.h"
#include "committer-agent/commit/progress.h"
#include "committer-agent/commit/request.h"
#include "committer-agent/commit/source.h"
#include "committer-agent/layer/layer.h"

struct publication_options { /* all borrowed until free */
    const struct commit_environment *env;
    const struct commit_request *request;
    const struct commit_pod *pod;
    int64_t created_unix_ms; /* of the images */
    struct commit_progress *progress;
    struct layer_progress *layers;
    const bool *cancelled;
};

struct publication;

struct publication *publication_new(const struct publication_options *options);
void publication_free(struct publication *publication);
DEFINE_FREEP(publication, struct publication, publication_free)

int publication_prepare(struct publication *publication, struct error *err);
int publication_capture(struct publication *publication, struct error *err);
int publication_precopy(struct publication *publication, struct error *err);
int publication_record(struct publication *publication, struct error *err);
int publication_assemble(struct publication *publication, struct error *err);
/* *ret_results (one for each container of the request) is the caller's: commit_results_free(). */
int publication_push(struct publication *publication, struct commit_result **ret_results, struct error *err);

/* In place of publication_prepare() and publication_push(), for a registry that cannot be had: the captured layers' images
 * are made known to this node's containerd alone (local_image.h). */
int publication_keep(struct publication *publication, struct commit_result **ret_results, struct error *err);

int commit_check_cancelled(const bool *cancelled, struct error *err);
