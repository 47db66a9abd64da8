/* space.h - the disk that commits share: none begins that could not end, and the node keeps some air.
 *
 *   space_reserve()   before the freeze: free now - what running commits have still to write - min_free >= bytes?
 *   space_release()   the bytes are written (then the disk itself counts them), or will not be
 *
 * What a commit has written already is no longer free, so it must not be counted twice: a claim shrinks by what its
 * `written` says. Threads: any. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct space;
struct space_claim;

/* dir is copied; it need not exist yet. */
struct space *space_new(const char *dir, uint64_t min_free_bytes);
void space_free(struct space *space); /* every claim is released */
DEFINE_FREEP(space, struct space, space_free)

/* `written` (or NULL) grows as these bytes reach the disk; borrowed until the release. It may begin at any value and
 * exceed the claim.
 * ERR_EXHAUSTED, DiskFull: not enough bytes, or no inodes; says which and how much. Other errors: the folder cannot
 * be looked at. */
int space_reserve(struct space *space, uint64_t bytes, const atomic_ullong *written,
                  struct space_claim **ret_claim, struct error *err);
void space_release(struct space_claim *claim); /* NULL is fine */
DEFINE_FREEP(space_claim, struct space_claim, space_release)

/* What all claims have still to write. */
uint64_t space_promised_bytes(struct space *space);
