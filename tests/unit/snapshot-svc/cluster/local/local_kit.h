/* local_kit.h - a folder of its own with a local cluster in it. */
#pragma once

#include "snapshot-svc/cluster/local/local.h"

struct local_kit {
    char folder[64];
    char path[96];        /* of the SQLite file */
    char secrets_dir[96]; /* exists, empty */
    int64_t now_ms;       /* the cluster's clock, when options.now_ms is kit_now_ms; 0: the real one */
    struct cluster_local_options options;
    struct cluster *cluster;
};

struct local_kit *local_kit_new(void); /* the folder; the cluster is not open yet */
void local_kit_open(struct local_kit *kit);
void local_kit_close(struct local_kit *kit); /* the cluster; the folder stays */
void local_kit_free(struct local_kit *kit);  /* both */

/* Lets the cluster's clock stand at a Unix time. Before local_kit_open(). */
void local_kit_stop_clock(struct local_kit *kit, int64_t now_ms);
