/* node/pods.h - the pods of this node as last seen, and who wants to hear of changes.
 *
 * A watch first hears every pod, then every change; a pod that changes faster than its watcher reads is told
 * once, as it is then, so nothing queues up. Threads: any. */
#pragma once

#include "committer-agent/node/pod.h"
#include "shared/base/error.h"

struct pods;
struct pods_watch;

struct pods *pods_new(void);
void pods_free(struct pods *pods); /* no watch may be left */
DEFINE_FREEP(pods, struct pods, pods_free)

/* Takes the pod over; says nothing when it is as before. POD_GONE drops it, which watches are told, too. */
void pods_adopt(struct pods *pods, struct pod *pod);
/* What is not among the uids is gone (after a new listing). */
void pods_keep_only(struct pods *pods, const char *const *uids, size_t count);
/* The picture is complete: watches may begin. */
void pods_set_synced(struct pods *pods);

/* A copy, NULL when unknown. By uid when it is not empty, else by namespace and name. */
struct pod *pods_find(struct pods *pods, const char *uid, const char *pod_namespace, const char *name);
/* The pod that the container (or sandbox) belongs to: its uid, NULL when unknown. The caller frees. */
char *pods_uid_of_container(struct pods *pods, const char *container_id);

/* Writes 1 to the eventfd at each change, until it is removed. */
void pods_add_listener(struct pods *pods, int event_fd);
void pods_remove_listener(struct pods *pods, int event_fd);

struct pods_watch *pods_watch_new(struct pods *pods);
void pods_watch_free(struct pods_watch *watch);
DEFINE_FREEP(pods_watch, struct pods_watch, pods_watch_free)
/* 1: *ret_pod is the caller's; it is NULL once, at the end of the list. ERR_CANCELLED. Blocks. */
int pods_watch_next(struct pods_watch *watch, struct pod **ret_pod, bool *ret_initial, struct error *err);
void pods_watch_cancel(struct pods_watch *watch); /* any thread */
