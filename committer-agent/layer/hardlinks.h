/* hardlinks.h - which path of a layer an inode was first seen under.
 *
 * Only inodes with several links are remembered: as (device, inode), folder and name, the folder's text
 * shared by neighbours. Memory is bounded; beyond it the layer is refused, because dropping a link would
 * alter the tree. Threads: none of its own. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/base/strbuf.h"

#define HARDLINKS_MAX_BYTES ((size_t)256 << 20)

struct hardlinks;

struct hardlinks *hardlinks_new(size_t max_bytes);
void hardlinks_free(struct hardlinks *hardlinks);
DEFINE_FREEP(hardlinks, struct hardlinks, hardlinks_free)

/* 1: seen before, and ret_first holds the path of that time. 0: new, and remembered under path from now on.
 * ERR_EXHAUSTED "TooManyHardLinks": max_bytes are used up. */
int hardlinks_meet(struct hardlinks *hardlinks, dev_t dev, ino_t ino, const char *path,
                   struct strbuf *ret_first, struct error *err);
