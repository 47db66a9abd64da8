/* A random walk over the Pool planner: sandboxes come, ask back, pause and go, pods start and are lost, the Pool is changed and deleted,
 * the controller crashes between any two writes and looks at old copies. At every step:
 *
 *   - a pod is never listed by two sandboxes, whenever (with recycling by deletion), and never held by two (with any)
 *   - a Pool never makes a pod that takes it above poolMax
 *   - a Pool in use does not go, and nothing of a live sandbox is deleted
 *
 * and when the world stands still, every sandbox has what it wants or the Pool is full, nothing is dirty, and there is nothing to do.
 *
 * One walk per seed; a failure names its seed: test_pool_walk SEED runs that one. */
#include <stdlib.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/pool_plan.h"
#include "tests/unit/testing.h"

enum { SEEDS = 24, STEPS = 400, SETTLE_PASSES = 400, SANDBOXES_MAX = 8, LIST_MAX = 256 };
#define LONG_AGO "2026-01-01T00:00:00Z"

struct world {
    unsigned seed, random, version, uids;
    bool is_noop;           /* the recycle strategy of this walk */
    json_t *pool;           /* NULL: gone */
    json_t *pods;           /* what there is: name -> object */
    json_t *sandboxes;      /* same */
    json_t *seen_pods;      /* what the controller's caches have of it */
    json_t *seen_sandboxes; /* same */
    json_t *tenants_ever;   /* pod uid -> sandbox uid */
};

static unsigned chance(struct world *world, unsigned of)
{
    world->random = world->random * 1103515245u + 12345u;
    return (world->random >> 16) % of;
}

#define fail_walk(world, ...)                                                                                \
    do {                                                                                                     \
        print_error("seed %u: ", (world)->seed);                                                             \
        fail_msg(__VA_ARGS__);                                                                               \
    } while (0)

/* ---- objects ---- */

static json_t *meta_of(const json_t *object)
{
    return json_object_get(object, "metadata");
}

static const char *text_of(const json_t *object, const char *path)
{
    return json_path_string(object, path);
}

static const char *annotation_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(json_object_get(meta_of(object), "annotations"), key));
}

static void annotate(json_t *object, const char *key, const char *value)
{
    json_object_set_new(json_object_get(meta_of(object), "annotations"), key,
                        value ? json_string(value) : NULL);
    if (!value)
        json_object_del(json_object_get(meta_of(object), "annotations"), key);
}

static void touch(struct world *world, json_t *object)
{
    char version[16];
    (void)snprintf(version, sizeof(version), "%u", ++world->version);
    json_object_set_new(meta_of(object), "resourceVersion", json_string(version));
}

static json_t *new_object(struct world *world, const char *name)
{
    SCOPED(string) char *uid = xasprintf("%s-u%u", name, ++world->uids);
    json_t *object =
        json_pack("{s:{s:s s:s s:s s:i s:{} s:{} s:[]} s:{}}", "metadata", "name", name, "namespace", "ns",
                  "uid", uid, "generation", 1, "annotations", "labels", "finalizers", "spec");
    touch(world, object);
    return object;
}

static bool is_going(const json_t *object)
{
    return json_object_get(meta_of(object), "deletionTimestamp") != NULL;
}

static void mark_going(struct world *world, json_t *object)
{
    if (is_going(object))
        return;
    json_object_set_new(meta_of(object), "deletionTimestamp", json_string(LONG_AGO));
    touch(world, object);
}

static json_t *any_of(struct world *world, json_t *objects)
{
    const size_t count = json_object_size(objects);
    const char *name;
    json_t *object;
    size_t at = count ? chance(world, (unsigned)count) : 0;

    json_object_foreach(objects, name, object)
    {
        if (at-- == 0)
            return object;
    }
    return NULL;
}

static void allocation_of(const json_t *sandbox, struct object_meta *meta, struct allocation *out)
{
    struct error err = {0};
    assert_ok(json_read(meta_of(sandbox), object_meta_fields, "metadata", meta, &err), &err);
    assert_ok(allocation_read(meta, out, &err), &err);
}

/* ---- the laws, of what there is ---- */

static int32_t pool_max(const struct world *world)
{
    return (int32_t)json_integer_value(json_path(world->pool, "spec.capacitySpec.poolMax"));
}

static int32_t living_pods(const struct world *world)
{
    const char *name;
    json_t *pod;
    int32_t count = 0;

    json_object_foreach(world->pods, name, pod)
    {
        count += !is_going(pod);
    }
    return count;
}

