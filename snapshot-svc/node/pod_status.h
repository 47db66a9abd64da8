/* pod_status.h - what the agent sees of a pod, in the words of a Pod's status. Pure.
 * Spec: Kubernetes docs, "Pod Lifecycle"; kubelet getPhase() for a pod with restartPolicy Never.
 *
 *   containers waiting, or init ones run -> Pending
 *   an init container failed             -> Failed
 *   all run (a frozen one runs)          -> Running, Ready
 *   some ended, some run                 -> Running, not Ready
 *   all ended: every exit code 0 / not   -> Succeeded / Failed
 *   the sandbox ended under them         -> Failed, PodSandboxEnded
 *
 * Each answer is a whole new status, the caller's; times of the old one are kept where nothing changed. */
#pragma once

#include <jansson.h>
#include <opensandbox/committer/v1/node_runtime.pb-c.h>
#include <stdbool.h>
#include <stdint.h>

typedef Opensandbox__Committer__V1__Pod pod_seen;

json_t *pod_status_seen(const json_t *pod, const pod_seen *seen, int64_t now_unix_ms);
/* Not started yet: every container waits for `reason`. */
json_t *pod_status_waiting(const json_t *pod, const char *reason, const char *message, int64_t now_unix_ms);
/* Never to run (again). exit_code -1: no container ever ran; else that of those that did not end by themselves. */
json_t *pod_status_failed(const json_t *pod, const char *reason, const char *message, int exit_code,
                          int64_t now_unix_ms);

/* A merge patch from the old status of the pod to the new one: {"metadata":{"uid":...},"status":{...}}; NULL: they are
 * equal. The caller's. */
json_t *pod_status_patch(const json_t *pod, const json_t *status);

bool pod_object_has_ended(const json_t *pod); /* phase Succeeded or Failed: for ever */
bool pod_has_started(const json_t *pod);      /* some container ran once */

/* RunPod has (more) work to do: a container was never started, and nothing forbids to. */
bool pod_seen_is_incomplete(const pod_seen *seen);
