/* The laws of the planners, over random walks of users, kubelets, agents, crashes, lagging informers and time (architecture.md §4).
 *
 * Every walk is a seed: a failure prints it, and STASIS_WALK_SEED=<seed> runs that walk alone, telling each step.
 * STASIS_WALKS=<n> runs more of them. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/cleanup.h"
#include "shared/base/clock.h"

enum { WALKS = 500, STEPS = 300 };

/* splitmix64: the same walk on every machine. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct walk {
    struct world world;
    struct picture seen; /* what the informers have; each lags on its own, none goes back */
    uint64_t random;
    bool tell;
};

static unsigned pick(struct walk *walk, unsigned count)
{
    return (unsigned)(next_random(&walk->random) % count);
}

static bool chance(struct walk *walk, unsigned percent)
{
    return pick(walk, 100) < percent;
}

static void renew(json_t **copy, const json_t *now)
{
    json_decref(*copy);
    *copy = json_deep_copy(now);
}

static void informers_catch_up(struct walk *walk)
{
    renew(&walk->seen.sandbox, walk->world.now.sandbox);
    renew(&walk->seen.snapshot, walk->world.now.snapshot);
    renew(&walk->seen.public_snapshot, walk->world.now.public_snapshot);
    renew(&walk->seen.pods, walk->world.now.pods);
    renew(&walk->seen.jobs, walk->world.now.jobs);
    renew(&walk->seen.job_pods, walk->world.now.job_pods);
}

static void informers_move(struct walk *walk)
{
    switch (pick(walk, 8)) {
    case 6:
        renew(&walk->seen.jobs, walk->world.now.jobs);
        return;
    case 7:
        renew(&walk->seen.job_pods, walk->world.now.job_pods);
        return;
    case 0:
        renew(&walk->seen.sandbox, walk->world.now.sandbox);
        return;
    case 1:
        renew(&walk->seen.snapshot, walk->world.now.snapshot);
        renew(&walk->seen.public_snapshot, walk->world.now.public_snapshot);
        return;
    case 2:
        renew(&walk->seen.pods, walk->world.now.pods);
        return;
    default:
        informers_catch_up(walk);
        return;
    }
}

static void process_dies(struct walk *walk)
{
    process_restarts(&walk->world);
    informers_catch_up(walk); /* the next one lists first */
}

/* One of the three keys, on what the informers have; the process may die after any action. */
static const char *reconcile(struct walk *walk)
{
    SCOPED_PLAN struct plan plan = PLAN_INIT;
    static char told[256];
    const unsigned key = pick(walk, 3);
    const bool dies = chance(walk, 5);
    const size_t limit = dies ? pick(walk, 4) : SIZE_MAX;

    if (key == 0)
        world_plan_sandbox(&walk->world, &walk->seen, &plan);
    else
        world_plan_snapshot(&walk->world, &walk->seen, key == 1, &plan);
    bool done = world_execute(&walk->world, &plan, limit);
    if (dies)
        process_dies(walk);
    SCOPED(string) char *text = plan_text(&plan);
    (void)snprintf(told, sizeof(told), "%s: %s%s%s",
                   key == 0   ? "sandbox"
                   : key == 1 ? "public snapshot"
                              : "snapshot",
                   text, done ? "" : " (stopped)", dies ? " and died" : "");
    return told;
}

static bool is_deleting(const json_t *object)
{
    return *text_at(object, "metadata.deletionTimestamp") != '\0';
}

/* Most often what makes sense, so that walks get somewhere. */
static const char *user_wishes(struct walk *walk)
{
    struct world *world = &walk->world;
    const bool paused = strcmp(phase_of(world->now.sandbox), "Paused") == 0;
    const bool sensible = chance(walk, 70);
    const int pause = paused == sensible ? PAUSE_FALSE : PAUSE_TRUE;

    if (chance(walk, 40))
        user_bridges(world, pause);
    else
        user_pauses(world, pause);
    return pause == PAUSE_TRUE ? "user: pause" : "user: resume";
}