/* Of the sandboxes in the Pool: who holds this pod? At most one does. */
static const json_t *holder_of(struct world *world, const char *pod)
{
    const char *name;
    json_t *sandbox, *holder = NULL;

    json_object_foreach(world->sandboxes, name, sandbox)
    {
        SCOPED_ALLOCATION struct allocation allocation = {0};
        struct object_meta meta = {0};
        allocation_of(sandbox, &meta, &allocation);
        const bool holds = allocation_holds(&allocation, pod);
        json_free_fields(object_meta_fields, &meta);
        if (!holds)
            continue;
        if (holder)
            fail_walk(world, "pod %s is held by %s and %s", pod, text_of(holder, "metadata.name"), name);
        holder = sandbox;
    }
    return holder;
}

static void check_laws(struct world *world)
{
    const char *name;
    json_t *pod;

    json_object_foreach(world->pods, name, pod)
    {
        const json_t *holder = holder_of(world, name);
        const char *uid = text_of(pod, "metadata.uid");
        const char *former = json_string_value(json_object_get(world->tenants_ever, uid));
        if (!holder)
            continue;
        const char *tenant = text_of(holder, "metadata.uid");
        if (former && strcmp(former, tenant) != 0 && !world->is_noop)
            fail_walk(world, "pod %s was %s's and is %s's", name, former, tenant);
        json_object_set_new(world->tenants_ever, uid, json_string(tenant));
    }
}

/* ---- what the executor does ---- */

static json_t **objects_of(struct world *world, enum cluster_kind kind)
{
    return kind == KIND_POD ? &world->pods : &world->sandboxes;
}

static json_t *target_of(struct world *world, const struct action *action)
{
    return action->kind == KIND_POOL ? world->pool
                                     : json_object_get(*objects_of(world, action->kind), action->name);
}

static void bury(struct world *world, const struct action *action, json_t *object)
{
    if (!is_going(object) || json_array_size(json_object_get(meta_of(object), "finalizers")) > 0)
        return;
    if (action->kind != KIND_POOL) {
        json_object_del(*objects_of(world, action->kind), action->name);
        return;
    }
    const char *name;
    json_t *pod;
    json_object_foreach(world->pods, name, pod)
    {
        if (!is_going(pod) && holder_of(world, name))
            fail_walk(world, "the Pool goes and takes pod %s along, which is in use", name);
    }
    json_decref(world->pool);
    world->pool = NULL;
}

/* The executor's caches have what it wrote at once, and never an older copy after that; what others write comes later. */
static void apply_own_write(struct world *world, const struct action *action, const json_t *object)
{
    json_t *seen = action->kind == KIND_POD ? world->seen_pods : world->seen_sandboxes;

    if (action->kind != KIND_POOL)
        json_object_set_new(seen, action->name, json_deep_copy(object));
}

static bool do_patch(struct world *world, const struct action *action)
{
    json_t *object = target_of(world, action);

    if (!object || (action->resource_version &&
                    strcmp(action->resource_version, text_of(object, "metadata.resourceVersion")) != 0))
        return false;
    assert_ptr_equal(json_merge_patch(object, action->body), object);
    touch(world, object);
    apply_own_write(world, action, object);
    if (action->kind != KIND_POD)
        bury(world, action, object);
    return true;
}

static void do_create(struct world *world, const struct action *action)
{
    if (json_object_get(world->pods, action->name))
        return;
    json_t *pod = new_object(world, action->name);
    json_object_update_missing(meta_of(pod), meta_of(action->body));
    json_object_update(json_object_get(meta_of(pod), "labels"),
                       json_object_get(meta_of(action->body), "labels"));
    json_object_set_new(pod, "status", json_pack("{s:s}", "phase", "Pending"));
    json_object_set_new(world->pods, action->name, pod);
    apply_own_write(world, action, pod);
    if (living_pods(world) > pool_max(world))
        fail_walk(world, "pod %s makes %d pods, and poolMax is %d", action->name, living_pods(world),
                  pool_max(world));
}

static void do_delete(struct world *world, const struct action *action)
{
    json_t *pod = json_object_get(world->pods, action->name);

    if (!pod || strcmp(action->uid, text_of(pod, "metadata.uid")) != 0 || is_going(pod))
        return;
    const json_t *holder = holder_of(world, action->name);
    const char *claim = annotation_of(pod, ANNOTATION_ALLOCATED_TO);
    const char *returned = holder ? annotation_of(holder, ANNOTATION_ALLOC_RELEASE) : NULL;
    if (holder && !is_going(holder) && !(returned && strstr(returned, action->name)))
        fail_walk(world, "pod %s (%s) is deleted, and %s has it", action->name, claim ? claim : "no claim",
                  text_of(holder, "metadata.name"));
    mark_going(world, pod);
}

