#include "committer-agent/node/logs.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

/* The container has ended and its last byte is in the log, or the pod is gone. */
static bool log_is_complete(struct node *node, const struct logs_request *request)
{
    SCOPED(pod) struct pod *pod = pods_find(node_get_pods(node), request->pod_uid, NULL, NULL);
    const struct pod_container *container = pod ? pod_container_get(pod, request->container) : NULL;

    return !container || container->reaped;
}

struct follow {
    int grown_fd;   /* inotify on the file */
    int changed_fd; /* eventfd: some pod changed */
    int stop_fd;
};

static void drain_fd(int fd)
{
    char events[4096];
    while (read(fd, events, sizeof(events)) > 0)
        ; /* both are non-blocking; what they say is only "look again" */
}

static int wait_for_more(const struct follow *follow, struct error *err)
{
    struct pollfd fds[] = {
        {.fd = follow->grown_fd, .events = POLLIN},
        {.fd = follow->changed_fd, .events = POLLIN},
        {.fd = follow->stop_fd, .events = POLLIN},
    };

    if (poll(fds, 3, -1) < 0 && errno != EINTR)
        return error_sys(err, errno, "waiting for the log to grow");
    if (fds[2].revents)
        return error_set(err, ERR_CANCELLED, "nobody reads the log any more");
    drain_fd(follow->grown_fd);
    drain_fd(follow->changed_fd);
    return 0;
}

/* Completeness is asked before the last reading, so nothing that came between the two is missed. */
static int follow_to_end(struct node *node, const struct logs_request *request, struct log_reader *reader,
                         const struct follow *follow, const struct log_sink *sink, struct error *err)
{
    for (;;) {
        bool complete = log_is_complete(node, request);
        if (log_reader_drain(reader, sink, err) < 0)
            return -1;
        if (complete)
            return 0;
        if (wait_for_more(follow, err) < 0)
            return -1;
    }
}

static int follow_log(struct node *node, const struct logs_request *request, struct log_reader *reader,
                      const struct log_sink *sink, struct error *err)
{
    SCOPED(fd) int grown_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    SCOPED(fd) int changed_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (grown_fd < 0 || changed_fd < 0 || inotify_add_watch(grown_fd, request->path, IN_MODIFY) < 0)
        return error_sys(err, errno, "watching %s", request->path);
    pods_add_listener(node_get_pods(node), changed_fd);
    struct follow follow = {.grown_fd = grown_fd, .changed_fd = changed_fd, .stop_fd = request->stop_fd};
    int result = follow_to_end(node, request, reader, &follow, sink, err);
    pods_remove_listener(node_get_pods(node), changed_fd);
    return result;
}

int logs_read(struct node *node, const struct logs_request *request, const struct log_sink *sink,
              struct error *err)
{
    SCOPED(log_reader) struct log_reader *reader = NULL;

    if (log_reader_open(request->path, request->tail_lines, &reader, err) < 0)
        return -1;
    if (request->follow ? follow_log(node, request, reader, sink, err) < 0
                        : log_reader_drain(reader, sink, err) < 0)
        return -1;
    return log_reader_finish(reader, sink, err);
}