/* Some come too late, when the time to live is not stopped. */
static void user_renews(struct walk *walk)
{
    char expires[RFC3339_SIZE];
    const int64_t near_s = walk->world.now_ms / 1000 + 900;

    if (chance(walk, 20))
        user_edits(&walk->world, "expireTime", json_string(rfc3339_format(near_s, expires)));
    else
        user_edits(&walk->world, "expireTime",
                   json_string(chance(walk, 50) ? "2098-01-01T00:00:00Z" : "2099-01-01T00:00:00Z"));
}

static const char *user_acts(struct walk *walk)
{
    struct world *world = &walk->world;

    if (!world->now.sandbox || is_deleting(world->now.sandbox))
        return "nobody";
    switch (pick(walk, 8)) {
    case 0:
        user_pauses(world, PAUSE_ABSENT);
        return "user: pause=null";
    case 1:
        user_renews(walk);
        return "user: renewal";
    case 2:
    case 3:
        user_writes_files(world);
        return "user: writes";
    default:
        return user_wishes(walk);
    }
}

static void check_files_of_ready_pod(struct world *world, const json_t *pod)
{
    const long files = (long)json_integer_value(json_object_get(json_object_get(pod, "hidden"), "files"));

    if (world->truth == -1)
        world->truth = files;
    if (files != world->truth && !world->broken_law)
        world->broken_law = "a pod that serves has every file that was written";
}

static const char *kubelet_acts(struct walk *walk)
{
    static const char *const troubles[] = {"ImagePullBackOff", "CrashLoopBackOff"};
    struct world *world = &walk->world;
    json_t *pod = first_pod(world);

    if (pod && is_deleting(pod) && chance(walk, 60)) {
        kubelet_ends_deleted_pods(world);
        return "kubelet: ends";
    }
    if (!pod || is_deleting(pod)) {
        kubelet_removes_deleted_pods(world);
        return "kubelet: removes";
    }
    if (chance(walk, has_condition(pod, "Ready") ? 4 : 15)) {
        kubelet_sets(pod, "Running", false, troubles[pick(walk, 2)]);
        return "kubelet: trouble";
    }
    if (strcmp(phase_of(pod), "Running") != 0) {
        kubelet_sets(pod, "Running", false, NULL);
        return "kubelet: running";
    }
    check_files_of_ready_pod(world, pod);
    kubelet_sets(pod, "Running", true, NULL);
    return "kubelet: ready";
}

static const char *agent_acts(struct walk *walk)
{
    static const char *const reasons[] = {"RegistryDenied", "DiskFull", "AgentUnreachable"};

    if (chance(walk, 40)) {
        agent_fails_upload(&walk->world, reasons[pick(walk, 3)], chance(walk, 50));
        return "agent: uploads fail";
    }
    if (chance(walk, 15)) {
        agent_finishes(&walk->world, AGENT_FAILED, reasons[pick(walk, 3)]);
        return "agent: failed";
    }
    if (chance(walk, 8)) {
        agent_loses_hold(&walk->world);
        return "agent: hold ran out";
    }
    agent_finishes(&walk->world, AGENT_SUCCEEDED, NULL);
    return "agent: succeeded";
}

/* Minutes are enough for every pod to start, and for everybody to hear of it. */
static void nodes_run_jobs(struct walk *walk)
{
    job_controller_acts(&walk->world);
    job_pods_start(&walk->world);
    job_controller_acts(&walk->world);
    renew(&walk->seen.jobs, walk->world.now.jobs);
    renew(&walk->seen.job_pods, walk->world.now.job_pods);
}

static const char *jobs_act(struct walk *walk)
{
    static const char *const troubles[] = {"ErrImagePull", "CreateContainerConfigError"};
    struct world *world = &walk->world;

    job_controller_acts(world);
    switch (pick(walk, 10)) {
    case 0:
        job_pods_end(world, JOB_END_FAILURE);
        return "job: fails";
    case 1:
        job_pods_end(world, JOB_END_FOR_GOOD);
        return "job: fails for good";
    case 2:
        job_pods_end(world, JOB_END_DEATH);
        return "job: dies";
    case 3:
        job_pods_wait(world, troubles[pick(walk, 2)]);
        return "job: cannot start";
    case 4:
        jobs_expire(world);
        return "job: expires";
    case 5:
    case 6:
        job_pods_end(world, JOB_END_SUCCESS);
        return "job: succeeds";
    default:
        job_pods_start(world);
        return "job: starts";
    }
}

