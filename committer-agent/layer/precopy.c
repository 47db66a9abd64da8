#include "committer-agent/layer/precopy.h"

#include <assert.h>
#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "committer-agent/layer/content.h"
#include "committer-agent/layer/file_index.h"
#include "committer-agent/layer/output.h"
#include "committer-agent/layer/recipe.h"
#include "committer-agent/layer/tempfile.h"
#include "shared/base/alloc.h"

#define XFS_MAGIC 0x58465342 /* linux/magic.h has it from 5.13 on */

/* Files with holes begin at such an offset, so that their holes are holes in the raw file too. */
#define HOLE_ALIGNMENT ((uint64_t)4096)

/* A walk of a tree that changes stumbles. Over more than this at once: something is wrong, or somebody hostile. */
#define STUMBLES_MAX 100000

struct precopy {
    char *dir;
    struct layer_options options; /* without zeroes */
    struct tempfile *raw;         /* contents of files, one behind the other */
    struct file_index *copied;    /* those that were read when the container ran, by their offset in raw */
    struct recipe *recipe;
    struct layer_result result; /* precopy_freeze()'s part of it */
    struct precopy_stats stats;
};

/* One of the passes over the tree. */
struct pass {
    struct precopy *precopy;
    const struct walk_roots *roots;
    struct layer_progress *progress; /* may be NULL */
    const bool *cancelled;           /* may be NULL */
    uint64_t files, bytes;           /* read so far; holes do not count */
};

int precopy_new(const char *dir, const struct layer_options *options, struct precopy **ret_precopy,
                struct error *err)
{
    SCOPED(precopy) struct precopy *precopy = xcalloc(1, sizeof(*precopy));

    precopy->dir = xstrdup(dir);
    precopy->options = layer_options_resolve(options);
    if (tempfile_new(dir, &precopy->raw, err) < 0)
        return -1;
    *ret_precopy = TAKE(precopy);
    return 0;
}

void precopy_free(struct precopy *precopy)
{
    if (!precopy)
        return;
    tempfile_free(precopy->raw);
    file_index_free(precopy->copied);
    recipe_free(precopy->recipe);
    free(precopy->dir);
    free(precopy);
}

struct precopy_stats precopy_get_stats(const struct precopy *precopy)
{
    return precopy->stats;
}

/* ---- the raw file ---- */

static int span_of_raw(void *arg, void **ret_at, size_t *ret_room, struct error *err)
{
    return tempfile_span(arg, ret_at, ret_room, err);
}

static void advance_raw(void *arg, size_t length)
{
    tempfile_advance(arg, length);
}

static int skip_in_raw(void *arg, uint64_t length, struct error *err)
{
    return tempfile_skip(arg, length, err);
}

/* Where the next content begins. */
static int begin_content(struct tempfile *raw, const struct stat *st, uint64_t *ret_offset, struct error *err)
{
    uint64_t offset = tempfile_length(raw);
    bool has_holes = st->st_blocks * (off_t)512 < st->st_size;

    if (has_holes && offset % HOLE_ALIGNMENT != 0) {
        if (tempfile_skip(raw, HOLE_ALIGNMENT - offset % HOLE_ALIGNMENT, err) < 0)
            return -1;
        offset = tempfile_length(raw);
    }
    *ret_offset = offset;
    return 0;
}

/* Copies an open file behind what is in the raw file. */
static int copy_into_raw(struct pass *pass, int fd, const struct stat *st, uint64_t *ret_offset,
                         struct error *err)
{
    struct tempfile *raw = pass->precopy->raw;
    atomic_ullong bytes = 0;
    const struct content_context into = {
        .to = {.span = span_of_raw, .advance = advance_raw, .skip = skip_in_raw, .arg = raw},
        .bytes_read = &bytes,
        .cancelled = pass->cancelled,
    };

    if (begin_content(raw, st, ret_offset, err) < 0)
        return -1;
    int answer = content_copy(&into, fd, st, err);
    pass->bytes += bytes;
    pass->files += answer == 0;
    if (pass->progress)
        atomic_fetch_add_explicit(&pass->progress->bytes_read, bytes, memory_order_relaxed);
    return answer;
}

/* ---- while the container runs ---- */

static int check_cancelled(const struct pass *pass, struct error *err)
{
    if (pass->cancelled && __atomic_load_n(pass->cancelled, __ATOMIC_RELAXED))
        return error_set(err, ERR_CANCELLED, "copying the container's files: cancelled");
    return 0;
}

