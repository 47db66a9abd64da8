#include "committer-agent/layer/xattrs.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "committer-agent/layer/walk.h"
#include "shared/base/alloc.h"

#define OVERLAY_PREFIX "trusted.overlay."

/* Per attribute: its record's key prefix, length digits and separators, counted generously. */
#define RECORD_OVERHEAD_BYTES 32

enum overlay_meaning {
    OVERLAY_NOTE,       /* overlayfs's own book-keeping */
    OVERLAY_ORIGIN,     /* written by every copy-up, even where it can name no source */
    OVERLAY_OPAQUE,     /* "y": opaque; anything else is newer than we are */
    OVERLAY_INCOMPLETE, /* the entry depends on other layers or on an index */
};

/* clang-format off */
static const struct {
    const char *name; /* behind OVERLAY_PREFIX */
    enum overlay_meaning meaning;
} overlay_names[] = {
    {"origin",    OVERLAY_ORIGIN},
    {"impure",    OVERLAY_NOTE},
    {"upper",     OVERLAY_NOTE},
    {"uuid",      OVERLAY_NOTE},
    {"opaque",    OVERLAY_OPAQUE},
    {"redirect",  OVERLAY_INCOMPLETE}, /* redirect_dir: a renamed folder whose content stays below under its old name */
    {"metacopy",  OVERLAY_INCOMPLETE}, /* metacopy: attributes here, content below */
    {"verity",    OVERLAY_INCOMPLETE}, /* goes with metacopy */
    {"whiteout",  OVERLAY_INCOMPLETE}, /* a regular file that stands for a whiteout */
    {"whiteouts", OVERLAY_INCOMPLETE},
    {"nlink",     OVERLAY_INCOMPLETE}, /* index=on: other names of this file may be in lower layers only */
};
/* clang-format on */

struct xattrs {
    char names[XATTR_LIST_MAX]; /* as listed */
    char *values;               /* XATTRS_CARRIED_MAX_BYTES; untouched pages cost nothing */
    size_t values_used, carried_bytes;
    struct tar_xattr *carried;
    size_t count, room;
    bool opaque, copied_up;
    unsigned lost[XATTR_LOSS_MAX];
};

struct xattrs *xattrs_new(void)
{
    struct xattrs *xattrs = xcalloc(1, sizeof(*xattrs));
    xattrs->values = xcalloc(1, XATTRS_CARRIED_MAX_BYTES);
    return xattrs;
}

