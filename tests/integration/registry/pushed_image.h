/* pushed_image.h - an image of every kind of blob that a commit pushes, and what became of it. Nothing here ends the test:
 * many may be pushed at once, on threads of their own. */
#pragma once

#include "committer-agent/registry/registry.h"

#define PUSHED_TAG  "snap"
#define PUSHED_BASE "seed/base" /* where the base layer is mounted from; put there by pushed_image_seed() */

enum {
    PUSHED_BASE_BYTES = 5000,
    PUSHED_LAYER_BYTES = 200 * 1000, /* in chunks of PUSHED_CHUNK_BYTES */
    PUSHED_TINY_BYTES = 3000,
    PUSHED_CHUNK_BYTES = 64 << 10,
};

struct pushed_image { /* of one repository: other repositories get other bytes */
    char repository[64];
    char *base, *layer, *tiny, *config;
    struct manifest manifest;
    struct strbuf manifest_bytes;
    struct descriptor manifest_self;
};

void pushed_image_make(struct pushed_image *image, const char *repository);
void pushed_image_done(struct pushed_image *image);
#define SCOPED_PUSHED_IMAGE __attribute__((cleanup(pushed_image_done)))

int pushed_image_seed(struct registry *registry, struct error *err);

/* As a commit does: preflight, base layer (looked for, mounted, else sent), a layer that follows its spool, a tiny one,
 * config, manifest. */
int pushed_image_push(const struct pushed_image *image, struct registry *registry, struct error *err);

/* Reads it back. 1: tag, manifest and every blob are these bytes; 0: there is no such tag; -1: the tag is there, and
 * something is not what it should be. */
int pushed_image_check(const struct pushed_image *image, struct registry *registry, struct error *err);
