/* layer.h - a container's writable layer (an overlayfs upperdir) as an OCI layer, in one pass.
 *
 *   upperdir -> walk -> PAX tar -> sha256 (diffID) -> zstd | gzip | none -> sha256 (digest) -> spool
 *
 * Given several layers of one chain it writes what they are together: one layer on what lies below the lowest,
 * without the bytes of what they hide from each other. Stacked as in walk.h.
 *
 * Laws: applied on its base the layer gives the tree that the container saw, attribute by attribute; what the
 * format or containerd's unpacker cannot carry is counted with an example (enum layer_loss), never turned
 * into something else; the same tree gives the same bytes; memory does not depend on the tree; nothing in the
 * tree is followed, run or waited for.
 *
 * How overlayfs speaks and what is written:
 *   character device 0:0          .wh.<name>: an empty file, all attributes zero
 *   trusted.overlay.opaque = "y"  <folder>/.wh..wh..opq, right behind the folder's own entry
 *   a folder                      itself, with all its attributes, before its content; the root is "./", which
 *                                 containerd passes over (its snapshotter makes every root 0755) and others apply
 *   a further link to an inode    a hard link to its first path in this layer, with all attributes again:
 *                                 unpackers apply them again, and their chown drops capabilities
 *   a socket                      nothing, but a whiteout where a lower layer may have the name, which must
 *                                 not come back
 *   below a default ACL           ACLs are spelled out even where there are none: unpackers create a child with
 *                                 what it inherits and would leave that there
 *
 * Spec: OCI image-spec layer.md; Documentation/filesystems/overlayfs.rst. */
#pragma once

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "committer-agent/layer/compress.h"
#include "committer-agent/layer/printable.h"
#include "committer-agent/layer/spool.h"
#include "committer-agent/layer/walk.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"

struct layer_options { /* all zero: zstd at its fast level, compressed on one thread, default limits */
    struct compress_options compress;
    struct walk_limits limits;
    uint64_t tar_bytes_max; /* of the tar; a sparse file counts with all its size. 0: LAYER_TAR_BYTES_MAX */
    size_t carried_path_max_bytes; /* longer paths are lost, not refused. 0: LAYER_CARRIED_PATH_MAX_BYTES */
};

#define LAYER_TAR_BYTES_MAX ((uint64_t)128 << 30)

/* containerd unpacks by absolute paths: one entry that exceeds PATH_MAX there makes the whole image useless.
 * The rest of PATH_MAX is for its own folders. */
#define LAYER_CARRIED_PATH_MAX_BYTES ((size_t)PATH_MAX - 256)

/* Added to by the capture (so several may share one), read by anyone at any time. */
struct layer_progress {
    atomic_ullong bytes_read;    /* of files; holes do not count */
    atomic_ullong bytes_written; /* to the spool */
    atomic_ullong files;         /* entries in the layer */
};

enum layer_loss {
    LAYER_LOST_SOCKET,        /* tar has no sockets */
    LAYER_LOST_WHITEOUT_NAME, /* ".wh.*" would be read as a deletion; a folder goes with all it holds */
    LAYER_LOST_PATH,          /* longer than carried_path_max_bytes; a folder goes with all it holds */
    LAYER_LOST_XATTR_TRUSTED, /* as enum xattr_loss */
    LAYER_LOST_XATTR_NAMESPACE,
    LAYER_LOST_XATTR_NAME,
    LAYER_LOST_XATTR_SIZE,
    LAYER_LOST_TIME,            /* mtime outside 1970..2262: in the layer, but containerd sets 1970 instead */
    LAYER_LOST_ROOT_ATTRIBUTES, /* the root is not 0755 root:root without xattrs: in the layer, but see "./"
                                   above */
    LAYER_LOSS_MAX
};

/* "Socket": a word for status fields and logs. */
const char *layer_loss_name(enum layer_loss loss);

struct layer_lost {
    uint64_t count;
    struct printable example; /* the first path; "" while count is 0 */
};

struct layer_result {
    struct digest diff_id; /* of the tar */
    struct digest digest;  /* of the bytes in the spool */
    uint64_t size_bytes;   /* of the spool */
    uint64_t tar_bytes;
    uint64_t files; /* entries, deletions included, root excluded */
    struct layer_lost lost[LAYER_LOSS_MAX];
};

/* Captures the roots (borrowed; the topmost first) into spool (borrowed, new) and ends the spool: finished on
 * success, failed with err's copy otherwise. The container must be frozen, or the tree otherwise still. Blocks;
 * reads on the calling thread, compresses and writes on another. progress and cancelled may be NULL; setting
 * *cancelled (__atomic_store_n) from another thread ends the capture soon.
 * ERR_PRECONDITION "FileChanged": the tree was not still.
 * ERR_UNSUPPORTED "UnsupportedOverlay": redirect_dir, metacopy or index in use; containerd can still diff it.
 * ERR_EXHAUSTED: "DiskFull", "LayerTooLarge", "TreeTooDeep", "PathTooLong", "TooManyFiles", "TooManyHardLinks".
 * ERR_INVALID: options. ERR_DENIED: not enough rights to read. ERR_CANCELLED. */
int layer_capture(const struct walk_roots *roots, const struct layer_options *options, struct spool *spool,
                  struct layer_progress *progress, const bool *cancelled, struct layer_result *ret_result,
                  struct error *err);
