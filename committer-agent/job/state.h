/* state.h - the state folders of commit Jobs on this node: <parent>/<key>, each for one process at a time.
 *
 *   <parent>/<key>/job.lock    held while a process works on this key
 *                 /commits/    journal       /spool/     (agent.h)
 *
 * A folder that is removed is removed under its lock; who waited for the lock sees that, and makes it anew. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

struct job_state {
    char *dir; /* NULL: none */
    int lock_fd;
    char *owner;    /* of what is frozen meanwhile (commit/run.h) */
    bool temporary; /* nobody finds it again: it goes with this process */
};

enum { JOB_LOCK_WAIT_MS = 5 * 60 * 1000 };

/* Makes the folder, or takes over what an earlier process left in it; waits up to wait_ms while another one works on
 * the key. With a parent that cannot be used it is a temporary folder, said in the log. The caller has blocked SIGTERM
 * and SIGINT: one that comes ends the wait, and stays pending. ERR_UNAVAILABLE, CommitInProgress: the wait is over. */
int job_state_open(const char *parent, const char *key, int64_t wait_ms, struct job_state *ret_state,
                   struct error *err);
/* ERR_NOT_FOUND: there is no such folder. ERR_UNAVAILABLE: somebody works on it. Does not wait. */
int job_state_take(const char *parent, const char *key, struct job_state *ret_state, struct error *err);

/* Removes the folder with all that is in it. Only for one that owes nothing. */
void job_state_remove(struct job_state *state);
/* Lets go of it: another process may take it. A temporary one is removed. */
void job_state_done(struct job_state *state);
#define SCOPED_JOB_STATE __attribute__((cleanup(job_state_done)))

/* Calls back with every key that has a folder. A missing parent has none. */
int job_states_each(const char *parent, void (*each)(void *self, const char *key), void *self,
                    struct error *err);
