/* containerd/images.h - image records: a name and the descriptor it points to. */
#pragma once

#include "committer-agent/containerd/containerd.h"
#include "shared/base/digest.h"

struct image_record {
    char *name;
    char *media_type; /* of a manifest or an index */
    struct digest digest;
    uint64_t size_bytes;
};

/* ERR_NOT_FOUND, ImageNotFound; ERR_CORRUPT: the record has no usable digest. */
int image_get(struct containerd *containerd, const char *name, struct image_record *ret_image,
              struct error *err);

/* Creates the record, or makes it what is given here. The record keeps its content from the garbage collector, as far as
 * the labels of the blobs lead. labels may be NULL. */
int image_put(struct containerd *containerd, const struct image_record *image,
              const struct resource_labels *labels, struct error *err);
/* The names that point to this manifest or index, in no order. *ret_names is the caller's: image_names_done(). */
struct image_names {
    char **items;
    size_t count;
};
int image_names_of(struct containerd *containerd, const struct digest *target, struct image_names *ret_names,
                   struct error *err);
void image_names_done(struct image_names *names);
#define SCOPED_IMAGE_NAMES __attribute__((cleanup(image_names_done)))

int image_remove(struct containerd *containerd, const char *name,
                 struct error *err); /* a missing one is fine */

void image_record_done(struct image_record *image);
#define SCOPED_IMAGE_RECORD __attribute__((cleanup(image_record_done)))
