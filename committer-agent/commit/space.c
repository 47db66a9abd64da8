#include "committer-agent/commit/space.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/statvfs.h>

#include "shared/base/alloc.h"

enum { INODES_MIN_FREE = 64 }; /* a commit makes a handful of files; the journal must never lack one */

struct space_claim {
    struct space *space;
    uint64_t bytes;
    const atomic_ullong *written; /* or NULL */
    uint64_t written_before;      /* its value at the start */
    struct space_claim *next;
};

struct space {
    char *dir;
    uint64_t min_free_bytes;

    pthread_mutex_t lock;
    struct space_claim *claims; /* under the lock; owned by those who reserved */
};

struct space *space_new(const char *dir, uint64_t min_free_bytes)
{
    struct space *space = xcalloc(1, sizeof(*space));

    space->dir = xstrdup(dir);
    space->min_free_bytes = min_free_bytes;
    (void)pthread_mutex_init(&space->lock, NULL); /* cannot fail on Linux */
    return space;
}

void space_free(struct space *space)
{
    if (!space)
        return;
    (void)pthread_mutex_destroy(&space->lock);
    free(space->dir);
    free(space);
}

static uint64_t unwritten_bytes(const struct space_claim *claim)
{
    uint64_t written = claim->written ? atomic_load(claim->written) - claim->written_before : 0;
    return written < claim->bytes ? claim->bytes - written : 0;
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Lock held. */
static uint64_t promised(const struct space *space)
{
    uint64_t bytes = 0;
    for (const struct space_claim *claim = space->claims; claim; claim = claim->next)
        bytes = add_saturating(bytes, unwritten_bytes(claim));
    return bytes;
}

uint64_t space_promised_bytes(struct space *space)
{
    (void)pthread_mutex_lock(&space->lock);
    uint64_t bytes = promised(space);
    (void)pthread_mutex_unlock(&space->lock);
    return bytes;
}

static int say_full(struct error *err)
{
    return error_reason(err, "DiskFull");
}

/* Lock held: two that ask at once must not get the same bytes. */
static int check(const struct space *space, uint64_t bytes, struct error *err)
{
    uint64_t others = promised(space); /* first: what is written in between is counted twice, not never */
    struct statvfs fs;

    if (statvfs(space->dir, &fs) < 0)
        return error_sys(err, errno, "looking at the free space of %s", space->dir);
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes < add_saturating(bytes, add_saturating(others, space->min_free_bytes))) {
        (void)error_set(err, ERR_EXHAUSTED,
                        "%s has %" PRIu64 " MiB free; this commit wants %" PRIu64
                        " of them, running ones %" PRIu64 ", and %" PRIu64
                        " must stay free (--spool-min-free-mib): free some space on this node",
                        space->dir, free_bytes >> 20, bytes >> 20, others >> 20, space->min_free_bytes >> 20);
        return say_full(err);
    }
    if (fs.f_files > 0 && fs.f_favail < INODES_MIN_FREE) { /* 0: the filesystem makes them as needed */
        (void)error_set(err, ERR_EXHAUSTED,
                        "%s has room for %llu more files, want %d: remove some on this node", space->dir,
                        (unsigned long long)fs.f_favail, INODES_MIN_FREE);
        return say_full(err);
    }
    return 0;
}

int space_reserve(struct space *space, uint64_t bytes, const atomic_ullong *written,
                  struct space_claim **ret_claim, struct error *err)
{
    SCOPED(memory) struct space_claim *claim = xcalloc(1, sizeof(*claim));

    *claim = (struct space_claim){.space = space,
                                  .bytes = bytes,
                                  .written = written,
                                  .written_before = written ? atomic_load(written) : 0};
    (void)pthread_mutex_lock(&space->lock);
    int result = check(space, bytes, err);
    if (result == 0) {
        claim->next = space->claims;
        space->claims = claim;
        *ret_claim = TAKE(claim);
    }
    (void)pthread_mutex_unlock(&space->lock);
    return result;
}

void space_release(struct space_claim *claim)
{
    if (!claim)
        return;
    struct space *space = claim->space;
    (void)pthread_mutex_lock(&space->lock);
    struct space_claim **link = &space->claims;
    while (*link != claim)
        link = &(*link)->next;
    *link = claim->next;
    (void)pthread_mutex_unlock(&space->lock);
    free(claim);
}
