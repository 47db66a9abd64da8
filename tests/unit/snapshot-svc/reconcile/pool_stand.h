/* pool_stand.h - a Pool called "warm", its pods and its sandboxes, put together by a test of the Pool planners. */
#pragma once

#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pool_census.h"
#include "tests/unit/testing.h"

enum { MOST = 8 };

struct stand {
    json_t *objects[2 * MOST + 1];
    size_t object_count;
    struct pool pool;
    struct pod pods[MOST];
    const struct pod *pod_list[MOST];
    struct batchsandbox sandboxes[MOST];
    const struct batchsandbox *sandbox_list[MOST];
    struct pool_observed seen;
    struct pool_census census;
};

int stand_set_up(void **state);
int stand_tear_down(void **state);
#define ON_STAND(test) cmocka_unit_test_setup_teardown(test, stand_set_up, stand_tear_down)

enum { READY = 1, DELETING = 2, TO_BE_EVICTED = 4, CURRENT = 8, PROTECTED = 16 };

/* spec: JSON. flags: DELETING; PROTECTED: has our finalizer. Once, before pods that are CURRENT. */
void put_pool(struct stand *stand, const char *spec, unsigned flags);
/* claim: the annotation's value, or NULL. Each is a day younger than the one before. */
void put_pod(struct stand *stand, const char *name, unsigned flags, const char *claim);
/* Its uid is its name. The lists are annotations' values, or NULL. flags: DELETING; PROTECTED: has the allocation finalizer. */
void put_sandbox(struct stand *stand, const char *name, const char *pool, unsigned flags, int replicas,
                 const char *given, const char *returned, const char *recycled);
void clear(struct stand *stand);
void take(struct stand *stand); /* the census */