static bool carry_out(struct world *world, const struct action *action)
{
    switch (action->type) {
    case ACTION_PATCH:
    case ACTION_PATCH_STATUS:
        return do_patch(world, action);
    case ACTION_CREATE:
        do_create(world, action);
        return true;
    case ACTION_DELETE:
        do_delete(world, action);
        return true;
    default:
        return true;
    }
}

/* ---- a pass of the controller ---- */

struct sight {
    struct pool pool;
    struct pod pods[LIST_MAX];
    const struct pod *pod_list[LIST_MAX];
    struct batchsandbox sandboxes[LIST_MAX];
    const struct batchsandbox *sandbox_list[LIST_MAX];
    struct pool_observed seen;
};

static void see_sandbox(struct sight *sight, const json_t *object)
{
    struct batchsandbox *sandbox = &sight->sandboxes[sight->seen.sandbox_count];
    struct error err = {0};

    assert_ok(batchsandbox_read(object, sandbox, &err), &err);
    sight->sandbox_list[sight->seen.sandbox_count++] = sandbox;
}

static bool is_seen(const struct sight *sight, const char *uid)
{
    for (size_t i = 0; i < sight->seen.sandbox_count; i++)
        if (strcmp(sight->sandbox_list[i]->meta.uid, uid) == 0)
            return true;
    return false;
}

/* Whom a claim names and no cache has is looked up where it is true. */
static void see_claimants(struct world *world, struct sight *sight)
{
    const char *name;
    json_t *pod, *sandbox;

    json_object_foreach(world->seen_pods, name, pod)
    {
        const char *claim = annotation_of(pod, ANNOTATION_ALLOCATED_TO);
        const char *space = claim ? strchr(claim, ' ') : NULL;
        sandbox = space ? json_object_get(world->sandboxes, space + 1) : NULL;
        if (sandbox && !is_seen(sight, text_of(sandbox, "metadata.uid")))
            see_sandbox(sight, sandbox);
    }
}

static void look(struct world *world, struct sight *sight)
{
    const char *name;
    json_t *object;
    struct error err = {0};

    sight->seen = (struct pool_observed){
        .pool = &sight->pool, .pods = sight->pod_list, .sandboxes = sight->sandbox_list};
    assert_ok(pool_read(world->pool, &sight->pool, &err), &err);
    json_object_foreach(world->seen_pods, name, object)
    {
        assert_ok(pod_read(object, &sight->pods[sight->seen.pod_count], &err), &err);
        sight->pod_list[sight->seen.pod_count] = &sight->pods[sight->seen.pod_count];
        sight->seen.pod_count++;
    }
    json_object_foreach(world->seen_sandboxes, name, object)
    {
        see_sandbox(sight, object);
    }
    see_claimants(world, sight);
}

static void look_away(struct sight *sight)
{
    for (size_t i = 0; i < sight->seen.pod_count; i++)
        pod_done(&sight->pods[i]);
    for (size_t i = 0; i < sight->seen.sandbox_count; i++)
        batchsandbox_done(&sight->sandboxes[i]);
    pool_done(&sight->pool);
    free(sight);
}

static void refresh(json_t **seen, const json_t *truth)
{
    json_decref(*seen);
    *seen = json_deep_copy(truth);
}

/* How many writes it made, or would have made. After a crash the next process begins with what there is. */
static size_t pass(struct world *world, bool may_crash)
{
    struct sight *sight = xcalloc(1, sizeof(*sight));
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    size_t writes = 0;

    look(world, sight);
    pool_plan(&sight->seen, &plan);
    const size_t until =
        may_crash && chance(world, 4) == 0 ? chance(world, (unsigned)plan.count + 1) : plan.count;
    for (size_t i = 0; i < plan.count; i++) {
        writes += plan.actions[i].type != ACTION_EVENT;
        if (i < until && world->pool && !carry_out(world, &plan.actions[i]))
            break;
        check_laws(world);
    }
    look_away(sight);
    if (until < plan.count) {
        refresh(&world->seen_pods, world->pods);
        refresh(&world->seen_sandboxes, world->sandboxes);
    }
    return writes;
}

/* ---- what others do ---- */

static void add_sandbox(struct world *world)
{
    if (json_object_size(world->sandboxes) >= SANDBOXES_MAX)
        return;
    SCOPED(string) char *name = xasprintf("s%u", chance(world, SANDBOXES_MAX)); /* names come again */
    if (json_object_get(world->sandboxes, name))
        return;
    json_t *sandbox = new_object(world, name);
    json_object_set_new(sandbox, "spec",
                        json_pack("{s:s s:i}", "poolRef", "warm", "replicas", 1 + (int)chance(world, 2)));
    json_object_set_new(world->sandboxes, name, sandbox);
}

