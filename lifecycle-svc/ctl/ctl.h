/* ctl.h - stasisctl: a gRPC client of lifecycle-svc for people and scripts.
 * Results go to standard output, everything else to standard error. One thread, and one that waits for Ctrl-C. */
#pragma once

#include "lifecycle-svc/ctl/options.h"
#include "opensandbox/lifecycle/v1/lifecycle.pb-c.h"
#include "shared/rpc/client.h"

typedef Opensandbox__Lifecycle__V1__Sandbox ctl_sandbox;
typedef Opensandbox__Lifecycle__V1__SandboxEvent ctl_event;
typedef Opensandbox__Lifecycle__V1__Snapshot ctl_snapshot;

#define LIFECYCLE (&opensandbox__lifecycle__v1__lifecycle__descriptor)

struct ctl {
    const struct options *options;
    struct rpc_channel *channel;
};

/* One function per command; an exit code, or -1 with err. */
int ctl_create(struct ctl *ctl, struct error *err);
int ctl_get(struct ctl *ctl, struct error *err);
int ctl_list(struct ctl *ctl, struct error *err);
int ctl_delete(struct ctl *ctl, struct error *err);
int ctl_pause(struct ctl *ctl, struct error *err);
int ctl_resume(struct ctl *ctl, struct error *err);
int ctl_wait(struct ctl *ctl, struct error *err);
int ctl_renew(struct ctl *ctl, struct error *err);
int ctl_label(struct ctl *ctl, struct error *err);
int ctl_endpoint(struct ctl *ctl, struct error *err);
int ctl_explain(struct ctl *ctl, struct error *err);
int ctl_snapshot_create(struct ctl *ctl, struct error *err);
int ctl_snapshot_get(struct ctl *ctl, struct error *err);
int ctl_snapshot_list(struct ctl *ctl, struct error *err);
int ctl_snapshot_delete(struct ctl *ctl, struct error *err);
int ctl_exec(struct ctl *ctl, struct error *err);
int ctl_logs(struct ctl *ctl, struct error *err);

/* The exit code that stands for err. */
int ctl_exit_code(const struct error *err);
