/* precopy.h - a layer of a container that is frozen only for what changed while it was read.
 *
 *   precopy_copy()       it runs: look at all files, write them back (syncfs), read them into a raw file
 *   precopy_freeze()     it is frozen: walk again, note the tar as a recipe, read what changed since the first look
 *   precopy_assemble()   it runs again: play the recipe into the ordinary pipeline
 *
 * Law: the layer is that of layer_capture() on the tree as it was when frozen, byte for byte.
 *
 * Why a file that looks the same is the same. Every change moves ctime, and nothing in a container can set ctime. Two
 * writes only seem not to:
 *   - into a page that is mapped and dirty already. Write-back makes the page read-only again, so the next write to it
 *     is noticed. Hence the order: look, write back, read. What came before the write-back is in what was read, what
 *     comes later moves ctime beyond the look's.
 *   - within the same tick of the file system's clock as the look. Hence files whose ctime is younger than
 *     PRECOPY_SETTLED_MS at the look are read when frozen. (Multigrain timestamps, Linux 6.13, would spare that, but
 *     whether a file system has them cannot be asked.)
 * A write(2) under way moves ctime at its begin only; it holds the inode's lock, which is waited for before reading.
 * File systems that are not known to do all this (ext4, XFS, btrfs, f2fs do) are read when frozen altogether. Not
 * covered: asynchronous O_DIRECT writes that are under way during the copy, swap files.
 *
 * Memory is fixed; the raw file, index and recipe are temporary files without a name (tempfile.h). The raw file takes
 * as much disk as the tree's data, and what is read again comes on top.
 * Threads: a precopy belongs to one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "committer-agent/layer/layer.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"

#define PRECOPY_SETTLED_MS 100

struct precopy;

struct precopy_stats {
    uint64_t copied_files, copied_bytes; /* while it ran; holes do not count */
    uint64_t reread_files, reread_bytes; /* while it was frozen */
};

/* options are copied, compression included. Creates temporary files in dir. ERR_EXHAUSTED "DiskFull". */
int precopy_new(const char *dir, const struct layer_options *options, struct precopy **ret_precopy,
                struct error *err);
void precopy_free(struct precopy *precopy);
DEFINE_FREEP(precopy, struct precopy, precopy_free)

/* For all three: roots (borrowed) are the same; progress and cancelled may be NULL, as in layer_capture(). */

/* The tree may change meanwhile: what vanishes or is written to is left for precopy_freeze(). Leaving this step out
 * leaves all to it. Blocks for as long as the disk takes.
 * ERR_EXHAUSTED: "DiskFull", or a limit as in layer_capture(). ERR_CANCELLED. */
int precopy_copy(struct precopy *precopy, const struct walk_roots *roots, struct layer_progress *progress,
                 const bool *cancelled, struct error *err);

/* The tree must be still. Afterwards it is not needed any more. Errors as layer_capture(). */
int precopy_freeze(struct precopy *precopy, const struct walk_roots *roots, struct layer_progress *progress,
                   const bool *cancelled, struct error *err);

/* Ends the spool as layer_capture() does, with the same result. */
int precopy_assemble(struct precopy *precopy, struct spool *spool, struct layer_progress *progress,
                     const bool *cancelled, struct layer_result *ret_result, struct error *err);

struct precopy_stats precopy_get_stats(const struct precopy *precopy); /* so far */
