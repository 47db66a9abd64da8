#include "tests/integration/commit/agent_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "tests/unit/testing.h"

enum { START_MS = 60000, DEATH_MS = 60000 };

/* The environment of the test and one setting (or NULL) more, which is borrowed. The caller frees the list. */
static char **environment_with(char *setting)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **all = xcalloc(count + 2, sizeof(*all));
    memcpy(all, environ, count * sizeof(*all));
    all[count] = setting;
    return all;
}

static void spawn(struct agent_process *agent, char *setting)
{
    SCOPED(string) char *address = xasprintf("--address=unix:%s/agent.sock", agent->dir);
    SCOPED(string) char *socket = xasprintf("--containerd-socket-path=%s", agent->containerd_socket);
    SCOPED(string) char *state = xasprintf("--state-dir=%s", agent->dir);
    SCOPED(string) char *log = xasprintf("%s/log", agent->dir);
    SCOPED(memory) char **environment = environment_with(setting);
    char *const argv[] = {(char *)(uintptr_t)agent->program, address, socket, state,
                          (char *)"--spool-min-free-mib=0",  NULL};
    posix_spawn_file_actions_t files;

    assert_int_equal(posix_spawn_file_actions_init(&files), 0);
    assert_int_equal(
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0600), 0);
    assert_int_equal(posix_spawn(&agent->pid, agent->program, &files, NULL, argv, environment), 0);
    (void)posix_spawn_file_actions_destroy(&files);
}

static bool answers(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    SCOPED(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static void start(struct agent_process *agent, char *setting)
{
    SCOPED(string) char *socket_path = xasprintf("%s/agent.sock", agent->dir);
    SCOPED(string) char *target = xasprintf("unix:%s", socket_path);
    int64_t until_ms = clock_monotonic_ms() + START_MS;

    spawn(agent, setting);
    while (!answers(socket_path)) { /* nobody announces it */
        if (clock_monotonic_ms() > until_ms || waitpid(agent->pid, NULL, WNOHANG) != 0)
            fail_msg("the agent does not serve: see %s/log", agent->dir);
        (void)poll(NULL, 0, 5);
    }
    agent->channel = rpc_channel_new(target, &(struct rpc_channel_options){.name = "committer-agent"});
}

void agent_start(struct agent_process *agent, const char *point)
{
    SCOPED(string) char *setting = point ? xasprintf("STASIS_FAILPOINT=%s", point) : NULL;
    start(agent, setting);
}

void agent_start_forgetful(struct agent_process *agent)
{
    start(agent, (char *)"STASIS_RETENTION_MS=0");
}

static void bury(struct agent_process *agent)
{
    rpc_channel_free(agent->channel);
    agent->channel = NULL;
    agent->pid = 0;
}

bool agent_was_killed(struct agent_process *agent)
{
    struct pollfd death = {.fd = (int)syscall(SYS_pidfd_open, agent->pid, 0), .events = POLLIN};
    int status = 0;

    assert_true(death.fd >= 0);
    int ended = poll(&death, 1, DEATH_MS);
    (void)close(death.fd);
    if (ended <= 0)
        return false;
    assert_int_equal(waitpid(agent->pid, &status, 0), agent->pid);
    bury(agent);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the agent ended by itself (status %#x): see %s/log", (unsigned)status, agent->dir);
    return true;
}

void agent_kill(struct agent_process *agent)
{
    if (!agent->pid)
        return;
    (void)kill(agent->pid, SIGKILL);
    (void)waitpid(agent->pid, NULL, 0);
    bury(agent);
}

bool agent_dies_at_start(struct agent_process *agent, const char *point)
{
    SCOPED(string) char *setting = xasprintf("STASIS_FAILPOINT=%s", point);

    spawn(agent, setting);
    return agent_was_killed(agent);
}
