#include "committer-agent/containerd/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

void overlay_done(struct overlay *overlay)
{
    free(overlay->upper_dir);
    free(overlay->work_dir);
    for (size_t i = 0; i < overlay->lower_count; i++)
        free(overlay->lower_dirs[i]);
    free(overlay->lower_dirs);
    *overlay = (struct overlay){0};
}

static int unsupported(struct error *err, const char *reason, const char *text, const char *what)
{
    (void)error_set(err, ERR_UNSUPPORTED, "%s: %s", text, what);
    return error_reason(err, reason);
}

/* The value of "name=value" when option is `name`, else NULL. */
static const char *option_value(const char *option, const char *name)
{
    size_t length = strlen(name);
    return strncmp(option, name, length) == 0 && option[length] == '=' ? option + length + 1 : NULL;
}

static bool has_option(const struct snapshot_mount *mount, const char *name)
{
    for (size_t i = 0; i < mount->option_count; i++)
        if (strcmp(mount->options[i], name) == 0)
            return true;
    return false;
}

static int set_dir(char **dir, const char *path, const char *name, struct error *err)
{
    if (*dir)
        return unsupported(err, "UnsupportedOverlay", "mount option given twice", name);
    if (path[0] != '/')
        return unsupported(err, "UnsupportedOverlay", "want an absolute path", name);
    *dir = xstrdup(path);
    return 0;
}

/* "a:b:c". overlayfs would have a colon or backslash in a path escaped by a backslash. */
static int set_lowers(struct overlay *overlay, const char *value, struct error *err)
{
    size_t capacity = 1;

    if (overlay->lower_dirs)
        return unsupported(err, "UnsupportedOverlay", "mount option given twice", "lowerdir");
    for (const char *c = value; *c; c++)
        capacity += *c == ':';
    overlay->lower_dirs = xcalloc(capacity, sizeof(*overlay->lower_dirs));

    for (const char *c = value; *c;) {
        char *path = xcalloc(strlen(c) + 1, 1);
        size_t length = 0;
        for (; *c && *c != ':'; c++) {
            if (*c == '\\' && c[1])
                c++;
            path[length++] = *c;
        }
        c += *c == ':';
        overlay->lower_dirs[overlay->lower_count++] = path;
        if (path[0] != '/')
            return unsupported(err, "UnsupportedOverlay", "want absolute paths", "lowerdir");
    }
    return 0;
}

static int overlay_read_option(struct overlay *overlay, const char *option, struct error *err)
{
    const char *value;

    if ((value = option_value(option, "upperdir")))
        return set_dir(&overlay->upper_dir, value, "upperdir", err);
    if ((value = option_value(option, "workdir")))
        return set_dir(&overlay->work_dir, value, "workdir", err);
    if ((value = option_value(option, "lowerdir")))
        return set_lowers(overlay, value, err);
    if ((value = option_value(option, "redirect_dir")))
        overlay->redirect_dir = strcmp(value, "on") == 0;
    if ((value = option_value(option, "metacopy")))
        overlay->metacopy = strcmp(value, "on") == 0;
    /* "index=off", "userxattr", "volatile", "xino=...", "ro", "nfs_export=...": no concern of the layer. */
    return 0;
}

/* A snapshot without parents needs no overlay: containerd binds its folder. */
static int overlay_read_bind(const struct snapshot_mount *mount, struct overlay *overlay, struct error *err)
{
    if (has_option(mount, "ro"))
        return unsupported(err, "UnsupportedSnapshotter", "want a writable layer, got a read-only bind of",
                           mount->source);
    return set_dir(&overlay->upper_dir, mount->source, "source of the bind mount", err);
}

/* The one mount that the overlayfs snapshotter answers with. */
static int only_mount(const char *snapshotter, const struct snapshot_mounts *mounts,
                      const struct snapshot_mount **ret_mount, struct error *err)
{
    if (strcmp(snapshotter, "overlayfs") != 0)
        return unsupported(err, "UnsupportedSnapshotter", "want the snapshotter overlayfs, got", snapshotter);
    if (mounts->count != 1)
        return unsupported(err, "UnsupportedSnapshotter", "want one mount, got more or none from",
                           snapshotter);
    *ret_mount = &mounts->items[0];
    return 0;
}

static int overlay_read_options(const struct snapshot_mount *mount, struct overlay *overlay,
                                struct error *err)
{
    if (strcmp(mount->type, "overlay") != 0)
        return unsupported(err, "UnsupportedSnapshotter", "want an overlay mount, got type", mount->type);
    for (size_t i = 0; i < mount->option_count; i++)
        if (overlay_read_option(overlay, mount->options[i], err) < 0)
            return -1;
    if (overlay->lower_count == 0)
        return unsupported(err, "UnsupportedOverlay", "want lower layers, got an overlay without",
                           "lowerdir");
    return 0;
}

static int read_writable(const struct snapshot_mount *mount, struct overlay *overlay, struct error *err)
{
    if (strcmp(mount->type, "bind") == 0)
        return overlay_read_bind(mount, overlay, err);
    if (overlay_read_options(mount, overlay, err) < 0)
        return -1;
    if (!overlay->upper_dir)
        return unsupported(err, "UnsupportedSnapshotter", "want a writable layer, got an overlay without",
                           "upperdir");
    return 0;
}

/* A snapshot without parents is bound as it is; one of more folders is an overlay of them. */
static int read_view(const struct snapshot_mount *mount, struct overlay *overlay, struct error *err)
{
    if (strcmp(mount->type, "bind") == 0) {
        if (!has_option(mount, "ro"))
            return unsupported(err, "UnsupportedSnapshotter", "want a read-only view, got a writable bind of",
                               mount->source);
        overlay->lower_dirs = xcalloc(1, sizeof(*overlay->lower_dirs));
        overlay->lower_count = 1;
        return set_dir(&overlay->lower_dirs[0], mount->source, "source of the bind mount", err);
    }
    if (overlay_read_options(mount, overlay, err) < 0)
        return -1;
    if (overlay->upper_dir)
        return unsupported(err, "UnsupportedSnapshotter", "want a read-only view, got an overlay with",
                           "upperdir");
    return 0;
}

static int read_with(int (*read)(const struct snapshot_mount *mount, struct overlay *overlay,
                                 struct error *err),
                     const char *snapshotter, const struct snapshot_mounts *mounts,
                     struct overlay *ret_overlay, struct error *err)
{
    SCOPED_OVERLAY struct overlay overlay = {0};
    const struct snapshot_mount *mount = NULL;

    if (only_mount(snapshotter, mounts, &mount, err) < 0 || read(mount, &overlay, err) < 0)
        return -1;
    *ret_overlay = overlay;
    overlay = (struct overlay){0};
    return 0;
}

int overlay_read(const char *snapshotter, const struct snapshot_mounts *mounts, struct overlay *ret_overlay,
                 struct error *err)
{
    return read_with(read_writable, snapshotter, mounts, ret_overlay, err);
}

int overlay_read_view(const char *snapshotter, const struct snapshot_mounts *mounts,
                      struct overlay *ret_overlay, struct error *err)
{
    return read_with(read_view, snapshotter, mounts, ret_overlay, err);
}
