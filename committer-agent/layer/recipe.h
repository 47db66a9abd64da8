/* recipe.h - a tar that is not there yet: its headers, and where the contents of its files lie in another file.
 *
 * Written while the container is frozen, which is cheap, and played into a pipeline when it runs again. The play gives
 * the bytes that writing into the pipeline at once would have given. Both parts are temporary files.
 *
 *   recipe_new(), recipe_sink() for headers, recipe_refer() for contents, recipe_seal(), recipe_play()
 *
 * Threads: none of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "committer-agent/layer/pipeline.h"
#include "committer-agent/layer/sink.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct recipe;

/* Its files are in dir. ERR_EXHAUSTED "DiskFull", as all that write. */
int recipe_new(const char *dir, struct recipe **ret_recipe, struct error *err);
void recipe_free(struct recipe *recipe);
DEFINE_FREEP(recipe, struct recipe, recipe_free)

struct byte_sink recipe_sink(struct recipe *recipe); /* bytes to be played as they are; borrows recipe */

/* Here come length bytes of the content file, from offset on. */
int recipe_refer(struct recipe *recipe, uint64_t offset, uint64_t length, struct error *err);

uint64_t recipe_length(const struct recipe *recipe); /* of the tar so far */

/* No more will come. */
int recipe_seal(struct recipe *recipe, struct error *err);

/* Once. content_fd is the content file, borrowed; holes in it are not read. cancelled may be NULL.
 * ERR_CANCELLED, ERR_PRECONDITION: the content file is too short; else the pipeline's errors. */
int recipe_play(struct recipe *recipe, int content_fd, struct pipeline *pipeline, const bool *cancelled,
                struct error *err);
