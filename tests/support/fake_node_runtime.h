/* fake_node_runtime.h - an agent that runs pods in memory: NodeRuntime as real gRPC on a unix socket, and the test
 * decides what becomes of the pods. Threads: any. Texts are copied, unless it says borrowed. */
#pragma once

#include <opensandbox/committer/v1/node_runtime.pb-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

struct fake_runtime;

/* Serves at socket_path, which must not exist. Fails the test when it cannot. */
struct fake_runtime *fake_runtime_new(const char *socket_path);
void fake_runtime_free(struct fake_runtime *fake);

/* Begins to serve again. */
void fake_runtime_serve(struct fake_runtime *fake);
/* Every call and watch breaks; the pods stay, as in containerd. fake_runtime_serve() brings it back. */
void fake_runtime_go_away(struct fake_runtime *fake);

/* RunPod fails so when a container wants this image; ERR_NONE: no more. Borrowed. Unless it is the pull that fails, the
 * sandbox is there by then, and watchers are told. */
void fake_runtime_on_image(struct fake_runtime *fake, const char *image, enum error_code code,
                           const char *reason, const char *text);
/* RunPod waits after it made the sandbox, until this is said again with false (or its call is cancelled). */
void fake_runtime_hold_starts(struct fake_runtime *fake, bool hold);
/* StopPod fails with UNAVAILABLE. */
void fake_runtime_fail_stops(struct fake_runtime *fake, bool fail);

/* A pod that is there before anybody asked: of an earlier life. */
void fake_runtime_add(struct fake_runtime *fake, const char *uid, const char *ns, const char *name);
/* What becomes of the pod named so: all its containers. Watchers are told. */
void fake_runtime_exit(struct fake_runtime *fake, const char *name, int exit_code, const char *reason);
void fake_runtime_freeze(struct fake_runtime *fake, const char *name, bool frozen);
void fake_runtime_end_sandbox(struct fake_runtime *fake, const char *name);
void fake_runtime_vanish(struct fake_runtime *fake, const char *name);
/* Running watches are told that it is GONE, which is not so: a new list has it. */
void fake_runtime_rumour_gone(struct fake_runtime *fake, const char *name);

/* Wait for something to have happened; fail the test after 20 s. */
void fake_runtime_await_runs(struct fake_runtime *fake, const char *name, unsigned count);
void fake_runtime_await_stops(struct fake_runtime *fake, const char *uid, unsigned count);
void fake_runtime_await_cancelled_runs(struct fake_runtime *fake, unsigned count);

unsigned fake_runtime_runs(struct fake_runtime *fake, const char *name);
int64_t fake_runtime_last_grace_ms(struct fake_runtime *fake);
/* Of the last RunPod; borrowed until the next one. */
const Opensandbox__Committer__V1__RunPodRequest *fake_runtime_last_run(struct fake_runtime *fake);
/* Of the last Exec; borrowed until the next one. */
const char *fake_runtime_last_command(struct fake_runtime *fake);
