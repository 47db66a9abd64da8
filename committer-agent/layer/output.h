/* output.h - where the tar of a captured tree goes: into a pipeline at once, or into a recipe for later.
 *
 * The tree's own side (walk, headers, links, losses) is the same for all outputs, so the bytes are too.
 * Threads: an output is called on the capturing thread only. */
#pragma once

#include "committer-agent/layer/layer.h"
#include "committer-agent/layer/pipeline.h"
#include "committer-agent/layer/sink.h"

struct layer_output {
    struct byte_sink bytes; /* headers, padding, the archive's end */

    /* Puts the content of a regular file, all entry->st.st_size bytes of it, behind what has been written. */
    int (*content)(void *arg, const struct walk_entry *entry, struct error *err);

    uint64_t (*length)(void *arg); /* bytes put out so far, content included */
    void *arg;
};

/* Writes the tree as a tar. *ret_result is filled but for the digests and sizes, which are the output's.
 * Arguments and errors else as layer_capture(). */
int layer_write_tree(const struct walk_roots *roots, const struct layer_options *options,
                     const struct layer_output *output, struct layer_progress *progress,
                     const bool *cancelled, struct layer_result *ret_result, struct error *err);

/* Ends the pipeline and tells its digests and sizes. */
int layer_finish_pipeline(struct pipeline *pipeline, struct layer_result *result, struct error *err);

/* With the defaults in place of zeroes. */
struct layer_options layer_options_resolve(const struct layer_options *options);
