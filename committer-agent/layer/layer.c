#include "committer-agent/layer/layer.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "committer-agent/layer/content.h"
#include "committer-agent/layer/hardlinks.h"
#include "committer-agent/layer/output.h"
#include "committer-agent/layer/pipeline.h"
#include "committer-agent/layer/tar.h"
#include "committer-agent/layer/xattrs.h"
#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"

#define WHITEOUT_PREFIX ".wh."
#define OPAQUE_NAME     ".wh..wh..opq"

/* What an unpacker that keeps times in nanoseconds of 64 bits can set. */
#define TIME_MAX_S (INT64_MAX / 1000000000)

struct folder {
    bool has_default_acl;
    bool is_opaque; /* in the layer */
    bool is_merged; /* a lower layer may have a folder of this path, which shows through */
};

struct capture {
    struct layer_options options;    /* without zeroes */
    const bool *cancelled;           /* may be NULL */
    struct layer_progress *progress; /* may be NULL */
    const struct layer_output *output;
    bool is_stack; /* of several roots */
    struct walk *walk;
    struct tar_writer *tar;
    struct xattrs *xattrs;
    struct hardlinks *hardlinks;
    struct strbuf marker; /* path of a whiteout or opaque marker */
    struct strbuf first;  /* target of a hard link */
    char symlink[PATH_MAX];
    struct folder *folders; /* by depth: those that the walk is in */
    struct layer_result result;
};

static const char *const loss_names[] = {
    [LAYER_LOST_SOCKET] = "Socket",
    [LAYER_LOST_WHITEOUT_NAME] = "WhiteoutName",
    [LAYER_LOST_PATH] = "PathTooLong",
    [LAYER_LOST_XATTR_TRUSTED] = "TrustedXattr",
    [LAYER_LOST_XATTR_NAMESPACE] = "XattrNamespace",
    [LAYER_LOST_XATTR_NAME] = "XattrName",
    [LAYER_LOST_XATTR_SIZE] = "XattrSize",
    [LAYER_LOST_TIME] = "TimeOutOfRange",
    [LAYER_LOST_ROOT_ATTRIBUTES] = "RootAttributes",
};
_Static_assert(sizeof(loss_names) / sizeof(loss_names[0]) == LAYER_LOSS_MAX, "every loss has a name");

static const enum layer_loss loss_of_xattr[] = {
    [XATTR_LOST_TRUSTED] = LAYER_LOST_XATTR_TRUSTED,
    [XATTR_LOST_NAMESPACE] = LAYER_LOST_XATTR_NAMESPACE,
    [XATTR_LOST_NAME] = LAYER_LOST_XATTR_NAME,
    [XATTR_LOST_SIZE] = LAYER_LOST_XATTR_SIZE,
};
_Static_assert(sizeof(loss_of_xattr) / sizeof(loss_of_xattr[0]) == XATTR_LOSS_MAX,
               "every lost xattr is reported");

const char *layer_loss_name(enum layer_loss loss)
{
    return loss_names[loss];
}

static void lose(struct capture *capture, enum layer_loss loss, const char *path, uint64_t count)
{
    struct layer_lost *lost = &capture->result.lost[loss];

    if (count > 0 && lost->count == 0)
        lost->example = printable_path(path);
    lost->count += count;
}

static enum tar_type type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return TAR_DIRECTORY;
    case S_IFLNK:
        return TAR_SYMLINK;
    case S_IFCHR:
        return TAR_CHAR_DEVICE;
    case S_IFBLK:
        return TAR_BLOCK_DEVICE;
    case S_IFIFO:
        return TAR_FIFO;
    default:
        return TAR_FILE;
    }
}

static int write_entry(struct capture *capture, const struct tar_entry *entry, struct error *err)
{
    uint64_t limit = capture->options.tar_bytes_max, used = capture->output->length(capture->output->arg);

    if (used > limit || entry->size_bytes > limit - used) {
        (void)error_set(err, ERR_EXHAUSTED, "the layer would exceed %ju bytes", (uintmax_t)limit);
        return error_reason(err, "LayerTooLarge");
    }
    if (tar_writer_entry(capture->tar, entry, err) < 0)
        return -1;
    capture->result.files++;
    if (capture->progress)
        atomic_fetch_add_explicit(&capture->progress->files, 1, memory_order_relaxed);
    return 0;
}

