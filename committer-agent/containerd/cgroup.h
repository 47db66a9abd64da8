/* containerd/cgroup.h - what the kernel says about a process's freezer, on cgroup v1 and v2.
 * Spec: Linux cgroup-v1/freezer-subsystem, cgroup-v2 "cgroup.freeze" and "cgroup.events". */
#pragma once

#include <sys/types.h>

#include "shared/base/error.h"

enum freezer_state {
    FREEZER_UNKNOWN, /* no such process, or its cgroup cannot be read from here: believe the runtime */
    FREEZER_THAWED,
    FREEZER_FREEZING,
    FREEZER_FROZEN,
};

struct cgroup_roots {
    const char *proc;   /* "/proc" */
    const char *cgroup; /* "/sys/fs/cgroup" */
};
extern const struct cgroup_roots cgroup_system_roots;

enum freezer_state cgroup_freezer_state(const struct cgroup_roots *roots, pid_t pid);

/* Thaws past the runtime, for a freezer that the runtime has lost track of. */
int cgroup_thaw(const struct cgroup_roots *roots, pid_t pid, struct error *err);
