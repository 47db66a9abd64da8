#include "committer-agent/agent.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"

static int open_state(struct agent *agent, const struct settings *settings, struct error *err)
{
    SCOPED(string) char *lock_path = xasprintf("%s/lock", settings->state_dir);

    agent->spool_dir = xasprintf("%s/spool", settings->state_dir);
    if (dir_ensure(settings->state_dir, 0700, err) < 0 || dir_ensure(agent->spool_dir, 0700, err) < 0)
        return error_wrap(err, "--state-dir");
    if (file_lock(lock_path, &agent->lock_fd, err) < 0)
        return error_wrap(err, "another agent uses --state-dir %s", settings->state_dir);
    return journal_open(settings->state_dir, &agent->journal, err);
}

/* The folder, by the one name that every process has for it. */
static char *owner_of(const struct settings *settings)
{
    SCOPED(string) char *dir = realpath(settings->state_dir, NULL);

    if (settings->owner)
        return xstrdup(settings->owner);
    return xasprintf("agent %s", dir ? dir : settings->state_dir);
}

static unsigned compression_threads(const struct settings *settings)
{
    enum { THREADS_MAX = 8 }; /* a few MiB each */
    cpu_set_t cpus;

    if (settings->compression_threads > 0)
        return (unsigned)settings->compression_threads;
    int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return (unsigned)(count < THREADS_MAX ? count : THREADS_MAX);
}

int agent_open(struct agent *agent, const struct settings *settings, struct error *err)
{
    SCOPED(string) char *version = NULL;

    *agent = (struct agent){.lock_fd = -1};
    if (open_state(agent, settings, err) < 0) {
        agent_close(agent, 0);
        return -1;
    }
    agent->owner = owner_of(settings);
    agent->niceness = settings->niceness;
    agent->metrics = metrics_new();
    agent->meter = meter_new(agent->metrics, (unsigned)settings->slots);
    agent->space = space_new(agent->spool_dir, (uint64_t)settings->spool_min_free_mib << 20);
    agent->containerd = containerd_new(settings->containerd_socket, settings->containerd_namespace);
    const struct commits_options options = {.env = {.containerd = agent->containerd,
                                                    .journal = agent->journal,
                                                    .spool_dir = agent->spool_dir,
                                                    .owner = agent->owner,
                                                    .space = agent->space,
                                                    .meter = agent->meter,
                                                    .niceness = &agent->niceness,
                                                    .compression_level = (int)settings->compression_level,
                                                    .compression_threads = compression_threads(settings),
                                                    .registry_ca_file = settings->registry_ca_file,
                                                    .user_agent = "stasis/" STASIS_VERSION,
                                                    .hands_over = settings->hands_over,
                                                    .warm_retention_ms = settings->warm_retention_ms,
                                                    .layers_max = (unsigned)settings->image_layers_max},
                                            .slots = (unsigned)settings->slots};
    if (containerd_version(agent->containerd, &version, err) < 0) {
        agent_close(agent, 0);
        return error_wrap(err, "containerd at %s (--containerd-socket-path)", settings->containerd_socket);
    }
    if (commits_open(&options, &agent->commits, err) < 0) {
        agent_close(agent, 0);
        return -1;
    }
    log_info("agent ready", log_str("containerd", version), log_str("state_dir", settings->state_dir));
    return 0;
}

void agent_close(struct agent *agent, int64_t grace_ms)
{
    if (agent->commits)
        commits_close(agent->commits, grace_ms);
    commits_free(agent->commits);
    journal_free(agent->journal);
    containerd_free(agent->containerd);
    space_free(agent->space);
    meter_free(agent->meter);
    metrics_free(agent->metrics);
    free(agent->spool_dir);
    free(agent->owner);
    if (agent->lock_fd >= 0)
        (void)close(agent->lock_fd); /* the lock goes with it */
    *agent = (struct agent){.lock_fd = -1};
}