void xattrs_free(struct xattrs *xattrs)
{
    if (!xattrs)
        return;
    free(xattrs->values);
    free(xattrs->carried);
    free(xattrs);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int get_error(struct error *err, int sys_errno, const char *name)
{
    if (sys_errno != ENODATA)
        return error_sys(err, sys_errno, "reading attribute %.100s", name);
    (void)error_set(err, ERR_PRECONDITION,
                    "attribute %.100s went away while it was read; freeze the container first", name);
    return error_reason(err, "FileChanged");
}

static int unsupported(struct error *err, const char *name)
{
    (void)error_set(
        err, ERR_UNSUPPORTED,
        "has %.100s: it cannot be told from the upper layer alone; mount the container's root with index, "
        "redirect_dir and metacopy off",
        name);
    return error_reason(err, "UnsupportedOverlay");
}

static int note_opaque(struct xattrs *xattrs, const char *path, const char *name, struct error *err)
{
    char value[2];
    ssize_t length = getxattr(path, name, value, sizeof(value));

    if (length < 0 && errno != ERANGE)
        return get_error(err, errno, name);
    if (length != 1 || value[0] != 'y')
        return unsupported(err, name);
    xattrs->opaque = true;
    return 0;
}

static int note_overlay(struct xattrs *xattrs, const char *path, const char *name, struct error *err)
{
    const char *short_name = name + strlen(OVERLAY_PREFIX);

    for (size_t i = 0; i < sizeof(overlay_names) / sizeof(overlay_names[0]); i++) {
        if (strcmp(overlay_names[i].name, short_name) != 0)
            continue;
        switch (overlay_names[i].meaning) {
        case OVERLAY_NOTE:
            return 0;
        case OVERLAY_ORIGIN:
            xattrs->copied_up = true;
            return 0;
        case OVERLAY_OPAQUE:
            return note_opaque(xattrs, path, name, err);
        case OVERLAY_INCOMPLETE:
            return unsupported(err, name);
        }
    }
    xattrs->lost[XATTR_LOST_TRUSTED]++; /* escaped by a nested overlay (6.7), protattr, or unknown */
    return 0;
}

static void append(struct xattrs *xattrs, const char *name, size_t value_length)
{
    if (xattrs->count == xattrs->room) {
        xattrs->room = xattrs->room ? xattrs->room * 2 : 16;
        xattrs->carried = xrealloc_array(xattrs->carried, xattrs->room, sizeof(*xattrs->carried));
    }
    xattrs->carried[xattrs->count++] = (struct tar_xattr){
        .name = name,
        .value = xattrs->values + xattrs->values_used,
        .value_length = value_length,
    };
    xattrs->values_used += value_length;
    xattrs->carried_bytes += strlen(name) + value_length + RECORD_OVERHEAD_BYTES;
}

static int carry(struct xattrs *xattrs, const char *path, const char *name, struct error *err)
{
    size_t overhead = xattrs->carried_bytes + strlen(name) + RECORD_OVERHEAD_BYTES;
    size_t room = overhead < XATTRS_CARRIED_MAX_BYTES ? XATTRS_CARRIED_MAX_BYTES - overhead : 0;

    if (room == 0) { /* a size of 0 would ask for the length only */
        xattrs->lost[XATTR_LOST_SIZE]++;
        return 0;
    }
    ssize_t length = getxattr(path, name, xattrs->values + xattrs->values_used, room);
    if (length < 0 && errno == ERANGE) {
        xattrs->lost[XATTR_LOST_SIZE]++;
        return 0;
    }
    if (length < 0)
        return get_error(err, errno, name);
    append(xattrs, name, (size_t)length);
    return 0;
}

static int consider(struct xattrs *xattrs, const char *path, const char *name, struct error *err)
{
    enum xattr_loss loss = XATTR_LOST_NAMESPACE;

    if (starts_with(name, OVERLAY_PREFIX))
        return note_overlay(xattrs, path, name, err);
    if (starts_with(name, "trusted."))
        loss = XATTR_LOST_TRUSTED;
    else if (starts_with(name, "user.") || starts_with(name, "security.") ||
             strcmp(name, XATTR_ACL_ACCESS) == 0 || strcmp(name, XATTR_ACL_DEFAULT) == 0) {
        if (tar_xattr_name_fits(name))
            return carry(xattrs, path, name, err);
        loss = XATTR_LOST_NAME;
    }
    xattrs->lost[loss]++;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_carried(const void *a, const void *b)
{
    return strcmp(((const struct tar_xattr *)a)->name, ((const struct tar_xattr *)b)->name);
}

/* Sorted first, so that which ones are beyond the size does not depend on the file system's order. */
static int consider_all(struct xattrs *xattrs, const char *path, size_t listed, struct error *err)
{
    size_t count = 0;
    int answer = 0;

    for (size_t at = 0; at < listed; at += strlen(xattrs->names + at) + 1)
        count++;
    SCOPED(memory)
    const char **sorted = xcalloc(count, sizeof(*sorted));
    count = 0;
    for (size_t at = 0; at < listed; at += strlen(xattrs->names + at) + 1)
        sorted[count++] = xattrs->names + at;
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (size_t i = 0; answer == 0 && i < count; i++)
        answer = consider(xattrs, path, sorted[i], err);
    return answer;
}

int xattrs_read(struct xattrs *xattrs, int fd, struct error *err)
{
    char path[WALK_FD_PATH_SIZE];

    xattrs->count = xattrs->values_used = xattrs->carried_bytes = 0;
    xattrs->opaque = xattrs->copied_up = false;
    memset(xattrs->lost, 0, sizeof(xattrs->lost));
    ssize_t listed = listxattr(walk_fd_path(fd, path), xattrs->names, sizeof(xattrs->names));
    if (listed < 0 && errno != ENOTSUP)
        return error_sys(err, errno, "listing attributes");
    return listed > 0 ? consider_all(xattrs, path, (size_t)listed, err) : 0;
}

const struct tar_xattr *xattrs_get_carried(const struct xattrs *xattrs, size_t *ret_count)
{
    *ret_count = xattrs->count;
    return xattrs->carried;
}

bool xattrs_has(const struct xattrs *xattrs, const char *name)
{
    for (size_t i = 0; i < xattrs->count; i++)
        if (strcmp(xattrs->carried[i].name, name) == 0)
            return true;
    return false;
}

void xattrs_add(struct xattrs *xattrs, const char *name, const void *value, size_t value_length)
{
    if (value_length > XATTRS_CARRIED_MAX_BYTES - xattrs->values_used) {
        xattrs->lost[XATTR_LOST_SIZE]++;
        return;
    }
    memcpy(xattrs->values + xattrs->values_used, value, value_length);
    append(xattrs, name, value_length);
    qsort(xattrs->carried, xattrs->count, sizeof(*xattrs->carried), compare_carried);
}

bool xattrs_opaque(const struct xattrs *xattrs)
{
    return xattrs->opaque;
}

bool xattrs_copied_up(const struct xattrs *xattrs)
{
    return xattrs->copied_up;
}

unsigned xattrs_lost(const struct xattrs *xattrs, enum xattr_loss loss)
{
    return xattrs->lost[loss];
}
