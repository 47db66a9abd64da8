#include "committer-agent/layer/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/ids.h"

enum spool_state {
    SPOOL_GROWING,
    SPOOL_FINISHED,
    SPOOL_FAILED,
};

struct spool {
    atomic_uint references;

    char *path; /* set by spool_new, then read by anyone */
    int fd;

    pthread_mutex_t lock;  /* guards everything below */
    pthread_cond_t change; /* size, state, or some reader's cancellation */
    uint64_t size_bytes;
    enum spool_state state;
    struct error cause; /* SPOOL_FAILED only */
};

struct spool_reader {
    struct spool *spool;
    uint64_t offset; /* owner only */
    bool cancelled;  /* under the spool's lock */
};

/* A full disk is the one failure here that somebody outside can cure, so it has a name. */
static int storage_error(struct error *err, int sys_errno, const char *doing, const char *path)
{
    error_sys(err, sys_errno, "%s %s", doing, path);
    if (sys_errno == ENOSPC || sys_errno == EDQUOT)
        error_reason(err, "DiskFull");
    return -1;
}

static struct spool *spool_adopt_file(int fd, char *path)
{
    struct spool *spool = xcalloc(1, sizeof(*spool));

    atomic_init(&spool->references, 1);
    spool->path = path;
    spool->fd = fd;
    pthread_mutex_init(&spool->lock, NULL);
    pthread_cond_init(&spool->change, NULL);
    return spool;
}

int spool_new(const char *dir, struct spool **ret_spool, struct error *err)
{
    char id[HEX_ID_SIZE];

    hex_id(id);
    SCOPED(string)
    char *path = xasprintf("%s/%s%s%s", dir, SPOOL_NAME_PREFIX, id, SPOOL_NAME_SUFFIX);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return storage_error(err, errno, "creating spool file", path);
    *ret_spool = spool_adopt_file(fd, TAKE(path));
    return 0;
}

int spool_open(const char *path, uint64_t size_bytes, struct spool **ret_spool, struct error *err)
{
    struct stat st;
    SCOPED(fd)
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return storage_error(err, errno, "opening spool file", path);
    if (fstat(fd, &st) < 0)
        return storage_error(err, errno, "looking at spool file", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_CORRUPT, "spool file %s is not a regular file", path);
    if ((uint64_t)st.st_size != size_bytes)
        return error_set(err, ERR_CORRUPT, "spool file %s has %jd bytes, the journal says %ju", path,
                         (intmax_t)st.st_size, (uintmax_t)size_bytes);
    struct spool *spool = spool_adopt_file(TAKE_FD(fd), xstrdup(path));
    spool->size_bytes = size_bytes;
    spool->state = SPOOL_FINISHED;
    *ret_spool = spool;
    return 0;
}

struct spool *spool_ref(struct spool *spool)
{
    atomic_fetch_add_explicit(&spool->references, 1, memory_order_relaxed);
    return spool;
}

void spool_unref(struct spool *spool)
{
    if (!spool || atomic_fetch_sub_explicit(&spool->references, 1, memory_order_acq_rel) != 1)
        return;
    (void)close(spool->fd); /* who needs the bytes safe has called spool_sync() */
    pthread_cond_destroy(&spool->change);
    pthread_mutex_destroy(&spool->lock);
    free(spool->path);
    free(spool);
}

const char *spool_path(const struct spool *spool)
{
    return spool->path;
}

uint64_t spool_size_bytes(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    uint64_t size_bytes = spool->size_bytes;
    pthread_mutex_unlock(&spool->lock);
    return size_bytes;
}

