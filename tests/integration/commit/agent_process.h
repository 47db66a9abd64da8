/* agent_process.h - the real agent as a process of its own, which can be made to die at a failpoint, and calls to it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "opensandbox/committer/v1/committer.pb-c.h"
#include "shared/base/error.h"
#include "shared/rpc/client.h"

struct agent_process {
    const char *program, *containerd_socket; /* borrowed */
    char *dir;                               /* state folder, socket, log */
    pid_t pid;                               /* 0: not running */
    struct rpc_channel *channel;
};

/* Of the gRPC service that the agent offers. */
#define COMMITTER (&opensandbox__committer__v1__committer__descriptor)

/* Both return when it serves. point: "name" or "name:pass", NULL for none. */
void agent_start(struct agent_process *agent, const char *point);
/* One that forgets what is finished and gone at once, not after an hour. */
void agent_start_forgetful(struct agent_process *agent);
/* One that dies at the point before it serves, while it settles what an earlier one left; false: it did not. */
bool agent_dies_at_start(struct agent_process *agent, const char *point);
/* Has it died of SIGKILL? Waits a moment for one that is about to. */
bool agent_was_killed(struct agent_process *agent);
/* Kills it wherever it is; nothing when it is dead. */
void agent_kill(struct agent_process *agent);
