#include "committer-agent/layer/content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "committer-agent/layer/walk.h"

/* From here on the kernel is told to read ahead boldly. */
#define LARGE_FILE_BYTES ((off_t)1 << 20)

/* Below it, reading zeroes is cheaper than asking where the holes are. */
#define SMALL_RANGE_BYTES ((off_t)64 << 10)

static int changed(struct error *err, const char *what)
{
    (void)error_set(err, ERR_PRECONDITION, "the file %s while it was read; freeze the container first", what);
    return error_reason(err, "FileChanged");
}

static int span_of_pipeline(void *arg, void **ret_at, size_t *ret_room, struct error *err)
{
    return pipeline_span(arg, ret_at, ret_room, err);
}

static void advance_pipeline(void *arg, size_t length)
{
    pipeline_advance(arg, length);
}

struct content_target content_into_pipeline(struct pipeline *pipeline)
{
    return (struct content_target){.span = span_of_pipeline, .advance = advance_pipeline, .arg = pipeline};
}

static int check_cancelled(const struct content_context *context, struct error *err)
{
    if (context->cancelled && __atomic_load_n(context->cancelled, __ATOMIC_RELAXED))
        return error_set(err, ERR_CANCELLED, "capturing the layer: cancelled");
    return 0;
}

/* Room in the target for at most `left` bytes. */
static int room_for(const struct content_context *context, off_t left, void **ret_at, size_t *ret_room,
                    struct error *err)
{
    const struct content_target *to = &context->to;

    if (check_cancelled(context, err) < 0 || to->span(to->arg, ret_at, ret_room, err) < 0)
        return -1;
    if ((off_t)*ret_room > left)
        *ret_room = (size_t)left;
    return 0;
}

static int copy_hole(const struct content_context *context, off_t length, struct error *err)
{
    const struct content_target *to = &context->to;

    if (length > 0 && to->skip)
        return to->skip(to->arg, (uint64_t)length, err);
    while (length > 0) {
        void *at;
        size_t room;
        if (room_for(context, length, &at, &room, err) < 0)
            return -1;
        memset(at, 0, room);
        to->advance(to->arg, room);
        length -= (off_t)room;
    }
    return 0;
}

static int copy_bytes(const struct content_context *context, int fd, off_t from, off_t until,
                      struct error *err)
{
    const struct content_target *to = &context->to;

    while (from < until) {
        void *at;
        size_t room;
        if (room_for(context, until - from, &at, &room, err) < 0)
            return -1;
        ssize_t got = pread(fd, at, room, from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_sys(err, errno, "reading");
        if (got == 0)
            return changed(err, "shrank");
        to->advance(to->arg, (size_t)got);
        if (context->bytes_read)
            atomic_fetch_add_explicit(context->bytes_read, (unsigned long long)got, memory_order_relaxed);
        from += got;
    }
    return 0;
}

/* The next place of data at or behind from; size when there is none. */
static int next_data(int fd, off_t from, off_t size, off_t *ret_data, struct error *err)
{
    off_t data = lseek(fd, from, SEEK_DATA);

    if (data < 0 && errno == EINVAL) {
        *ret_data = from; /* this file system knows no holes */
        return 0;
    }
    if (data < 0 && errno != ENXIO)
        return error_sys(err, errno, "looking for data");
    *ret_data = data < 0 || data > size ? size : data;
    return 0;
}

static int next_hole(int fd, off_t from, off_t size, off_t *ret_hole, struct error *err)
{
    off_t hole = lseek(fd, from, SEEK_HOLE);

    if (hole < 0 && errno == ENXIO)
        return changed(err, "shrank");
    if (hole < 0 && errno != EINVAL)
        return error_sys(err, errno, "looking for a hole");
    *ret_hole = hole < 0 || hole > size ? size : hole;
    return 0;
}

static int copy_sparse(const struct content_context *context, int fd, off_t at, off_t until,
                       struct error *err)
{
    while (at < until) {
        off_t data = at, hole = until;
        if (next_data(fd, at, until, &data, err) < 0 || copy_hole(context, data - at, err) < 0)
            return -1;
        if (data == until)
            return 0;
        if (next_hole(fd, data, until, &hole, err) < 0 || copy_bytes(context, fd, data, hole, err) < 0)
            return -1;
        at = hole;
    }
    return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* ctime cannot be forged from inside a container, so a writer is found even when the size is what it was. */
static int check_unchanged(int fd, const struct stat *before, struct error *err)
{
    struct stat after;

    if (fstat(fd, &after) < 0)
        return error_sys(err, errno, "looking again");
    if (after.st_size != before->st_size)
        return changed(err, after.st_size > before->st_size ? "grew" : "shrank");
    if (!same_time(after.st_mtim, before->st_mtim) || !same_time(after.st_ctim, before->st_ctim))
        return changed(err, "was written to");
    return 0;
}

/* Reading must not move atimes; that flag is refused to those who are neither owner nor privileged. */
int content_reopen(int path_fd, int *ret_fd, struct error *err)
{
    if (walk_reopen(path_fd, O_RDONLY | O_NOATIME, ret_fd, err) == 0)
        return 0;
    return err->sys_errno == EPERM ? walk_reopen(path_fd, O_RDONLY, ret_fd, err) : -1;
}

int content_copy(const struct content_context *context, int fd, const struct stat *st, struct error *err)
{
    bool sparse = st->st_blocks * (off_t)512 < st->st_size;
    off_t size = st->st_size;

    if (size >= LARGE_FILE_BYTES)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint: without it the copy is only slower */
    if ((sparse ? copy_sparse(context, fd, 0, size, err) : copy_bytes(context, fd, 0, size, err)) < 0)
        return -1;
    return check_unchanged(fd, st, err);
}

int content_copy_range(const struct content_context *context, int fd, off_t offset, off_t length,
                       struct error *err)
{
    return length < SMALL_RANGE_BYTES ? copy_bytes(context, fd, offset, offset + length, err)
                                      : copy_sparse(context, fd, offset, offset + length, err);
}