/* An empty file with all attributes zero, named prefix + name, in the folder of that path. */
static int write_marker(struct capture *capture, const char *folder, size_t folder_length, const char *prefix,
                        const char *name, struct error *err)
{
    struct strbuf *path = &capture->marker;

    strbuf_reset(path);
    (void)strbuf_append(path, folder, folder_length);
    if (folder_length)
        (void)strbuf_addc(path, '/');
    (void)strbuf_adds(path, prefix);
    (void)strbuf_adds(path, name);
    const struct tar_entry marker = {.type = TAR_FILE, .path = strbuf_text(path)};
    return write_entry(capture, &marker, err);
}

static int write_whiteout(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    size_t folder_length = entry->name > entry->path ? (size_t)(entry->name - entry->path - 1) : 0;
    return write_marker(capture, entry->path, folder_length, WHITEOUT_PREFIX, entry->name, err);
}

/* Ends what a child inherits from a default ACL when an unpacker creates it: an access ACL that says no more
 * than the mode is removed by the kernel, and so is a default ACL without entries. */
static void spell_out_acls(struct capture *capture, const struct walk_entry *entry)
{
    enum { VERSION = 2, USER_OBJ = 0x01, GROUP_OBJ = 0x04, OTHER = 0x20 };
    const uint32_t empty = htole32(VERSION);
    mode_t mode = entry->st.st_mode;
    const struct {
        uint32_t version;
        struct {
            uint16_t tag, permissions;
            uint32_t id;
        } entries[3];
    } as_mode = {empty,
                 {{htole16(USER_OBJ), htole16((mode >> 6) & 7), UINT32_MAX},
                  {htole16(GROUP_OBJ), htole16((mode >> 3) & 7), UINT32_MAX},
                  {htole16(OTHER), htole16(mode & 7), UINT32_MAX}}};

    if (!xattrs_has(capture->xattrs, XATTR_ACL_ACCESS))
        xattrs_add(capture->xattrs, XATTR_ACL_ACCESS, &as_mode, sizeof(as_mode));
    if (S_ISDIR(mode) && !xattrs_has(capture->xattrs, XATTR_ACL_DEFAULT))
        xattrs_add(capture->xattrs, XATTR_ACL_DEFAULT, &empty, sizeof(empty));
}

static const struct folder *parent_of(const struct capture *capture, const struct walk_entry *entry)
{
    return entry->depth > 0 ? &capture->folders[entry->depth - 1] : NULL;
}

/* May a folder that is not opaque have one below it to merge with? In a container's own layer overlayfs has marked
 * each that has. In a stack the mark may speak of the stack's next layer, and what was unpacked has none; but
 * what is in a folder that merges with nothing does not merge either. */
static bool may_merge(const struct capture *capture, const struct folder *parent)
{
    if (!parent)
        return true;
    return capture->is_stack ? parent->is_merged : xattrs_copied_up(capture->xattrs);
}

static int read_xattrs(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    if (xattrs_read(capture->xattrs, entry->fd, err) < 0)
        return -1;
    for (enum xattr_loss loss = 0; loss < XATTR_LOSS_MAX; loss++)
        lose(capture, loss_of_xattr[loss], entry->path, xattrs_lost(capture->xattrs, loss));

    const struct folder *parent = parent_of(capture, entry);
    if (S_ISDIR(entry->st.st_mode)) {
        bool is_opaque = xattrs_opaque(capture->xattrs) || entry->hides_below;
        capture->folders[entry->depth] = (struct folder){
            .has_default_acl = xattrs_has(capture->xattrs, XATTR_ACL_DEFAULT),
            .is_opaque = is_opaque,
            .is_merged = !is_opaque && may_merge(capture, parent),
        };
    }
    if (parent && parent->has_default_acl && !S_ISLNK(entry->st.st_mode))
        spell_out_acls(capture, entry);
    return 0;
}

static int read_symlink(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    ssize_t length = readlinkat(entry->fd, "", capture->symlink, sizeof(capture->symlink));

    if (length < 0)
        return error_sys(err, errno, "reading the symlink");
    if ((size_t)length >= sizeof(capture->symlink))
        return error_set(err, ERR_UNSUPPORTED, "a symlink of more than %zu bytes",
                         sizeof(capture->symlink) - 1);
    capture->symlink[length] = '\0';
    return 0;
}

/* 1: this inode is in the layer already, and capture->first says where. */
static int find_first_link(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    if (S_ISDIR(entry->st.st_mode) || entry->st.st_nlink < 2)
        return 0;
    return hardlinks_meet(capture->hardlinks, entry->st.st_dev, entry->st.st_ino, entry->path,
                          &capture->first, err);
}

static int write_content(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    if (capture->output->content(capture->output->arg, entry, err) < 0)
        return -1;
    tar_writer_content_passed(capture->tar, (uint64_t)entry->st.st_size);
    return 0;
}

