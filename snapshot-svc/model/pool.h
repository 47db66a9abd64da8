/* pool.h - a Pool of warm pods as a struct, and the words by which a pod says whose it is.
 * Spec: contract/crds.md §4, §6. Read only, but for the status. The object the view was read from must not change meanwhile. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "snapshot-svc/model/meta.h"

/* "30%" or 2. */
struct int_or_percent {
    int32_t value; /* >= 0 */
    bool is_percent;
};

/* As written: nobody has checked that min <= max (pool_capacity.h does something sane then). */
struct pool_capacity_spec {
    int32_t buffer_min, buffer_max; /* wanted range of idle pods */
    int32_t pool_min, pool_max;     /* bounds of all pods */
};

enum recycle_strategy { RECYCLE_DELETE, RECYCLE_RESTART, RECYCLE_NOOP, RECYCLE_STRATEGY_MAX };
const char *recycle_strategy_name(enum recycle_strategy strategy); /* "Delete" */

struct pool_status {
    int32_t total;     /* pods that are not being deleted */
    int32_t allocated; /* pods that are, or were until they are recycled, some sandbox's */
    int32_t available; /* ready, and nobody's; those to be evicted do not count */
    int32_t updated;   /* pods of the current revision */
    char *revision;
    int64_t observed_generation;
};

struct pool {
    struct object_meta meta;
    json_t *template_; /* PodTemplateSpec; NULL: absent, then no pods can be made */
    struct pool_capacity_spec capacity;
    struct int_or_percent scale_max_unavailable, update_max_unavailable;
    enum recycle_strategy recycle; /* words this build does not know are Delete */
    struct pool_status status;
    bool has_status;

    /* What the fields above were read from. */
    json_t *scale_max_unavailable_json, *update_max_unavailable_json;
    char *recycle_name;
};

/* Fills the zeroed struct. ERR_INVALID names the member. */
int pool_read(const json_t *object, struct pool *out, struct error *err);
void pool_done(struct pool *pool);
#define SCOPED_POOL __attribute__((cleanup(pool_done)))

/* 16 lowercase hex digits over the canonical JSON of the template: equal templates, equal revisions. The caller frees. */
char *pool_revision(const struct pool *pool);

json_t *pool_status_write(const struct pool_status *status); /* all members, zero included */

/* Of `base` things, a percentage rounded up; at least 1, so that something always moves. */
int32_t int_or_percent_of(const struct int_or_percent *amount, int32_t base);
