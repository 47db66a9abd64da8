#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "committer-agent/containerd/connection.h"
#include "shared/base/alloc.h"
#include "shared/base/file.h"

enum { STATUS_MAX_BYTES = 64 << 10 };

static int differ(struct error *err)
{
    return error_set(
        err, ERR_PRECONDITION,
        "process numbers here are not containerd's, so nobody could be killed by them: run the agent in "
        "the node's PID namespace (hostPID: true)");
}

/* The kernel tells who listens, by its number in our namespace: 0 when it has none there. */
static int peer_of(const char *socket_path, pid_t *ret_pid, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer;
    socklen_t length = sizeof(peer);
    SCOPED(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(socket_path) >= sizeof(address.sun_path))
        return error_set(err, ERR_INVALID, "%s: want a socket path below %zu bytes", socket_path,
                         sizeof(address.sun_path));
    memcpy(address.sun_path, socket_path, strlen(socket_path));
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return error_sys(err, errno, "asking who listens at %s", socket_path);
    *ret_pid = peer.pid;
    return 0;
}

/* "NSpid:\t812\t14": in our namespace, then in each one below it down to the process's own. */
static bool has_one_number(const char *status)
{
    const char *line = strstr(status, "\nNSpid:\t");
    if (!line)
        return true; /* a kernel without PID namespaces */
    line += strlen("\nNSpid:\t");
    return line[strspn(line, "0123456789")] == '\n';
}

int containerd_check_pids(struct containerd *containerd, struct error *err)
{
    SCOPED_STRBUF struct strbuf status = STRBUF_INIT;
    pid_t peer = 0;

    if (peer_of(containerd->socket, &peer, err) < 0)
        return -1;
    if (peer <= 0)
        return differ(err);
    SCOPED(string) char *path = xasprintf("/proc/%d/status", (int)peer);
    if (file_read(path, STATUS_MAX_BYTES, &status, err) < 0)
        return error_wrap(err, "looking at containerd's process");
    return has_one_number(strbuf_text(&status)) ? 0 : differ(err);
}