static void note_what_unpackers_change(struct capture *capture, const struct walk_entry *entry,
                                       size_t xattr_count)
{
    const struct stat *st = &entry->st;

    if (st->st_mtim.tv_sec < 0 || st->st_mtim.tv_sec >= TIME_MAX_S)
        lose(capture, LAYER_LOST_TIME, entry->path, 1);
    if (entry->depth == 0 &&
        ((st->st_mode & 07777) != 0755 || st->st_uid != 0 || st->st_gid != 0 || xattr_count > 0))
        lose(capture, LAYER_LOST_ROOT_ATTRIBUTES, entry->path, 1);
}

/* The header of everything but whiteouts. */
static int describe(struct capture *capture, const struct walk_entry *entry, struct tar_entry *ret_header,
                    struct error *err)
{
    const struct stat *st = &entry->st;
    struct tar_entry header = {
        .type = type_of(st->st_mode),
        .path = entry->depth > 0 ? entry->path : ".",
        .mode = st->st_mode & 07777,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .mtime = st->st_mtim,
    };

    if (read_xattrs(capture, entry, err) < 0)
        return -1;
    header.xattrs = xattrs_get_carried(capture->xattrs, &header.xattr_count);
    note_what_unpackers_change(capture, entry, header.xattr_count);
    int linked = find_first_link(capture, entry, err);
    if (linked < 0)
        return -1;
    if (linked) {
        header.type = TAR_HARD_LINK;
        header.target = strbuf_text(&capture->first);
    } else if (header.type == TAR_SYMLINK) {
        if (read_symlink(capture, entry, err) < 0)
            return -1;
        header.target = capture->symlink;
    } else if (header.type == TAR_FILE) {
        header.size_bytes = (uint64_t)st->st_size;
    } else if (header.type == TAR_CHAR_DEVICE || header.type == TAR_BLOCK_DEVICE) {
        header.device_major = major(st->st_rdev);
        header.device_minor = minor(st->st_rdev);
    }
    *ret_header = header;
    return 0;
}

static int capture_described(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    struct tar_entry header;

    if (describe(capture, entry, &header, err) < 0 || write_entry(capture, &header, err) < 0)
        return -1;
    if (header.size_bytes > 0)
        return write_content(capture, entry, err);
    if (header.type == TAR_DIRECTORY && capture->folders[entry->depth].is_opaque)
        return write_marker(capture, entry->path, strlen(entry->path), "", OPAQUE_NAME, err);
    return 0;
}

/* In a stack a name may be deleted that only another layer of the stack had. Where nothing shows through there must
 * be no whiteout: overlayfs shows one in a folder that it does not merge, and each would stay for ever. */
static bool whiteout_is_needed(const struct capture *capture, const struct walk_entry *entry)
{
    return parent_of(capture, entry)->is_merged && (!capture->is_stack || entry->covers_below);
}

static int capture_whiteout(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    if (capture->is_stack && !whiteout_is_needed(capture, entry))
        return 0;
    return write_whiteout(capture, entry, err);
}

static int pass_over(struct capture *capture, enum layer_loss loss, const struct walk_entry *entry)
{
    lose(capture, loss, entry->path, 1);
    walk_skip_children(capture->walk);
    return 0;
}

/* Without the whiteout a file of the base that the socket has replaced would come back. Elsewhere there must be none:
 * overlayfs shows a whiteout in a folder that it does not merge. */
static int capture_socket(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    lose(capture, LAYER_LOST_SOCKET, entry->path, 1);
    return whiteout_is_needed(capture, entry) ? write_whiteout(capture, entry, err) : 0;
}

