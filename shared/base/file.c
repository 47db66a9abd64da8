#include "shared/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

/* ---- reading ---- */

static void wipe_and_free(struct strbuf *buf)
{
    if (buf->bytes)
        explicit_bzero(buf->bytes, buf->capacity);
    strbuf_done(buf);
}

/* Moves the bytes to a larger place and wipes the old one, which realloc would not. */
static int move_to(struct strbuf *buf, size_t capacity, struct error *err)
{
    char *bytes = malloc(capacity);
    if (!bytes)
        return error_sys(err, ENOMEM, "%zu bytes of memory", capacity);
    if (buf->length)
        memcpy(bytes, buf->bytes, buf->length);
    size_t length = buf->length;
    wipe_and_free(buf);
    *buf = (struct strbuf){.bytes = bytes, .length = length, .capacity = capacity};
    return 0;
}

/* Reads until the end of the file. The size that stat told is only a first guess: /proc says 0. */
static int read_to_end(int fd, size_t guess_bytes, size_t max_bytes, struct strbuf *buf, struct error *err)
{
    size_t capacity = (guess_bytes < max_bytes ? guess_bytes : max_bytes) + 2; /* to see the end, and a NUL */
    for (;;) {
        if (buf->capacity < capacity && move_to(buf, capacity, err) < 0)
            return -1;
        ssize_t got = read(fd, buf->bytes + buf->length, buf->capacity - buf->length - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_sys(err, errno, "read");
        buf->length += (size_t)got;
        buf->bytes[buf->length] = '\0';
        if (buf->length > max_bytes)
            return error_set(err, ERR_EXHAUSTED, "larger than %zu bytes", max_bytes);
        if (got == 0)
            return 0;
        if (buf->length + 1 == buf->capacity)
            capacity = buf->capacity * 2;
    }
}

int file_read(const char *path, size_t max_bytes, struct strbuf *ret_bytes, struct error *err)
{
    struct strbuf buf = STRBUF_INIT;
    struct stat st;
    SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, errno, "%s", path);
    if (read_to_end(fd, (size_t)st.st_size, max_bytes, &buf, err) < 0) {
        wipe_and_free(&buf);
        return error_wrap(err, "%s", path);
    }
    strbuf_done(ret_bytes);
    *ret_bytes = buf;
    return 0;
}

/* ---- writing ---- */

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A rename or unlink is on the disk only once its folder is. */
static int sync_folder_of(const char *path, struct error *err)
{
    SCOPED(string) char *folder = folder_of(path);
    SCOPED(fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return error_sys(err, errno, "fsync of folder %s", folder);
    return 0;
}

static int write_all(int fd, const char *bytes, size_t length, struct error *err)
{
    while (length > 0) {
        ssize_t wrote = write(fd, bytes, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return error_sys(err, errno, "write");
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

static int fill_and_sync(int fd, const void *bytes, size_t length, mode_t mode, struct error *err)
{
    if (fchmod(fd, mode) < 0)
        return error_sys(err, errno, "fchmod");
    if (write_all(fd, bytes, length, err) < 0)
        return -1;
    if (fsync(fd) < 0)
        return error_sys(err, errno, "fsync");
    return 0;
}

/* A file under a name of its own, which goes again unless it is renamed away. */
struct neighbour {
    char *path;
    int fd;
};

static void neighbour_done(struct neighbour *neighbour)
{
    fd_freep(&neighbour->fd);
    if (neighbour->path)
        (void)unlink(neighbour->path); /* the write failed already: one more error helps nobody */
    free(neighbour->path);
}

static int neighbour_create(const char *path, struct neighbour *ret, struct error *err)
{
    SCOPED(string) char *folder = folder_of(path);
    SCOPED(string) char *name = xasprintf("%s/.%s.XXXXXX", folder, name_in(path));
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return error_sys(err, errno, "temporary file beside it");
    *ret = (struct neighbour){.path = TAKE(name), .fd = fd};
    return 0;
}

static int write_atomic(const char *path, const void *bytes, size_t length, mode_t mode, struct error *err)
{
    __attribute__((cleanup(neighbour_done))) struct neighbour temporary = {.fd = -1};

    if (neighbour_create(path, &temporary, err) < 0 ||
        fill_and_sync(temporary.fd, bytes, length, mode, err) < 0)
        return -1;
    if (rename(temporary.path, path) < 0)
        return error_sys(err, errno, "rename");
    free(TAKE(temporary.path));
    return sync_folder_of(path, err);
}

int file_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode, struct error *err)
{
    if (write_atomic(path, bytes, length, mode, err) < 0)
        return error_wrap(err, "writing %s", path);
    return 0;
}

int file_remove_durable(const char *path, struct error *err)
{
    if (unlink(path) < 0)
        return errno == ENOENT ? 0 : error_sys(err, errno, "removing %s", path);
    return sync_folder_of(path, err);
}

/* ---- folders and locks ---- */

static int dir_ensure_one(const char *path, mode_t mode, struct error *err)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return chmod(path, mode) == 0 ? 0 : error_sys(err, errno, "chmod of folder %s", path);
    if (errno != EEXIST)
        return error_sys(err, errno, "creating folder %s", path);
    if (stat(path, &st) < 0)
        return error_sys(err, errno, "folder %s", path);
    return S_ISDIR(st.st_mode) ? 0 : error_sys(err, ENOTDIR, "folder %s", path);
}

int dir_ensure(const char *path, mode_t mode, struct error *err)
{
    SCOPED(string) char *walk = xstrdup(path);
    for (char *at = walk; *at; at++) {
        if (*at != '/' || at == walk || at[-1] == '/')
            continue;
        *at = '\0';
        int done = dir_ensure_one(walk, mode, err);
        *at = '/';
        if (done < 0)
            return -1;
    }
    return dir_ensure_one(walk, mode, err);
}

int file_lock(const char *path, int *ret_fd, struct error *err)
{
    SCOPED(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_sys(err, errno, "lock file %s", path);
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return error_set(err, ERR_UNAVAILABLE,
                             "lock file %s: another running process holds it; stop that one first", path);
        if (errno != EINTR)
            return error_sys(err, errno, "lock file %s", path);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}
