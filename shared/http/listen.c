#include "shared/http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

enum { BACKLOG = 1024 };

struct host_port {
    char *host; /* NULL: every address */
    const char *port;
};

static void host_port_done(struct host_port *split)
{
    free(split->host);
}

static int bad_address(const char *address, struct error *err)
{
    return error_set(err, ERR_INVALID, "address \"%s\": want host:port, [ipv6]:port or :port", address);
}

static int split_address(const char *address, struct host_port *ret_split, struct error *err)
{
    const char *colon = strrchr(address, ':');
    const char *host = address;

    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strlen(colon + 1) > 5 || strtoul(colon + 1, NULL, 10) > 65535)
        return bad_address(address, err);

    size_t length = (size_t)(colon - host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    } else if (memchr(host, ':', length)) {
        return bad_address(address, err);
    }
    ret_split->host = length ? xstrndup(host, length) : NULL;
    ret_split->port = colon + 1;
    return 0;
}

static int listen_on(const struct addrinfo *at, bool every_address)
{
    SCOPED(fd)
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1, off = 0;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -1;
    if (at->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, every_address ? &off : &on, sizeof(on)) < 0)
        return -1;
    if (bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return TAKE_FD(fd);
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t length = sizeof(at);

    if (getsockname(fd, (struct sockaddr *)&at, &length) < 0)
        return 0;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

/* IPv6 first: its wildcard also takes IPv4, the other way round it does not. */
static int listen_on_any(const struct addrinfo *list, bool every_address)
{
    static const int families[] = {AF_INET6, AF_INET};
    int sys_errno = EADDRNOTAVAIL;

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        for (const struct addrinfo *at = list; at; at = at->ai_next) {
            if (at->ai_family != families[i])
                continue;
            int fd = listen_on(at, every_address);
            if (fd >= 0)
                return fd;
            sys_errno = errno;
        }
    }
    errno = sys_errno;
    return -1;
}

int listen_tcp(const char *address, int *ret_fd, unsigned *ret_port, struct error *err)
{
    __attribute__((cleanup(host_port_done))) struct host_port split = {0};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;

    if (split_address(address, &split, err) < 0)
        return -1;
    int failed = getaddrinfo(split.host, split.port, &hints, &list);
    if (failed)
        return error_set(err, ERR_INVALID, "address \"%s\": %s", address, gai_strerror(failed));

    int fd = listen_on_any(list, split.host == NULL);
    int sys_errno = errno;
    freeaddrinfo(list);
    if (fd < 0 && sys_errno == EADDRINUSE)
        return error_set(err, ERR_UNAVAILABLE,
                         "address %s is in use: stop what listens there or choose another", address);
    if (fd < 0)
        return error_sys(err, sys_errno, "listening on %s", address);
    *ret_port = bound_port(fd);
    *ret_fd = fd;
    return 0;
}