static int capture_entry(struct capture *capture, const struct walk_entry *entry, struct error *err)
{
    if (strncmp(entry->name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0)
        return pass_over(capture, LAYER_LOST_WHITEOUT_NAME, entry);
    if (strlen(entry->path) > capture->options.carried_path_max_bytes)
        return pass_over(capture, LAYER_LOST_PATH, entry);
    if (walk_is_whiteout(&entry->st)) /* before links: overlayfs makes one inode of all its whiteouts */
        return capture_whiteout(capture, entry, err);
    if (S_ISSOCK(entry->st.st_mode))
        return capture_socket(capture, entry, err);
    return capture_described(capture, entry, err);
}

static int capture_tree(struct capture *capture, struct error *err)
{
    struct walk_entry entry;
    int more;

    while ((more = walk_next(capture->walk, &entry, err)) > 0) {
        if (capture->cancelled && __atomic_load_n(capture->cancelled, __ATOMIC_RELAXED))
            return error_set(err, ERR_CANCELLED, "capturing the layer: cancelled");
        if (capture_entry(capture, &entry, err) < 0) {
            struct printable path = printable_path(entry.path);
            return error_wrap(err, "capturing %s", path.text);
        }
    }
    return more < 0 ? -1 : tar_writer_finish(capture->tar, err);
}

static void capture_done(struct capture *capture)
{
    walk_free(capture->walk);
    tar_writer_free(capture->tar);
    xattrs_free(capture->xattrs);
    hardlinks_free(capture->hardlinks);
    strbuf_done(&capture->marker);
    strbuf_done(&capture->first);
    free(capture->folders);
}

static int run(struct capture *capture, const struct walk_roots *roots, struct error *err)
{
    capture->tar = tar_writer_new(capture->output->bytes);
    capture->is_stack = roots->count + roots->below_count > 1;
    capture->walk = walk_new(roots, &capture->options.limits);
    capture->xattrs = xattrs_new();
    capture->hardlinks = hardlinks_new(HARDLINKS_MAX_BYTES);
    capture->folders = xcalloc((size_t)capture->options.limits.depth_max + 1, sizeof(*capture->folders));
    if (capture_tree(capture, err) < 0)
        return -1;
    capture->result.files--; /* the root */
    return 0;
}

struct layer_options layer_options_resolve(const struct layer_options *options)
{
    struct layer_options resolved = *options;

    resolved.limits = walk_limits_resolve(&options->limits);
    if (resolved.tar_bytes_max == 0)
        resolved.tar_bytes_max = LAYER_TAR_BYTES_MAX;
    if (resolved.carried_path_max_bytes == 0)
        resolved.carried_path_max_bytes = LAYER_CARRIED_PATH_MAX_BYTES;
    return resolved;
}

int layer_write_tree(const struct walk_roots *roots, const struct layer_options *options,
                     const struct layer_output *output, struct layer_progress *progress,
                     const bool *cancelled, struct layer_result *ret_result, struct error *err)
{
    struct capture capture = {.options = layer_options_resolve(options),
                              .output = output,
                              .progress = progress,
                              .cancelled = cancelled};
    int answer = run(&capture, roots, err);

    capture_done(&capture);
    if (answer == 0)
        *ret_result = capture.result;
    return answer;
}

/* ---- straight into a pipeline ---- */

struct piping {
    struct pipeline *pipeline;
    struct content_context content;
};

static int pipe_content(void *arg, const struct walk_entry *entry, struct error *err)
{
    const struct piping *piping = arg;
    SCOPED(fd)
    int fd = -1;

    if (content_reopen(entry->fd, &fd, err) < 0)
        return -1;
    return content_copy(&piping->content, fd, &entry->st, err);
}

static uint64_t piped_length(void *arg)
{
    const struct piping *piping = arg;
    return pipeline_bytes_in(piping->pipeline);
}

static int pipe_tree(const struct walk_roots *roots, const struct layer_options *options, struct spool *spool,
                     struct layer_progress *progress, const bool *cancelled, struct layer_result *ret_result,
                     struct error *err)
{
    SCOPED(pipeline) struct pipeline *pipeline = NULL;
    struct layer_result result;

    if (pipeline_new(&options->compress, spool, progress ? &progress->bytes_written : NULL, &pipeline, err) <
        0)
        return -1;
    struct piping piping = {.pipeline = pipeline,
                            .content = {.to = content_into_pipeline(pipeline),
                                        .bytes_read = progress ? &progress->bytes_read : NULL,
                                        .cancelled = cancelled}};
    const struct layer_output output = {
        .bytes = pipeline_sink(pipeline), .content = pipe_content, .length = piped_length, .arg = &piping};
    if (layer_write_tree(roots, options, &output, progress, cancelled, &result, err) < 0 ||
        layer_finish_pipeline(pipeline, &result, err) < 0)
        return -1;
    *ret_result = result;
    return 0;
}

int layer_finish_pipeline(struct pipeline *pipeline, struct layer_result *result, struct error *err)
{
    struct pipeline_result piped;

    if (pipeline_finish(pipeline, &piped, err) < 0)
        return -1;
    result->diff_id = piped.diff_id;
    result->digest = piped.digest;
    result->tar_bytes = piped.bytes_in;
    result->size_bytes = piped.bytes_out;
    return 0;
}

int layer_capture(const struct walk_roots *roots, const struct layer_options *options, struct spool *spool,
                  struct layer_progress *progress, const bool *cancelled, struct layer_result *ret_result,
                  struct error *err)
{
    /* When this returns the pipeline is gone, and with it the worker that appends to the spool. */
    if (pipe_tree(roots, options, spool, progress, cancelled, ret_result, err) < 0) {
        spool_fail(spool, err);
        return -1;
    }
    spool_finish(spool);
    return 0;
}
