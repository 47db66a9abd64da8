#include "tests/unit/snapshot-svc/reconcile/pool_stand.h"

#define LONG_AGO "2026-01-01T00:00:00Z"

int stand_set_up(void **state)
{
    struct stand *stand = calloc(1, sizeof(*stand));

    stand->pool.meta.name = (char *)"warm";
    stand->seen = (struct pool_observed){
        .pool = &stand->pool, .pods = stand->pod_list, .sandboxes = stand->sandbox_list};
    *state = stand;
    return 0;
}

void clear(struct stand *stand)
{
    pool_census_done(&stand->census);
    for (size_t i = 0; i < stand->seen.pod_count; i++)
        pod_done(&stand->pods[i]);
    for (size_t i = 0; i < stand->seen.sandbox_count; i++)
        batchsandbox_done(&stand->sandboxes[i]);
    if (stand->pool.meta.uid)
        pool_done(&stand->pool);
    stand->pool.meta.name = (char *)"warm";
    for (size_t i = 0; i < stand->object_count; i++)
        json_decref(stand->objects[i]);
    stand->seen.pod_count = stand->seen.sandbox_count = stand->object_count = 0;
}

int stand_tear_down(void **state)
{
    clear(*state);
    free(*state);
    return 0;
}

static json_t *keep(struct stand *stand, json_t *object)
{
    assert_non_null(object);
    return stand->objects[stand->object_count++] = object;
}

/* What the flags say of any object. */
static void mark(json_t *object, unsigned flags, const char *finalizer)
{
    json_t *meta = json_object_get(object, "metadata");

    if (flags & DELETING)
        json_object_set_new(meta, "deletionTimestamp", json_string(LONG_AGO));
    if (flags & PROTECTED)
        json_object_set_new(meta, "finalizers", json_pack("[s]", finalizer));
}

void put_pool(struct stand *stand, const char *spec, unsigned flags)
{
    json_t *object = keep(stand, json_pack("{s:{s:s s:s s:s s:s s:i} s:o}", "metadata", "name", "warm",
                                           "namespace", "ns", "uid", "pool-uid", "resourceVersion", "7",
                                           "generation", 3, "spec", json_loads(spec, 0, NULL)));
    struct error err = {0};

    mark(object, flags, FINALIZER_POOL_IN_USE);
    stand->pool = (struct pool){0};
    assert_ok(pool_read(object, &stand->pool, &err), &err);
}

void put_pod(struct stand *stand, const char *name, unsigned flags, const char *claim)
{
    struct pod *pod = &stand->pods[stand->seen.pod_count];
    json_t *object =
        keep(stand, json_pack("{s:{s:s s:{} s:{}} s:{s:s} s:{s:s s:[{s:s s:s}]}}", "metadata", "name", name,
                              "labels", "annotations", "spec", "nodeName", "n", "status", "phase", "Running",
                              "conditions", "type", "Ready", "status", flags & READY ? "True" : "False"));
    json_t *meta = json_object_get(object, "metadata"), *labels = json_object_get(meta, "labels");
    struct error err = {0};
    char created[] = LONG_AGO;

    created[9] = (char)('1' + stand->seen.pod_count);
    json_object_set_new(meta, "creationTimestamp", json_string(created));
    if (claim)
        json_object_set_new(json_object_get(meta, "annotations"), ANNOTATION_ALLOCATED_TO,
                            json_string(claim));
    if (flags & TO_BE_EVICTED)
        json_object_set_new(labels, LABEL_EVICT, json_string(""));
    if (flags & CURRENT) {
        SCOPED(string) char *revision = pool_revision(&stand->pool);
        json_object_set_new(labels, LABEL_POOL_REVISION, json_string(revision));
    }
    mark(object, flags, NULL);
    assert_ok(pod_read(object, pod, &err), &err);
    stand->pod_list[stand->seen.pod_count++] = pod;
}

void put_sandbox(struct stand *stand, const char *name, const char *pool, unsigned flags, int replicas,
                 const char *given, const char *returned, const char *recycled)
{
    struct batchsandbox *sandbox = &stand->sandboxes[stand->seen.sandbox_count];
    json_t *object =
        keep(stand, json_pack("{s:{s:s s:s s:s s:{s:s* s:s* s:s*}} s:{s:s s:i}}", "metadata", "name", name,
                              "uid", name, "resourceVersion", "9", "annotations", ANNOTATION_ALLOC_STATUS,
                              given, ANNOTATION_ALLOC_RELEASE, returned, ANNOTATION_ALLOC_RELEASED, recycled,
                              "spec", "poolRef", pool, "replicas", replicas));
    struct error err = {0};

    mark(object, flags, FINALIZER_POOL_ALLOCATION);
    assert_ok(batchsandbox_read(object, sandbox, &err), &err);
    stand->sandbox_list[stand->seen.sandbox_count++] = sandbox;
}

void take(struct stand *stand)
{
    pool_census_done(&stand->census);
    pool_census_take(&stand->seen, &stand->census);
}
