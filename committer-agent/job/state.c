#include "committer-agent/job/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "committer-agent/remove_tree/remove_tree.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "shared/base/ids.h"
#include "shared/log/log.h"

enum { LOOK_AGAIN_MS = 200 };

#define REMOVED_PREFIX ".removed." /* what a crash left of a folder that was being removed */

/* Is the locked file still the one that others would lock? Its folder may have been removed while we waited. */
static bool is_current(const char *lock_path, int lock_fd)
{
    struct stat ours, theirs;

    return fstat(lock_fd, &ours) == 0 && stat(lock_path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
           ours.st_dev == theirs.st_dev;
}

int job_state_take(const char *parent, const char *key, struct job_state *ret_state, struct error *err)
{
    SCOPED(string) char *dir = xasprintf("%s/%s", parent, key);
    SCOPED(string) char *lock_path = xasprintf("%s/job.lock", dir);
    SCOPED(fd) int lock_fd = -1;

    if (file_lock(lock_path, &lock_fd, err) < 0)
        return -1;
    if (!is_current(lock_path, lock_fd))
        return error_set(err, ERR_NOT_FOUND, "state folder %s was removed", dir);
    *ret_state =
        (struct job_state){.dir = TAKE(dir), .lock_fd = TAKE_FD(lock_fd), .owner = xasprintf("job %s", key)};
    return 0;
}

/* Another process has no event for us when it lets go of a file lock; a signal to stop ends the wait early. */
static bool wait_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    sigset_t pending;

    (void)sigpending(&pending);
    if (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT))
        return false;
    (void)nanosleep(&moment, NULL);
    return true;
}

static int take_in_turn(const char *parent, const char *key, int64_t wait_ms, struct job_state *ret_state,
                        struct error *err)
{
    SCOPED(string) char *dir = xasprintf("%s/%s", parent, key);
    int64_t until_ms = clock_monotonic_ms() + wait_ms;

    for (;;) {
        if (dir_ensure(dir, 0700, err) < 0)
            return -1;
        if (job_state_take(parent, key, ret_state, err) == 0)
            return 0;
        if (err->code != ERR_UNAVAILABLE && err->code != ERR_NOT_FOUND)
            return -1;
        if (clock_monotonic_ms() >= until_ms || !wait_a_moment()) {
            (void)error_set(err, ERR_UNAVAILABLE, "another process works on commit %s", key);
            return error_reason(err, "CommitInProgress");
        }
    }
}

/* Nothing keeps a second process of this key away, so neither may take what is frozen for its own. */
static int open_temporary(const char *key, struct job_state *ret_state, struct error *err)
{
    const char *parent = getenv("TMPDIR");
    SCOPED(string) char *dir = xasprintf("%s/stasis-job.XXXXXX", parent && *parent ? parent : "/tmp");

    if (!mkdtemp(dir))
        return error_sys(err, errno, "temporary state folder %s", dir);
    char *owner = xasprintf("job %s %s", key, dir);
    *ret_state = (struct job_state){.dir = TAKE(dir), .lock_fd = -1, .owner = owner, .temporary = true};
    return 0;
}

int job_state_open(const char *parent, const char *key, int64_t wait_ms, struct job_state *ret_state,
                   struct error *err)
{
    if (take_in_turn(parent, key, wait_ms, ret_state, err) == 0)
        return 0;
    if (strcmp(err->reason, "CommitInProgress") == 0)
        return -1;
    log_failure(LOG_WARN, "the state folder cannot be used: this commit is forgotten if its process dies",
                err, log_str("state_dir", parent));
    return open_temporary(key, ret_state, err);
}

static void remove_logged(const char *dir)
{
    struct error err;
    if (remove_tree(dir, &err) < 0)
        log_failure(LOG_WARN, "an old state folder stays", &err);
}

void job_state_remove(struct job_state *state)
{
    const char *slash = strrchr(state->dir, '/');
    char id[HEX_ID_SIZE];

    hex_id(id);
    SCOPED(string)
    char *away = xasprintf("%.*s/" REMOVED_PREFIX "%s", (int)(slash - state->dir), state->dir, id);
    if (rename(state->dir, away) == 0) /* at once: nobody may find half a folder */
        remove_logged(away);
    else
        log_warn("an old state folder stays", log_str("dir", state->dir), log_str("why", strerror(errno)));
    state->temporary = false;
}

void job_state_done(struct job_state *state)
{
    if (!state->dir)
        return;
    if (state->temporary)
        job_state_remove(state);
    if (state->lock_fd >= 0)
        (void)close(state->lock_fd); /* the lock goes with it */
    free(state->dir);
    free(state->owner);
    *state = (struct job_state){.lock_fd = -1};
}

int job_states_each(const char *parent, void (*each)(void *self, const char *key), void *self,
                    struct error *err)
{
    DIR *dir = opendir(parent);
    struct dirent *entry;

    if (!dir)
        return errno == ENOENT ? 0 : error_sys(err, errno, "reading the state folder %s", parent);
    while ((errno = 0, entry = readdir(dir))) {
        SCOPED(string) char *path = xasprintf("%s/%s", parent, entry->d_name);
        if (strncmp(entry->d_name, REMOVED_PREFIX, sizeof(REMOVED_PREFIX) - 1) == 0)
            remove_logged(path);
        else if (entry->d_name[0] != '.')
            each(self, entry->d_name);
    }
    int result = errno ? error_sys(err, errno, "reading the state folder %s", parent) : 0;
    (void)closedir(dir);
    return result;
}
