/* containerd/events.h - containerd's event stream, as far as containers and tasks go. */
#pragma once

#include "committer-agent/containerd/containerd.h"

enum container_event_kind {
    CONTAINER_EVENT_CREATED, /* the container record */
    CONTAINER_EVENT_UPDATED,
    CONTAINER_EVENT_DELETED,
    TASK_EVENT_STARTED,
    TASK_EVENT_EXITED, /* is_exec tells the task's end from an exec's */
    TASK_EVENT_DELETED,
    TASK_EVENT_OOM,
    TASK_EVENT_PAUSED,
    TASK_EVENT_RESUMED,
    CONTAINER_EVENT_MAX
};

struct container_event {
    enum container_event_kind kind;
    char container_id[128];
    char exec_id[128]; /* "" for the task itself */
    bool is_exec;
    uint32_t exit_status; /* TASK_EVENT_EXITED, TASK_EVENT_DELETED */
    int64_t at_unix_ms;   /* when containerd published it */
};

struct event_stream;

/* What happens from now on. Events are never repeated: who needs the whole picture subscribes first and lists
 * then. */
int event_stream_open(struct containerd *containerd, struct event_stream **ret_stream, struct error *err);
/* 1: *ret_event is filled; 0: containerd ended the stream; -1: it broke, or ERR_CANCELLED. Blocks. Events
 * that this header does not name are passed over. */
int event_stream_next(struct event_stream *stream, struct container_event *ret_event, struct error *err);
void event_stream_cancel(
    struct event_stream *stream); /* any thread; event_stream_next then answers ERR_CANCELLED */
void event_stream_free(struct event_stream *stream);
DEFINE_FREEP(event_stream, struct event_stream, event_stream_free)