static void delete_sandbox(struct world *world)
{
    json_t *sandbox = any_of(world, world->sandboxes);

    if (!sandbox)
        return;
    mark_going(world, sandbox);
    if (json_array_size(json_object_get(meta_of(sandbox), "finalizers")) == 0)
        json_object_del(world->sandboxes, text_of(sandbox, "metadata.name"));
}

/* Also by force: whoever clears the finalizers of a sandbox leaves its pods dirty. */
static void delete_sandbox_by_force(struct world *world)
{
    json_t *sandbox = any_of(world, world->sandboxes);

    if (sandbox)
        json_object_del(world->sandboxes, text_of(sandbox, "metadata.name"));
}

static void ask_back(struct world *world)
{
    json_t *sandbox = any_of(world, world->sandboxes);
    const char *given = sandbox ? annotation_of(sandbox, ANNOTATION_ALLOC_STATUS) : NULL;

    if (!given)
        return;
    annotate(sandbox, ANNOTATION_ALLOC_RELEASE, given);
    touch(world, sandbox);
}

/* A pooled pause has completed (§13). */
static void detach(struct world *world)
{
    json_t *sandbox = any_of(world, world->sandboxes);

    if (!sandbox || is_going(sandbox))
        return;
    json_object_set_new(json_object_get(sandbox, "spec"), "poolRef", json_string(""));
    annotate(sandbox, ANNOTATION_ALLOC_STATUS, NULL);
    annotate(sandbox, ANNOTATION_ALLOC_RELEASE, NULL);
    annotate(sandbox, ANNOTATION_ALLOC_RELEASED, NULL);
    json_array_clear(json_object_get(meta_of(sandbox), "finalizers"));
    touch(world, sandbox);
}

static void start_pod(struct world *world, json_t *pod)
{
    json_object_set_new(pod, "status",
                        json_pack("{s:s s:[{s:s s:s}]}", "phase", "Running", "conditions", "type", "Ready",
                                  "status", "True"));
    touch(world, pod);
}

static void a_node_does_something(struct world *world)
{
    json_t *pod = any_of(world, world->pods);

    if (!pod)
        return;
    if (is_going(pod) || chance(world, 12) == 0) /* ended, or lost */
        json_object_del(world->pods, text_of(pod, "metadata.name"));
    else
        start_pod(world, pod);
}

static void mark_for_eviction(struct world *world)
{
    json_t *pod = any_of(world, world->pods);

    if (!pod)
        return;
    json_object_set_new(json_object_get(meta_of(pod), "labels"), LABEL_EVICT, json_string(""));
    touch(world, pod);
}

static void change_pool(struct world *world)
{
    json_t *capacity = json_path(world->pool, "spec.capacitySpec");
    const int buffer = (int)chance(world, 4), least = (int)chance(world, 4);

    json_object_set_new(capacity, "bufferMin", json_integer(buffer));
    json_object_set_new(capacity, "bufferMax", json_integer(buffer + (int)chance(world, 3)));
    json_object_set_new(capacity, "poolMin", json_integer(least));
    json_object_set_new(capacity, "poolMax", json_integer(least + (int)chance(world, 9)));
    touch(world, world->pool);
}

static void change_template(struct world *world)
{
    json_object_set_new(json_path(world->pool, "spec.template.spec"), "hostname",
                        json_integer(chance(world, 3)));
    touch(world, world->pool);
}

static void somebody_does_something(struct world *world)
{
    static void (*const deeds[])(struct world *) = {
        add_sandbox,
        add_sandbox,
        add_sandbox,
        delete_sandbox,
        ask_back,
        detach,
        delete_sandbox_by_force,
        mark_for_eviction,
        change_pool,
        change_template,
        a_node_does_something,
        a_node_does_something,
        a_node_does_something,
        a_node_does_something,
        a_node_does_something,
        a_node_does_something,
    };

    deeds[chance(world, sizeof(deeds) / sizeof(*deeds))](world);
}

/* ---- the walk ---- */

static void begin(struct world *world, unsigned seed)
{
    *world = (struct world){.seed = seed, .random = seed, .is_noop = seed % 3 == 0};
    world->pool = new_object(world, "warm");
    json_object_set_new(world->pool, "spec",
                        json_pack("{s:{s:{s:[{s:s}]}} s:{s:i s:i s:i s:i} s:{s:s}}", "template", "spec",
                                  "containers", "name", "c", "capacitySpec", "bufferMin", 1, "bufferMax", 2,
                                  "poolMin", 1, "poolMax", 6, "recycleStrategy", "type",
                                  world->is_noop ? "Noop" : "Delete"));
    world->pods = json_object();
    world->sandboxes = json_object();
    world->tenants_ever = json_object();
    world->seen_pods = json_object();
    world->seen_sandboxes = json_object();
}

