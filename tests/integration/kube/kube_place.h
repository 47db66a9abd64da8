/* kube_place.h - the API server that tests/lib/with-kube-apiserver.sh has started for this program. */
#pragma once

#include "snapshot-svc/cluster/cluster.h"
#include "snapshot-svc/cluster/kube/kube.h"

/* Ends the program with 77 (skipped) when there is none. */
void place_need(void);
const char *place_ns(void);
const char *place_dir(void); /* STASIS_KUBE_DIR */

/* Opened with the admin's client certificate. */
struct cluster *place_open(void);
/* "stop", "kill" or "start" for kube-apiserver; returns when done. */
void place_apiserver(const char *verb);
/* Runs a shell command and asserts that it succeeds. */
void place_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Its standard output, without the last line break; the caller frees. */
char *place_output(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* etcd forgets all versions but the newest. */
void place_compact_etcd(void);
