/* request.h - what a commit is asked to do, and what comes of it. Plain values, deep copies. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "committer-agent/layer/compress.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"

enum { COMMIT_CONTAINERS_MAX = 32, COMMIT_KEY_MAX = 128 };

struct commit_container {
    char *name;  /* in the pod */
    char *image; /* where to push, with a tag */
};

struct commit_request {
    char *key;                         /* [A-Za-z0-9._-]{1,128}: the same key is the same commit */
    char *pod_uid, *pod_ns, *pod_name; /* the uid decides when it is not "" */
    struct commit_container *containers;
    size_t count;
    bool hold;          /* stay frozen until released (pause); else thaw after the capture (live snapshot) */
    bool early_release; /* with hold: the caller releases when it is told so, before the image is pushed */
    bool insecure;
    char *docker_config; /* .dockerconfigjson; NULL: anonymous. Wiped when freed. */
    size_t docker_config_length;
    enum layer_compression compression;
    int64_t timeout_ms;      /* > 0 */
    int64_t hold_timeout_ms; /* > 0 */
};

int commit_key_check(const char *key, struct error *err);
/* ERR_INVALID: key, names, images or counts break the rules of committer.proto; the text says which. */
int commit_request_check(const struct commit_request *request, struct error *err);
/* Would both mean the same commit? Credentials and timeouts may differ: a retry may bring better ones. The
 * pod may be named by uid in one and by name in the other (a commit read back from the journal knows all
 * three). */
bool commit_request_same(const struct commit_request *a, const struct commit_request *b);
struct commit_request *commit_request_copy(const struct commit_request *request);
/* Wipes docker_config: nobody needs it any more. */
void commit_request_forget_credentials(struct commit_request *request);
void commit_request_free(struct commit_request *request);
DEFINE_FREEP(commit_request, struct commit_request, commit_request_free)

/* What an OCI layer cannot carry. */
struct commit_skipped {
    char *kind;
    uint64_t count;
    char *example;
};

struct commit_result {
    char *container, *image;
    char *digest; /* of the manifest */
    char *layer_digest, *diff_id, *chain_id;
    uint64_t layer_size, image_size, files;
    uint32_t layers;
    struct commit_skipped *skipped;
    size_t skipped_count;
};
void commit_results_free(struct commit_result *results, size_t count);
