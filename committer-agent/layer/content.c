#include "committer-agent/layer/content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* From here on the kernel is told to read ahead boldly. */
#define LARGE_FILE_BYTES ((off_t)1 << 20)

static int changed(struct error *err, const char *what)
{
    (void)error_set(err, ERR_PRECONDITION, "the file %s while it was read; freeze the container first", what);
    return error_reason(err, "FileChanged");
}

static int check_cancelled(const struct content_context *to, struct error *err)
{
    if (to->cancelled && __atomic_load_n(to->cancelled, __ATOMIC_RELAXED))
        return error_set(err, ERR_CANCELLED, "capturing the layer: cancelled");
    return 0;
}

/* Room in the pipeline for at most `left` bytes. */
static int room_for(const struct content_context *to, off_t left, void **ret_at, size_t *ret_room,
                    struct error *err)
{
    if (check_cancelled(to, err) < 0 || pipeline_span(to->pipeline, ret_at, ret_room, err) < 0)
        return -1;
    if ((off_t)*ret_room > left)
        *ret_room = (size_t)left;
    return 0;
}

static void filled(const struct content_context *to, size_t length)
{
    pipeline_advance(to->pipeline, length);
    tar_writer_content_passed(to->tar, length);
}

static int copy_zeroes(const struct content_context *to, off_t length, struct error *err)
{
    while (length > 0) {
        void *at;
        size_t room;
        if (room_for(to, length, &at, &room, err) < 0)
            return -1;
        memset(at, 0, room);
        filled(to, room);
        length -= (off_t)room;
    }
    return 0;
}

static int copy_bytes(const struct content_context *to, int fd, off_t from, off_t until, struct error *err)
{
    while (from < until) {
        void *at;
        size_t room;
        if (room_for(to, until - from, &at, &room, err) < 0)
            return -1;
        ssize_t got = pread(fd, at, room, from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_sys(err, errno, "reading");
        if (got == 0)
            return changed(err, "shrank");
        filled(to, (size_t)got);
        if (to->bytes_read)
            atomic_fetch_add_explicit(to->bytes_read, (unsigned long long)got, memory_order_relaxed);
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

static int copy_sparse(const struct content_context *to, int fd, off_t size, struct error *err)
{
    for (off_t at = 0; at < size;) {
        off_t data = at, hole = size;
        if (next_data(fd, at, size, &data, err) < 0 || copy_zeroes(to, data - at, err) < 0)
            return -1;
        if (data == size)
            return 0;
        if (next_hole(fd, data, size, &hole, err) < 0 || copy_bytes(to, fd, data, hole, err) < 0)
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

int content_copy(const struct content_context *to, int fd, const struct stat *st, struct error *err)
{
    bool sparse = st->st_blocks * (off_t)512 < st->st_size;

    if (st->st_size >= LARGE_FILE_BYTES)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint: without it the copy is only slower */
    if ((sparse ? copy_sparse(to, fd, st->st_size, err) : copy_bytes(to, fd, 0, st->st_size, err)) < 0)
        return -1;
    return check_unchanged(fd, st, err);
}
