#include "shared/rpc/listen_priv.h"

#include <errno.h>
#include <grpc/grpc_security.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"

#define SOCKET_UMASK 0177 /* leaves 0600: read and write for the owner */

/* NULL: not a unix socket's address. Takes both spellings, unix:/path and unix:///path. */
static const char *unix_path(const char *address)
{
    if (strncmp(address, "unix:", 5) != 0)
        return NULL;
    const char *path = address + 5;
    return strncmp(path, "///", 3) == 0 ? path + 2 : path;
}

static int unix_address(const char *path, struct sockaddr_un *out, struct error *err)
{
    size_t length = strlen(path);

    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] != '/' || length >= sizeof(out->sun_path))
        return error_set(err, ERR_INVALID, "unix:%s: want an absolute path of at most %zu bytes", path,
                         sizeof(out->sun_path) - 1);
    memcpy(out->sun_path, path, length + 1);
    return 0;
}

/* The core replaces whatever socket file is there, even a live one, of a program that knows nothing of our
 * lock. */
static int refuse_living_socket(const struct sockaddr_un *address, struct error *err)
{
    SCOPED(fd)
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (probe < 0)
        return error_sys(err, errno, "socket");
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return 0; /* nobody answers: no file, or a stale one */
    return error_set(err, ERR_UNAVAILABLE,
                     "unix:%s: another process serves there; stop it or choose another path",
                     address->sun_path);
}

/* Only a socket may be replaced: a file of another kind is somebody's mistake. */
static int refuse_other_file(const char *path, struct error *err)
{
    struct stat st;

    if (lstat(path, &st) < 0 || S_ISSOCK(st.st_mode))
        return 0;
    return error_set(err, ERR_EXISTS, "unix:%s: there is a file that is not a socket; move it away", path);
}

static int unix_prepare(const char *path, int *ret_lock_fd, struct error *err)
{
    SCOPED(string)
    char *lock_path = xasprintf("%s.lock", path);
    struct sockaddr_un address;
    SCOPED(fd)
    int lock_fd = -1;

    if (unix_address(path, &address, err) < 0)
        return -1;
    if (file_lock(lock_path, &lock_fd, err) < 0)
        return error_wrap(err, "listening on unix:%s", path);
    if (refuse_living_socket(&address, err) < 0 || refuse_other_file(path, err) < 0)
        return -1;
    *ret_lock_fd = TAKE_FD(lock_fd);
    return 0;
}

/* The core says only that it failed: binding once more ourselves tells why. */
static int explain_socket(const char *address, const struct sockaddr *where, socklen_t length,
                          struct error *err)
{
    SCOPED(fd)
    int fd = socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, where, length) == 0)
        return error_set(err, ERR_UNAVAILABLE, "listening on %s failed, and then it was free: try again",
                         address);
    if (errno == EADDRINUSE)
        return error_set(err, ERR_UNAVAILABLE,
                         "%s: another process serves there; stop it or choose another port", address);
    return error_sys(err, errno, "listening on %s", address);
}

static int explain_tcp(const char *address, struct error *err)
{
    const char *colon = strrchr(address, ':');
    const char *start = address[0] == '[' ? address + 1 : address;
    const char *end = address[0] == '[' ? colon - 1 : colon;
    SCOPED(string)
    char *host = xstrndup(start, (size_t)(end - start));
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE},
                    *found = NULL;

    int failure = getaddrinfo(host, colon + 1, &hints, &found);
    if (failure)
        return error_set(err, ERR_INVALID, "listening on %s: %s; want host:port", address,
                         gai_strerror(failure));
    (void)explain_socket(address, found->ai_addr, found->ai_addrlen, err);
    freeaddrinfo(found);
    return -1;
}

static int explain(const char *address, struct error *err)
{
    const char *path = unix_path(address);
    struct sockaddr_un where;

    if (!path)
        return explain_tcp(address, err);
    if (unix_address(path, &where, err) < 0)
        return -1;
    return explain_socket(address, (const struct sockaddr *)&where, sizeof(where), err);
}

static int bind_core(grpc_server *core, const char *address, grpc_server_credentials *credentials)
{
    mode_t before = unix_path(address) ? umask(SOCKET_UMASK) : 0;
    int port = grpc_server_add_http2_port(core, address, credentials);

    if (unix_path(address))
        (void)umask(before);
    grpc_server_credentials_release(credentials);
    return port;
}

static int add_port(grpc_server *core, const char *address, const struct rpc_server_options *options,
                    struct rpc_listener *listener, struct error *err)
{
    grpc_server_credentials *credentials = NULL;

    if (rpc_server_credentials(address, options, &credentials, &listener->tls, err) < 0)
        return -1;
    int port = bind_core(core, address, credentials);
    if (port <= 0) {
        rpc_listener_tls_free(listener->tls);
        return explain(address, err);
    }
    listener->port = unix_path(address) ? 0 : port;
    return 0;
}

int rpc_listen(grpc_server *core, const char *address, const struct rpc_server_options *options,
               struct rpc_listener *ret_listener, struct error *err)
{
    const char *path = unix_path(address);
    struct rpc_listener listener = {.lock_fd = -1};
    SCOPED(fd)
    int lock_fd = -1;

    if (path && unix_prepare(path, &lock_fd, err) < 0)
        return -1;
    if (add_port(core, address, options, &listener, err) < 0)
        return -1;
    listener.lock_fd = TAKE_FD(lock_fd);
    *ret_listener = listener;
    return 0;
}

void rpc_listener_done(struct rpc_listener *listener)
{
    if (listener->lock_fd >= 0)
        (void)close(listener->lock_fd); /* lets the lock go; nothing was written */
    rpc_listener_tls_free(listener->tls);
}