int spool_append(struct spool *spool, const void *bytes, size_t length, struct error *err)
{
    const char *at = bytes;
    uint64_t offset = spool->size_bytes; /* only this thread changes it */

    assert(spool->state == SPOOL_GROWING);
    for (size_t left = length; left > 0;) {
        ssize_t wrote = pwrite(spool->fd, at, left, (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return storage_error(err, wrote < 0 ? errno : EIO, "writing spool file", spool->path);
        at += wrote;
        left -= (size_t)wrote;
        offset += (uint64_t)wrote;
    }
    pthread_mutex_lock(&spool->lock);
    spool->size_bytes = offset;
    pthread_cond_broadcast(&spool->change);
    pthread_mutex_unlock(&spool->lock);
    return 0;
}

static int append_to_spool(void *arg, const void *bytes, size_t length, struct error *err)
{
    return spool_append(arg, bytes, length, err);
}

struct byte_sink spool_sink(struct spool *spool)
{
    return (struct byte_sink){.write = append_to_spool, .arg = spool};
}

static void spool_end(struct spool *spool, enum spool_state state, const struct error *cause)
{
    pthread_mutex_lock(&spool->lock);
    if (spool->state == SPOOL_GROWING) {
        spool->state = state;
        if (cause)
            spool->cause = *cause;
        pthread_cond_broadcast(&spool->change);
    }
    pthread_mutex_unlock(&spool->lock);
}

void spool_finish(struct spool *spool)
{
    spool_end(spool, SPOOL_FINISHED, NULL);
}

void spool_fail(struct spool *spool, const struct error *cause)
{
    spool_end(spool, SPOOL_FAILED, cause);
}

static int sync_folder_of(const char *path, struct error *err)
{
    SCOPED(string)
    char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');

    assert(slash); /* spool_new() has joined dir and name by one */
    slash[slash == folder ? 1 : 0] = '\0';
    SCOPED(fd)
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return storage_error(err, errno, "syncing spool folder", folder);
    return 0;
}

int spool_sync(struct spool *spool, struct error *err)
{
    if (fdatasync(spool->fd) < 0)
        return storage_error(err, errno, "syncing spool file", spool->path);
    return sync_folder_of(spool->path, err);
}

int spool_unlink(struct spool *spool, struct error *err)
{
    if (unlink(spool->path) < 0 && errno != ENOENT)
        return storage_error(err, errno, "removing spool file", spool->path);
    return 0;
}

struct spool_reader *spool_reader_new(struct spool *spool, uint64_t offset)
{
    struct spool_reader *reader = xcalloc(1, sizeof(*reader));
    reader->spool = spool_ref(spool);
    reader->offset = offset;
    return reader;
}

void spool_reader_free(struct spool_reader *reader)
{
    if (!reader)
        return;
    spool_unref(reader->spool);
    free(reader);
}

static uint64_t available(const struct spool_reader *reader)
{
    uint64_t size_bytes = reader->spool->size_bytes;
    return size_bytes > reader->offset ? size_bytes - reader->offset : 0;
}

int spool_reader_wait(struct spool_reader *reader, uint64_t want_bytes, uint64_t *ret_available,
                      struct error *err)
{
    struct spool *spool = reader->spool;
    int answer = 0;

    pthread_mutex_lock(&spool->lock);
    while (!reader->cancelled && spool->state == SPOOL_GROWING && available(reader) < want_bytes)
        pthread_cond_wait(&spool->change, &spool->lock);
    if (reader->cancelled)
        answer = error_set(err, ERR_CANCELLED, "reading spool file %s: cancelled", spool->path);
    else if (spool->state == SPOOL_FAILED) {
        *err = spool->cause;
        answer = -1;
    } else
        *ret_available = available(reader);
    pthread_mutex_unlock(&spool->lock);
    return answer;
}

int spool_reader_read(struct spool_reader *reader, void *buffer, size_t capacity, size_t *ret_length,
                      struct error *err)
{
    uint64_t there = 0;
    ssize_t got;

    if (spool_reader_wait(reader, 1, &there, err) < 0)
        return -1;
    if (there < capacity)
        capacity = (size_t)there;
    if (capacity > 0) {
        do
            got = pread(reader->spool->fd, buffer, capacity, (off_t)reader->offset);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return storage_error(err, errno, "reading spool file", reader->spool->path);
        if (got == 0)
            return error_set(err, ERR_CORRUPT, "spool file %s was cut short by somebody else",
                             reader->spool->path);
        capacity = (size_t)got;
    }
    reader->offset += capacity;
    *ret_length = capacity;
    return 0;
}

uint64_t spool_reader_offset(const struct spool_reader *reader)
{
    return reader->offset;
}

void spool_reader_seek(struct spool_reader *reader, uint64_t offset)
{
    reader->offset = offset;
}

void spool_reader_cancel(struct spool_reader *reader)
{
    pthread_mutex_lock(&reader->spool->lock);
    reader->cancelled = true;
    pthread_cond_broadcast(&reader->spool->change);
    pthread_mutex_unlock(&reader->spool->lock);
}
