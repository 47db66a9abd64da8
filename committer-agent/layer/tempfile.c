#include "committer-agent/layer/tempfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "committer-agent/layer/spool.h"
#include "shared/base/alloc.h"
#include "shared/base/ids.h"

#define WRITE_BUFFER_BYTES ((size_t)256 << 10)
#define READ_BUFFER_BYTES  ((size_t)64 << 10)

struct tempfile {
    int fd;
    bool failed;
    uint64_t flushed; /* length in the file, a hole at its end included */
    size_t buffered;
    char buffer[WRITE_BUFFER_BYTES]; /* what comes behind it */
};

struct tempfile_reader {
    int fd;
    uint64_t offset; /* in the file, of what comes behind the buffer */
    size_t at, length;
    char buffer[READ_BUFFER_BYTES];
};

static int storage_error(struct error *err, int sys_errno, const char *doing)
{
    error_sys(err, sys_errno, "%s a temporary file", doing);
    if (sys_errno == ENOSPC || sys_errno == EDQUOT)
        error_reason(err, "DiskFull");
    if (sys_errno == EFBIG)
        err->code = ERR_EXHAUSTED;
    return -1;
}

static int open_unnamed(const char *dir, int *ret_fd, struct error *err)
{
    char id[HEX_ID_SIZE];

    hex_id(id);
    SCOPED(string)
    char *path = xasprintf("%s/%s%s%s", dir, SPOOL_NAME_PREFIX, id, SPOOL_NAME_SUFFIX);
    SCOPED(fd)
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || unlink(path) < 0) {
        (void)storage_error(err, errno, "creating");
        return error_wrap(err, "%s", path);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int tempfile_new(const char *dir, struct tempfile **ret_file, struct error *err)
{
    int fd = -1;

    if (open_unnamed(dir, &fd, err) < 0)
        return -1;
    struct tempfile *file = xcalloc(1, sizeof(*file));
    file->fd = fd;
    *ret_file = file;
    return 0;
}

void tempfile_free(struct tempfile *file)
{
    if (!file)
        return;
    fd_freep(&file->fd);
    free(file);
}

static int write_buffer(struct tempfile *file, struct error *err)
{
    for (size_t done = 0; done < file->buffered;) {
        ssize_t wrote =
            pwrite(file->fd, file->buffer + done, file->buffered - done, (off_t)(file->flushed + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            file->failed = true;
            return storage_error(err, wrote < 0 ? errno : EIO, "writing");
        }
        done += (size_t)wrote;
    }
    file->flushed += file->buffered;
    file->buffered = 0;
    return 0;
}

int tempfile_span(struct tempfile *file, void **ret_at, size_t *ret_room, struct error *err)
{
    if (file->buffered == sizeof(file->buffer) && write_buffer(file, err) < 0)
        return -1;
    *ret_at = file->buffer + file->buffered;
    *ret_room = sizeof(file->buffer) - file->buffered;
    return 0;
}

void tempfile_advance(struct tempfile *file, size_t length)
{
    assert(length <= sizeof(file->buffer) - file->buffered);
    file->buffered += length;
}

int tempfile_write(struct tempfile *file, const void *bytes, size_t length, struct error *err)
{
    for (const char *at = bytes; length > 0;) {
        void *to;
        size_t room;
        if (tempfile_span(file, &to, &room, err) < 0)
            return -1;
        if (room > length)
            room = length;
        memcpy(to, at, room);
        tempfile_advance(file, room);
        at += room;
        length -= room;
    }
    return 0;
}

int tempfile_skip(struct tempfile *file, uint64_t length, struct error *err)
{
    if (length > (uint64_t)INT64_MAX - tempfile_length(file)) {
        file->failed = true;
        return storage_error(err, EFBIG, "writing");
    }
    if (write_buffer(file, err) < 0)
        return -1;
    file->flushed += length;
    return 0;
}

int tempfile_flush(struct tempfile *file, struct error *err)
{
    if (write_buffer(file, err) < 0)
        return -1;
    if (ftruncate(file->fd, (off_t)file->flushed) <
        0) { /* a hole at the end is not written by anything else */
        file->failed = true;
        return storage_error(err, errno, "extending");
    }
    return 0;
}

bool tempfile_has_failed(const struct tempfile *file)
{
    return file->failed;
}

void tempfile_write_back(struct tempfile *file)
{
    unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    (void)sync_file_range(file->fd, 0, 0, all); /* nothing depends on it but the time of later writes */
}

uint64_t tempfile_length(const struct tempfile *file)
{
    return file->flushed + file->buffered;
}

int tempfile_get_fd(const struct tempfile *file)
{
    return file->fd;
}

struct tempfile_reader *tempfile_reader_new(const struct tempfile *file)
{
    struct tempfile_reader *reader = xcalloc(1, sizeof(*reader));
    reader->fd = file->fd;
    return reader;
}

void tempfile_reader_free(struct tempfile_reader *reader)
{
    free(reader);
}

static int fill(struct tempfile_reader *reader, struct error *err)
{
    ssize_t got;

    do
        got = pread(reader->fd, reader->buffer, sizeof(reader->buffer), (off_t)reader->offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return storage_error(err, errno, "reading");
    reader->at = 0;
    reader->length = (size_t)got;
    reader->offset += (size_t)got;
    return 0;
}

int tempfile_reader_read(struct tempfile_reader *reader, void *into, size_t length, struct error *err)
{
    size_t done = 0;

    while (done < length) {
        if (reader->at == reader->length && fill(reader, err) < 0)
            return -1;
        if (reader->length == 0 && done > 0)
            return error_set(err, ERR_CORRUPT, "a temporary file ends %zu bytes too early", length - done);
        if (reader->length == 0)
            return 0;
        size_t part = reader->length - reader->at;
        if (part > length - done)
            part = length - done;
        memcpy((char *)into + done, reader->buffer + reader->at, part);
        reader->at += part;
        done += part;
    }
    return 1;
}