/* The next entry of a tree that changes: what vanished is passed over, and a walk that has lost its way ends. */
static int next_alive(const struct pass *pass, struct walk *walk, struct walk_entry *ret_entry,
                      struct error *err)
{
    for (unsigned stumbles = 0; stumbles < STUMBLES_MAX; stumbles++) {
        if (check_cancelled(pass, err) < 0)
            return -1;
        int more = walk_next(walk, ret_entry, err);
        if (more >= 0 || (err->code != ERR_PRECONDITION && err->code != ERR_NOT_FOUND))
            return more;
        error_clear(err);
    }
    return 0;
}

static bool is_content(const struct walk_entry *entry)
{
    return S_ISREG(entry->st.st_mode) && entry->st.st_size > 0;
}

/* Whether a later change is sure to have another ctime. A ctime in the future says that the clock was set back. */
static bool is_settled(const struct stat *st, const struct timespec *now)
{
    int64_t age_s = (int64_t)now->tv_sec - st->st_ctim.tv_sec;

    if (age_s < 0 || age_s > 1)
        return age_s > 1;
    return age_s * 1000 + (now->tv_nsec - st->st_ctim.tv_nsec) / 1000000 > PRECOPY_SETTLED_MS;
}

/* The first look: all files that may be trusted to show a change. */
static int look(const struct pass *pass, struct file_index *looked, struct error *err)
{
    SCOPED(walk) struct walk *walk = walk_new(pass->roots, &pass->precopy->options.limits);
    struct walk_entry entry;
    int more;

    for (;;) {
        struct timespec now; /* taken before the look, so that waiting in between makes a file seem younger */
        (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
        more = next_alive(pass, walk, &entry, err);
        if (more <= 0)
            break;
        if (is_content(&entry) && is_settled(&entry.st, &now) &&
            file_index_add(looked, entry.path, &entry.st, 0, err) < 0)
            return -1;
    }
    return more < 0 ? -1 : file_index_seal(looked, err);
}

/* What went wrong with a file alone is told, if it lasts, when it is read again. */
static bool is_fatal(const struct pass *pass, const struct error *err)
{
    return err->code == ERR_CANCELLED || tempfile_has_failed(pass->precopy->raw);
}

static bool has_room(const struct precopy *precopy, const struct stat *st)
{
    uint64_t used = tempfile_length(precopy->raw), limit = precopy->options.tar_bytes_max;
    return used < limit && (uint64_t)st->st_size < limit - used;
}

/* Copies a file that still is what it was at the first look, and notes it. */
static int copy_alive(struct pass *pass, const struct walk_entry *entry, struct error *err)
{
    struct precopy *precopy = pass->precopy;
    uint64_t offset;
    SCOPED(fd)
    int fd = -1;

    if (content_reopen(entry->fd, &fd, err) < 0)
        return -1;
    (void)lseek(fd, 0, SEEK_HOLE); /* takes the inode's lock: a write(2) that is under way ends first */
    if (copy_into_raw(pass, fd, &entry->st, &offset, err) < 0)
        return -1;
    return file_index_add(precopy->copied, entry->path, &entry->st, offset, err);
}

static int copy_if_unchanged(struct pass *pass, struct file_index *looked, const struct walk_entry *entry,
                             struct error *err)
{
    uint64_t unused;

    if (!is_content(entry))
        return 0;
    int same = file_index_find(looked, entry->path, &entry->st, &unused, err);
    if (same < 0)
        return -1;
    if (!same || !has_room(pass->precopy, &entry->st))
        return 0;
    if (copy_alive(pass, entry, err) == 0)
        return 0;
    if (is_fatal(pass, err))
        return -1;
    error_clear(err);
    return 0;
}

static int copy_tree(struct pass *pass, struct file_index *looked, struct error *err)
{
    SCOPED(walk) struct walk *walk = walk_new(pass->roots, &pass->precopy->options.limits);
    struct walk_entry entry;
    int more;

    while ((more = next_alive(pass, walk, &entry, err)) > 0)
        if (copy_if_unchanged(pass, looked, &entry, err) < 0)
            return -1;
    return more;
}

/* Write-back makes mapped pages read-only, and the next write moves ctime. */
static bool notices_changes(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return false;
    switch (fs.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
        return true;
    default:
        return false;
    }
}

static bool all_notice_changes(const struct walk_roots *roots)
{
    for (size_t i = 0; i < roots->count; i++)
        if (!notices_changes(roots->fds[i]))
            return false;
    return true;
}

/* false: pages may be as dirty as before, so nothing that is read now can be trusted. */
static bool write_back(const struct walk_roots *roots)
{
    for (size_t i = 0; i < roots->count; i++)
        if (syncfs(roots->fds[i]) < 0)
            return false;
    return true;
}

static int look_and_copy(struct pass *pass, struct error *err)
{
    struct precopy *precopy = pass->precopy;
    SCOPED(file_index) struct file_index *looked = NULL;

    if (file_index_new(precopy->dir, &looked, err) < 0 || look(pass, looked, err) < 0)
        return -1;
    if (check_cancelled(pass, err) < 0)
        return -1;
    if (write_back(pass->roots) && copy_tree(pass, looked, err) < 0)
        return -1;
    if (tempfile_flush(precopy->raw, err) < 0)
        return -1;
    tempfile_write_back(precopy->raw); /* or writers are throttled for it, in the middle of the freeze */
    return 0;
}

int precopy_copy(struct precopy *precopy, const struct walk_roots *roots, struct layer_progress *progress,
                 const bool *cancelled, struct error *err)
{
    struct pass pass = {.precopy = precopy, .roots = roots, .progress = progress, .cancelled = cancelled};

    assert(!precopy->copied && !precopy->recipe);
    if (!all_notice_changes(roots))
        return 0;
    if (file_index_new(precopy->dir, &precopy->copied, err) < 0)
        return -1;
    int answer = look_and_copy(&pass, err);
    precopy->stats.copied_files = pass.files;
    precopy->stats.copied_bytes = pass.bytes;
    return answer < 0 ? error_wrap(err, "copying the running container's files")
                      : file_index_seal(precopy->copied, err);
}

/* ---- while it is frozen ---- */

static int reread(struct pass *pass, const struct walk_entry *entry, uint64_t *ret_offset, struct error *err)
{
    SCOPED(fd)
    int fd = -1;

    if (content_reopen(entry->fd, &fd, err) < 0)
        return -1;
    return copy_into_raw(pass, fd, &entry->st, ret_offset, err);
}

static int refer_to_content(void *arg, const struct walk_entry *entry, struct error *err)
{
    struct pass *pass = arg;
    struct precopy *precopy = pass->precopy;
    uint64_t offset = 0;

    int same = precopy->copied ? file_index_find(precopy->copied, entry->path, &entry->st, &offset, err) : 0;
    if (same < 0 || (!same && reread(pass, entry, &offset, err) < 0))
        return -1;
    return recipe_refer(precopy->recipe, offset, (uint64_t)entry->st.st_size, err);
}

static uint64_t length_of_recipe(void *arg)
{
    const struct pass *pass = arg;
    return recipe_length(pass->precopy->recipe);
}

int precopy_freeze(struct precopy *precopy, const struct walk_roots *roots, struct layer_progress *progress,
                   const bool *cancelled, struct error *err)
{
    struct pass pass = {.precopy = precopy, .roots = roots, .progress = progress, .cancelled = cancelled};

    assert(!precopy->recipe);
    if (recipe_new(precopy->dir, &precopy->recipe, err) < 0)
        return -1;
    const struct layer_output output = {.bytes = recipe_sink(precopy->recipe),
                                        .content = refer_to_content,
                                        .length = length_of_recipe,
                                        .arg = &pass};
    int answer =
        layer_write_tree(roots, &precopy->options, &output, progress, cancelled, &precopy->result, err);
    precopy->stats.reread_files = pass.files;
    precopy->stats.reread_bytes = pass.bytes;
    if (answer < 0 || tempfile_flush(precopy->raw, err) < 0)
        return -1;
    return recipe_seal(precopy->recipe, err);
}

/* ---- when it runs again ---- */

static int assemble(struct precopy *precopy, struct spool *spool, struct layer_progress *progress,
                    const bool *cancelled, struct layer_result *result, struct error *err)
{
    SCOPED(pipeline) struct pipeline *pipeline = NULL;

    if (pipeline_new(&precopy->options.compress, spool, progress ? &progress->bytes_written : NULL, &pipeline,
                     err) < 0 ||
        recipe_play(precopy->recipe, tempfile_get_fd(precopy->raw), pipeline, cancelled, err) < 0)
        return -1;
    return layer_finish_pipeline(pipeline, result, err);
}

int precopy_assemble(struct precopy *precopy, struct spool *spool, struct layer_progress *progress,
                     const bool *cancelled, struct layer_result *ret_result, struct error *err)
{
    struct layer_result result = precopy->result;

    assert(precopy->recipe);
    /* When this returns the pipeline is gone, and with it the worker that appends to the spool. */
    if (assemble(precopy, spool, progress, cancelled, &result, err) < 0) {
        spool_fail(spool, err);
        return -1;
    }
    spool_finish(spool);
    *ret_result = result;
    return 0;
}