static void end(struct world *world)
{
    json_decref(world->pool);
    json_decref(world->pods);
    json_decref(world->sandboxes);
    json_decref(world->tenants_ever);
    json_decref(world->seen_pods);
    json_decref(world->seen_sandboxes);
}

static bool is_ready(const json_t *pod)
{
    return strcmp(text_of(pod, "status.phase"), "Running") == 0;
}

/* false: they had nothing to do. */
static bool every_node_works(struct world *world)
{
    const char *name;
    json_t *pod;
    void *next;
    bool any = false;

    json_object_foreach_safe(world->pods, next, name, pod)
    {
        any = any || is_going(pod) || !is_ready(pod);
        if (is_going(pod))
            json_object_del(world->pods, name);
        else if (!is_ready(pod))
            start_pod(world, pod);
    }
    return any;
}

/* Nobody does anything any more but the controller and the nodes. */
static void let_settle(struct world *world)
{
    for (int i = 0; i < SETTLE_PASSES && world->pool; i++) {
        refresh(&world->seen_pods, world->pods);
        refresh(&world->seen_sandboxes, world->sandboxes);
        const size_t writes = pass(world, false);
        if (!every_node_works(world) && writes == 0)
            return;
    }
    if (world->pool)
        fail_walk(world, "it does not settle");
}

static size_t held_by(const struct pool_census *census, const struct pool_tenant *tenant)
{
    size_t count = 0;

    for (size_t i = 0; i < census->pod_count; i++)
        count += census->pods[i].standing == POOL_POD_HELD && census->pods[i].tenant == tenant;
    return count;
}

static void assert_settled(struct world *world)
{
    struct sight *sight = xcalloc(1, sizeof(*sight));
    SCOPED_POOL_CENSUS struct pool_census census;
    int available = 0;

    look(world, sight);
    pool_census_take(&sight->seen, &census);
    for (size_t i = 0; i < census.pod_count; i++) {
        const enum pool_pod_standing standing = census.pods[i].standing;
        available += pool_pod_is_available(&census.pods[i]);
        if (standing != POOL_POD_IDLE && standing != POOL_POD_HELD)
            fail_walk(world, "pod %s is left %s", census.pods[i].pod->meta.name,
                      pool_pod_standing_name(standing));
    }
    for (size_t i = 0; i < census.tenant_count; i++) {
        if (meta_is_deleting(&census.tenants[i].sandbox->meta))
            fail_walk(world, "%s is stuck", census.tenants[i].sandbox->meta.name);
        if ((int32_t)held_by(&census, &census.tenants[i]) > census.tenants[i].sandbox->spec.replicas)
            fail_walk(world, "%s has more than it wants", census.tenants[i].sandbox->meta.name);
        if (census.tenants[i].need > 0 && living_pods(world) < pool_max(world))
            fail_walk(world, "%s waits for %d pods, there are %d of %d", census.tenants[i].sandbox->meta.name,
                      census.tenants[i].need, living_pods(world), pool_max(world));
    }
    assert_int_equal(sight->pool.status.total, living_pods(world));
    assert_int_equal(sight->pool.status.available, available);
    look_away(sight);
}

static void walk(unsigned seed)
{
    struct world world;

    begin(&world, seed);
    for (int i = 0; i < STEPS; i++) {
        somebody_does_something(&world);
        if (chance(&world, 2))
            refresh(&world.seen_pods, world.pods);
        if (chance(&world, 2))
            refresh(&world.seen_sandboxes, world.sandboxes);
        (void)pass(&world, true);
    }
    let_settle(&world);
    assert_settled(&world);
    mark_going(&world, world.pool);
    let_settle(&world); /* it stays while it is in use */
    while (json_object_size(world.sandboxes) > 0 && world.pool) {
        delete_sandbox(&world);
        let_settle(&world);
    }
    if (world.pool && json_array_size(json_object_get(meta_of(world.pool), "finalizers")) > 0)
        fail_walk(&world, "the Pool is not let go");
    end(&world);
}

static unsigned only_seed;

static void whatever_happens_the_laws_hold(void **state)
{
    (void)state;
    if (only_seed) {
        walk(only_seed);
        return;
    }
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        walk(seed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_happens_the_laws_hold)};

    only_seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    return cmocka_run_group_tests_name("pool walk", tests, NULL, NULL);
}
