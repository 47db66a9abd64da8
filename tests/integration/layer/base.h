/* base.h - a container's file systems, as containerd mounts them: a random base, an upper layer on it, the merged view. */
#pragma once

#include <stdint.h>

struct container {
    char folder[64]; /* holds lower, upper, work, merged and what a test adds */
};

/* Ends the program with 77 (skipped) where there is no root or no overlayfs. Mounts stay in a namespace of ours. */
void overlay_require(void);

/* A base made by a random history, mounted with the overlay options given ("" for containerd's). */
void container_start(struct container *container, uint64_t seed, const char *options);
void container_stop(struct container *container);

/* "<folder>/<name>"; the caller frees. */
char *container_path(const struct container *container, const char *name);

/* How much to do, from the environment or the default. */
unsigned rounds_wanted(unsigned otherwise); /* STASIS_LAYER_ROUNDS */
uint64_t first_seed(void);                  /* STASIS_LAYER_SEED, else 1 */