static const char *rare_event(struct walk *walk)
{
    struct world *world = &walk->world;

    switch (pick(walk, 7)) {
    case 5:
        world->agent_ready = !world->agent_ready;
        return world->agent_ready ? "agent: comes" : "agent: goes";
    case 6:
        if (world->now.public_snapshot && chance(walk, 30)) {
            user_deletes(world, world->now.public_snapshot);
            return "user: deletes the public snapshot";
        }
        return "nobody";
    case 0:
        process_dies(walk);
        return "the process dies";
    case 1:
        world->now_ms += 640 * 1000; /* past the deadline of a commit, not past the patience with its agent */
        agent_times_out(world);
        nodes_run_jobs(walk);
        return "time passes";
    case 2:
        if (first_pod(world) && chance(walk, 30)) {
            user_deletes(world, first_pod(world));
            return "user: deletes the pod";
        }
        return "nobody";
    case 3:
        if (!world->now.public_snapshot && world->now.sandbox) {
            world->now.public_snapshot = json_pack(
                "{s:{s:s, s:s, s:s, s:i, s:s}, s:{s:s}}", "metadata", "name",
                "osb-snap-0123456789abcdef0123456789abcdef", "namespace", "default", "uid", "uid-public",
                "generation", 1, "resourceVersion", "public-1", "spec", "sandboxName", "demo");
            return "user: public snapshot";
        }
        return "nobody";
    default:
        if (world->now.sandbox && chance(walk, 4)) {
            user_deletes(world, world->now.sandbox);
            return "user: deletes the sandbox";
        }
        return "nobody";
    }
}

static const char *step(struct walk *walk)
{
    const unsigned dice = pick(walk, 100);

    if (dice < 42)
        return reconcile(walk);
    if (dice < 64) {
        informers_move(walk);
        return "informer";
    }
    if (dice < 70)
        return user_acts(walk);
    if (dice < 86)
        return kubelet_acts(walk);
    if (dice < 97)
        return walk->world.config.commit_mode == COMMIT_MODE_JOB || chance(walk, 50) ? jobs_act(walk)
                                                                                     : agent_acts(walk);
    return rare_event(walk);
}

/* ---- when the faults stop ---- */

static const char *phase_now(const struct walk *walk)
{
    return phase_of(walk->world.now.sandbox);
}

static void require(struct walk *walk, bool holds, const char *law)
{
    if (!holds && !walk->world.broken_law)
        walk->world.broken_law = law;
}

static void require_answered(struct walk *walk)
{
    const json_t *sandbox = walk->world.now.sandbox;
    const char *phase = phase_now(walk);

    require(walk,
            strcmp(phase, "Succeed") == 0 || strcmp(phase, "Paused") == 0 || strcmp(phase, "Failed") == 0,
            "no sandbox is stuck between two states");
    require(walk,
            status_number(sandbox, "pauseObservedGeneration") ==
                json_integer_value(json_object_get(json_object_get(sandbox, "metadata"), "generation")),
            "every wish is answered");
    if (strcmp(phase, "Paused") == 0)
        require(walk, json_array_size(walk->world.now.pods) == 0, "a paused sandbox has no pods");
    const char *snapshot = phase_of(walk->world.now.public_snapshot);
    require(walk, !*snapshot || strcmp(snapshot, "Succeed") == 0 || strcmp(snapshot, "Failed") == 0,
            "no snapshot is stuck");
}

static void settle(struct walk *walk)
{
    world_settles(&walk->world);
    if (first_pod(&walk->world) && has_condition(first_pod(&walk->world), "Ready"))
        check_files_of_ready_pod(&walk->world, first_pod(&walk->world));
}

/* From wherever the walk ended: a user who asks, sees the answer and asks again when it failed, gets there. */
static void user_gets(struct walk *walk, int pause, const char *phase)
{
    for (int tries = 0; tries < 2 && strcmp(phase_now(walk), phase) != 0; tries++) {
        user_pauses(&walk->world, PAUSE_ABSENT);
        settle(walk);
        user_pauses(&walk->world, pause);
        settle(walk);
    }
    require(walk, strcmp(phase_now(walk), phase) == 0,
            pause == PAUSE_TRUE ? "a healthy sandbox can be paused" : "a paused sandbox can be resumed");
}

