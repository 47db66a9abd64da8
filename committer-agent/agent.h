/* agent.h - what both ways of running share: the connection to containerd and the table of commits on a state
 * folder. */
#pragma once

#include "committer-agent/commit/commits.h"
#include "committer-agent/commit/meter.h"
#include "committer-agent/commit/space.h"
#include "committer-agent/settings.h"

struct agent {
    struct containerd *containerd;
    struct journal *journal;
    struct commits *commits;
    struct metrics *metrics;
    struct meter *meter;
    struct space *space; /* of the spool folder */
    struct niceness niceness;
    char *spool_dir;
    char *owner; /* of what it freezes */
    int lock_fd;
};

/* Takes the state folder for this process alone and settles what an earlier one left.
 * ERR_UNAVAILABLE: another agent has the folder, or containerd does not answer. */
int agent_open(struct agent *agent, const struct settings *settings, struct error *err);
void agent_close(struct agent *agent, int64_t grace_ms);

/* The daemon: serves until SIGTERM or SIGINT. */
int agent_serve(const struct settings *settings, struct error *err);

/* The commit Job's container, by the name image-committer (job/job.h). Answers the exit status. */
int image_committer(int argc, char **argv);

/* One-shot commands. Progress goes to stderr, the result as one JSON object to stdout. */
int oneshot_commit(const struct settings *settings, struct error *err);
int oneshot_unpause(const struct settings *settings, struct error *err);
