/* kube.h - the cluster port on a Kubernetes API server (v1.20 and later).
 *
 * Login: a kubeconfig file, or the pod's service account. Its token is read again when the file changes (bound tokens
 * rotate); certificates and CAs are read once. exec plugins, auth-providers and passwords are refused.
 *
 * Connections: all calls of all threads share one (HTTP/2; see shared/http/mux.h). Each watch has its own, kept for the
 * next watch: a handler that is slow stops nobody else.
 *
 * Calls: qps and burst bound them together, first come first served; calls on Events have as much again for themselves,
 * so that nothing else waits for them; watches do not count. 429 and 503 with Retry-After are waited for and tried again
 * within KUBE_CALL_BUDGET_MS. Nothing else is tried again here: a write whose answer was lost (ERR_UNAVAILABLE,
 * ERR_TIMEOUT) may have happened, and its caller looks before it acts again.
 *
 * Objects: metadata.managedFields is left out. An object that we cannot read (an integer beyond 64 bits, say) is
 * missing from lists and watches, with a warning in the log, so that nobody's object hides those of others.
 *
 * Errors: the API server's own words, bounded and cleaned. ERR_NOT_FOUND only when it says that this very name is not
 * there: a kind that it does not know (CRDs missing, or a server still starting) is ERR_UNAVAILABLE. */
#pragma once

#include "shared/base/error.h"
#include "snapshot-svc/cluster/cluster.h"

#define KUBE_CALL_BUDGET_MS (30 * 1000)

struct cluster_kube_options {
    const char *kubeconfig;          /* NULL: the pod's service account */
    const char *service_account_dir; /* NULL: where kubelet mounts it */
    unsigned qps, burst;             /* 0: 100 and 200; Events have as much again */
    const char *user_agent;          /* NULL: "stasis/<version>" */
    unsigned watch_min_s;            /* a watch is asked to last so long, or up to twice that; 0: 5 minutes */
};

/* Reads the login; speaks to nobody yet. *ret_cluster is the caller's: cluster_free() after every watch is freed;
 * it ends calls that still wait with ERR_CANCELLED. Options are copied.
 * ERR_INVALID, ERR_NOT_FOUND, ERR_UNSUPPORTED: the kubeconfig; the text names file, entry and what to use instead. */
int cluster_kube_open(const struct cluster_kube_options *options, struct cluster **ret_cluster,
                      struct error *err);