static void faults_stop(struct walk *walk)
{
    struct world *world = &walk->world;

    world->agent_ready = true;
    if (world->now.sandbox && !is_deleting(world->now.sandbox))
        user_edits(world, "expireTime", json_string("2099-06-01T00:00:00Z"));
    settle(walk);
    world->now_ms +=
        3 * world->config.commit_timeout_ms; /* what nobody came back for is thawed by its agent */
    agent_times_out(world);
    settle(walk);
    if (!world->now.sandbox || world->sandbox_was_deleted) {
        require(walk, !world->now.sandbox && !world->now.snapshot && json_array_size(world->now.pods) == 0,
                "delete wins from every state");
        return;
    }
    require_answered(walk);
    require(walk, !anything_is_frozen(world), "nothing stays frozen");
    user_gets(walk, PAUSE_FALSE, "Succeed");
    user_gets(walk, PAUSE_TRUE, "Paused");
    user_gets(walk, PAUSE_FALSE, "Succeed");
    user_deletes(world, world->now.sandbox);
    settle(walk);
    require(walk, !world->now.sandbox && !world->now.snapshot && json_array_size(world->now.pods) == 0,
            "delete wins from every state");
}

/* What must have happened somewhere on the way, or the walks prove nothing. */
static const char *const milestones[] = {
    "Pausing",           "Paused",           "PauseFailed",       "Resuming",
    "Resumed",           "ResumeFailed",     "CreatedJob",        "JobSucceeded",
    "JobFailed",         "SuccessfulCreate", "SourcePodNotFound", "AgentUnreachable",
    "JobPodNotStarting", "Captured",         "UploadFailed",      "kept",
    "Referenced"};
enum { MILESTONES = sizeof(milestones) / sizeof(*milestones) };

static void note_milestones(const struct world *world, unsigned reached[MILESTONES])
{
    size_t i;
    json_t *event;

    json_array_foreach(world->events, i, event)
    {
        for (size_t m = 0; m < MILESTONES; m++)
            reached[m] += strcmp(json_string_value(event), milestones[m]) == 0;
    }
}

static const char *take_walk(uint64_t seed, bool tell, unsigned reached[MILESTONES])
{
    struct walk walk = {.random = seed, .tell = tell};

    world_init(&walk.world, "");
    walk.world.config.commit_mode = (enum commit_mode)(seed % COMMIT_MODE_MAX);
    walk.world.hands_over = seed / COMMIT_MODE_MAX % 3 != 0;
    walk.world.truth = -1;
    walk.world.tell = tell;
    informers_catch_up(&walk);
    for (int i = 0; i < STEPS && !walk.world.broken_law; i++) {
        const char *told = step(&walk);
        if (tell)
            print_message("%3d %-60s now %s, snapshot %s, pods %zu\n", i, told, phase_now(&walk),
                          phase_of(walk.world.now.snapshot), json_array_size(walk.world.now.pods));
    }
    note_milestones(&walk.world, reached);
    if (!walk.world.broken_law)
        faults_stop(&walk);
    const char *law = walk.world.broken_law;
    picture_done(&walk.seen);
    world_done(&walk.world);
    return law;
}

static void no_walk_breaks_a_law(void **state)
{
    (void)state;
    const char *one = getenv("STASIS_WALK_SEED"), *many = getenv("STASIS_WALKS");
    const uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    const uint64_t walks = one ? 1 : many ? strtoull(many, NULL, 10) : WALKS;

    unsigned reached[MILESTONES] = {0};

    for (uint64_t seed = first; seed < first + walks; seed++) {
        const char *law = take_walk(seed, one != NULL, reached);
        if (law)
            fail_msg("STASIS_WALK_SEED=%llu breaks the law: %s", (unsigned long long)seed, law);
    }
    for (size_t m = 0; m < MILESTONES && !one; m++)
        if (getenv("STASIS_WALKS"))
            print_message("%s: %u\n", milestones[m], reached[m]);
        else if (reached[m] < walks / 50)
            fail_msg("%s happened %u times in %llu walks", milestones[m], reached[m],
                     (unsigned long long)walks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_walk_breaks_a_law),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
