/* xattrs.h - the extended attributes of one entry: what the layer carries, what overlayfs means by them, what
 * is lost.
 *
 *   user.*, security.*, system.posix_acl_*   carried
 *   trusted.overlay.opaque = "y"             this folder hides what is below it
 *   trusted.overlay.origin                   this was copied up from a lower layer
 *   trusted.overlay.redirect, .metacopy ...  this folder is not all there is to know: ERR_UNSUPPORTED
 *   trusted.overlay.impure, .upper, .uuid    overlayfs's own notes, worthless elsewhere
 *   everything else                          lost, and said so
 *
 * Source: Documentation/filesystems/overlayfs.rst.
 * Threads: none of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "committer-agent/layer/tar.h"
#include "shared/base/error.h"

#define XATTR_ACL_ACCESS  "system.posix_acl_access"
#define XATTR_ACL_DEFAULT "system.posix_acl_default"

/* Names and values of one entry; the rest is lost. Leaves room for a path within TAR_EXTENDED_MAX_BYTES. */
#define XATTRS_CARRIED_MAX_BYTES ((size_t)768 << 10)

enum xattr_loss {
    XATTR_LOST_TRUSTED,   /* trusted.*: unpackers drop it */
    XATTR_LOST_NAMESPACE, /* not user., security., trusted. or an ACL */
    XATTR_LOST_NAME,      /* its name has a "=", where a PAX record ends its key */
    XATTR_LOST_SIZE,      /* beyond XATTRS_CARRIED_MAX_BYTES */
    XATTR_LOSS_MAX
};

struct xattrs;

struct xattrs *xattrs_new(void);
void xattrs_free(struct xattrs *xattrs);
DEFINE_FREEP(xattrs, struct xattrs, xattrs_free)

/* Replaces the content by the attributes of what fd (O_PATH is fine) stands for; fd is borrowed.
 * ERR_UNSUPPORTED "UnsupportedOverlay": the entry cannot be understood without its lower layers. ERR_PRECONDITION
 * "FileChanged". */
int xattrs_read(struct xattrs *xattrs, int fd, struct error *err);

/* What xattrs_read() found to carry, sorted by name. Borrowed until the next xattrs_read() or xattrs_add(). */
const struct tar_xattr *xattrs_get_carried(const struct xattrs *xattrs, size_t *ret_count);

bool xattrs_has(const struct xattrs *xattrs, const char *name); /* among the carried */

/* Adds one more to carry. The name must be a constant; the value is copied. */
void xattrs_add(struct xattrs *xattrs, const char *name, const void *value, size_t value_length);

bool xattrs_opaque(const struct xattrs *xattrs);
bool xattrs_copied_up(const struct xattrs *xattrs);
unsigned xattrs_lost(const struct xattrs *xattrs, enum xattr_loss loss); /* how many */
