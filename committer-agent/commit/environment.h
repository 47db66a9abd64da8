/* environment.h - what every commit of this process works with. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "committer-agent/containerd/containerd.h"

struct journal;
struct meter;
struct niceness;
struct space;

struct commit_environment { /* outlives every run */
    struct containerd *containerd;
    struct journal *journal;
    const char *spool_dir;
    /* Frozen containers are marked with it (frozen_by.h); the same for whoever comes after this process. NULL: not marked. */
    const char *owner;
    struct space *space;             /* of the spool folder, shared by all commits; NULL: not looked at */
    struct meter *meter;             /* NULL: nobody looks */
    const struct niceness *niceness; /* of pauses; NULL: as the process is */
    int compression_level;           /* 0: the fast default */
    unsigned compression_threads;
    const char *registry_ca_file; /* or NULL */
    const char *user_agent;
    /* This process stays to push what was handed over to it, and to let go of it. */
    bool hands_over;
    int64_t warm_retention_ms; /* how long a pushed image starts without a pull here; 0: not at all */
    unsigned layers_max; /* of ours above the original base; then they are folded into one. 0: the default */
};
