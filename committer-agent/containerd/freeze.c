#include "committer-agent/containerd/freeze.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/containerd/cgroup.h"
#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

enum { FREEZER_LOOK_AGAIN_MS = 2, KILL_MAX_ROUNDS = 100 };

static bool task_is_gone(const struct error *err)
{
    return err->code == ERR_NOT_FOUND;
}

static enum freezer_state freezer_of(const struct task *task)
{
    return cgroup_freezer_state(&cgroup_system_roots, task->pid);
}

static int freeze_failed(struct error *err, const char *id)
{
    (void)error_reason(err, "FreezeFailed");
    return error_wrap(err, "freezing container %s", id);
}

/* The runtime has answered; the kernel may need a moment more (v1: FREEZING), and it has no event for that. */
static int await_frozen(struct containerd *containerd, const char *id, struct error *err)
{
    int64_t deadline = clock_monotonic_ms() + FREEZE_TIMEOUT_MS;

    for (;;) {
        struct task task;
        if (task_get(containerd, id, &task, err) < 0)
            return -1;
        if (task.state != TASK_PAUSED && task.state != TASK_PAUSING)
            return error_set(err, ERR_PRECONDITION, "its task is %s, want PAUSED",
                             task_state_name(task.state));
        enum freezer_state state = freezer_of(&task);
        if (task.state == TASK_PAUSED && (state == FREEZER_FROZEN || state == FREEZER_UNKNOWN))
            return 0;
        if (clock_monotonic_ms() >= deadline)
            return error_set(err, ERR_PRECONDITION, "its processes did not stand still within %d ms",
                             FREEZE_TIMEOUT_MS);
        (void)poll(NULL, 0, FREEZER_LOOK_AGAIN_MS); /* woken early by a signal is fine */
    }
}

static int refuse_unless_running(const struct task *task, const char *id, struct error *err)
{
    if (task->state == TASK_RUNNING && freezer_of(task) != FREEZER_FROZEN)
        return 0;
    if (task->state == TASK_PAUSED || task->state == TASK_PAUSING || task->state == TASK_RUNNING) {
        (void)error_set(err, ERR_PRECONDITION, "container %s is frozen already, by somebody else", id);
        return error_reason(err, "FreezeFailed");
    }
    (void)error_set(err, ERR_PRECONDITION, "container %s is %s, want RUNNING", id,
                    task_state_name(task->state));
    return error_reason(err, "ContainerNotRunning");
}

static int pause_and_look(struct containerd *containerd, const char *id, struct error *err)
{
    if (task_pause(containerd, id, err) < 0)
        return -1;
    return await_frozen(containerd, id, err);
}

/* -1: it runs, and err tells why. */
static int freeze_running(struct containerd *containerd, const char *container_id, struct error *err)
{
    struct error thawing = {0};
    struct task task;

    if (task_get(containerd, container_id, &task, err) < 0) {
        if (task_is_gone(err))
            err->code = ERR_PRECONDITION; /* the container may well exist: it just does not run */
        return -1;
    }
    if (refuse_unless_running(&task, container_id, err) < 0)
        return -1;
    if (pause_and_look(containerd, container_id, err) == 0)
        return 0;
    if (container_thaw(containerd, container_id, &thawing) < 0)
        log_failure(LOG_ERROR, "cannot thaw a container whose freezing failed", &thawing,
                    log_str("container", container_id));
    return freeze_failed(err, container_id);
}

/* runc gives the v1 freezer a number of tries, and on a busy machine they are not enough ("unable to freeze"). It has
 * thawed it again then, and nothing is lost by asking anew. */
static bool is_runtimes_refusal(const struct error *err)
{
    return err->code == ERR_INTERNAL || err->code == ERR_UNAVAILABLE;
}

int container_freeze(struct containerd *containerd, const char *container_id, struct frozen *ret_frozen,
                     struct error *err)
{
    const int64_t deadline_ms = clock_monotonic_ms() + FREEZE_TIMEOUT_MS;
    struct backoff backoff = {.first_ms = 20, .max_ms = 1000};

    while (freeze_running(containerd, container_id, err) < 0) {
        const int64_t delay_ms = backoff_next_ms(&backoff);
        if (!is_runtimes_refusal(err) || clock_monotonic_ms() + delay_ms >= deadline_ms)
            return -1;
        log_emit_error(LOG_DEBUG, "freezing is tried again", err, NULL, 0);
        error_clear(err);
        (void)poll(NULL, 0, (int)delay_ms); /* woken early by a signal is fine */
    }
    *ret_frozen = (struct frozen){.containerd = containerd, .container_id = xstrdup(container_id)};
    return 0;
}

int container_is_frozen(struct containerd *containerd, const char *container_id, struct error *err)
{
    struct task task;

    if (task_get(containerd, container_id, &task, err) < 0) {
        if (!task_is_gone(err))
            return -1;
        error_clear(err);
        return 0;
    }
    if (task.state == TASK_STOPPED)
        return 0;
    enum freezer_state state = freezer_of(&task);
    return state == FREEZER_FROZEN || (state == FREEZER_UNKNOWN && task.state == TASK_PAUSED);
}

int container_adopt_frozen(struct containerd *containerd, const char *container_id, struct frozen *ret_frozen,
                           struct error *err)
{
    int frozen = container_is_frozen(containerd, container_id, err);

    if (frozen < 0)
        return -1;
    if (!frozen) {
        (void)error_set(err, ERR_PRECONDITION, "container %s is not frozen any more", container_id);
        return error_reason(err, "FreezeFailed");
    }
    *ret_frozen = (struct frozen){.containerd = containerd, .container_id = xstrdup(container_id)};
    return 0;
}

/* A pause that was cut off may leave the cgroup frozen while the runtime believes that the task runs, and
 * then it refuses to resume it. */
static int thaw_forgotten_freezer(struct containerd *containerd, const char *id, struct error *err)
{
    struct task task;

    if (task_get(containerd, id, &task, err) < 0 || task.state == TASK_STOPPED)
        return task.state == TASK_STOPPED ? 0 : -1;
    enum freezer_state state = freezer_of(&task);
    if (state == FREEZER_FROZEN || state == FREEZER_FREEZING)
        return cgroup_thaw(&cgroup_system_roots, task.pid, err);
    return 0;
}

int container_thaw(struct containerd *containerd, const char *container_id, struct error *err)
{
    struct task task = {0};

    if (task_get(containerd, container_id, &task, err) == 0) {
        bool paused = task.state == TASK_PAUSED || task.state == TASK_PAUSING;
        if (paused && task_resume(containerd, container_id, err) < 0 && !task_is_gone(err))
            return error_wrap(err, "thawing container %s", container_id);
        error_clear(err);
        if (thaw_forgotten_freezer(containerd, container_id, err) == 0)
            return 0;
    }
    if (!task_is_gone(err))
        return error_wrap(err, "thawing container %s", container_id);
    error_clear(err);
    return 0;
}

struct pid_set {
    pid_t *items;
    size_t count;
};

static void pid_set_done(struct pid_set *set)
{
    free(set->items);
}

static bool pid_set_has(const struct pid_set *set, pid_t pid)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i] == pid)
            return true;
    return false;
}

/* One round: SIGKILL to everything listed. *ret_new: how many of them had not been in `killed`, which then
 * holds this round's. */
static int kill_listed(struct containerd *containerd, const char *id, struct pid_set *killed, size_t *ret_new,
                       struct error *err)
{
    struct pid_set listed = {0};

    *ret_new = 0;
    if (task_pids(containerd, id, &listed.items, &listed.count, err) < 0)
        return -1;
    for (size_t i = 0; i < listed.count; i++) {
        if (pid_set_has(killed, listed.items[i]))
            continue;
        (*ret_new)++;
        if (kill(listed.items[i], SIGKILL) < 0 && errno != ESRCH) {
            (void)error_sys(err, errno, "killing process %d", (int)listed.items[i]);
            pid_set_done(&listed);
            return -1;
        }
    }
    pid_set_done(killed);
    *killed = listed;
    return 0;
}

static int kill_until_none_is_new(struct containerd *containerd, const char *id, struct error *err)
{
    __attribute__((cleanup(pid_set_done))) struct pid_set killed = {0};

    for (int round = 0; round < KILL_MAX_ROUNDS; round++) {
        size_t fresh;
        if (kill_listed(containerd, id, &killed, &fresh, err) < 0)
            return -1;
        if (fresh == 0)
            return 0;
    }
    return error_set(err, ERR_INTERNAL, "processes keep appearing in a container that is said to be frozen");
}

/* 1 still frozen, 0 gone (dead or removed), -1 runs. */
static int must_be_frozen(struct containerd *containerd, const char *id, struct error *err)
{
    struct task task;

    if (task_get(containerd, id, &task, err) < 0) {
        if (!task_is_gone(err))
            return -1;
        error_clear(err);
        return 0;
    }
    if (task.state == TASK_STOPPED)
        return 0;
    enum freezer_state state = freezer_of(&task);
    if (state == FREEZER_FROZEN || (state == FREEZER_UNKNOWN && task.state == TASK_PAUSED))
        return 1;
    (void)error_set(err, ERR_PRECONDITION,
                    "container %s is %s, want it frozen: its processes may have changed files", id,
                    task_state_name(task.state));
    return error_reason(err, "HoldExpired");
}

/* Whoever thawed it before the last SIGKILL was sent let it run; after that it only died. The two look alike,
 * so a container that is found running counts as the first. */
static int must_not_run(struct containerd *containerd, const char *id, struct error *err)
{
    struct task task;

    if (task_get(containerd, id, &task, err) < 0)
        return -1;
    if (task.state != TASK_RUNNING)
        return 0;
    (void)error_set(err, ERR_PRECONDITION, "container %s was thawed while it was being killed", id);
    return error_reason(err, "HoldExpired");
}

int container_kill_frozen(struct containerd *containerd, const char *container_id, struct error *err)
{
    int frozen = must_be_frozen(containerd, container_id, err);

    if (frozen <= 0)
        return frozen;
    if (kill_until_none_is_new(containerd, container_id, err) == 0 &&
        must_not_run(containerd, container_id, err) == 0)
        return 0;
    if (!task_is_gone(err))
        return error_wrap(err, "killing the frozen container %s", container_id);
    error_clear(err);
    return 0;
}

void frozen_keep(struct frozen *frozen)
{
    free(frozen->container_id);
    *frozen = (struct frozen){0};
}

void frozen_done(struct frozen *frozen)
{
    struct error err = {0};

    if (!frozen->containerd)
        return;
    if (container_thaw(frozen->containerd, frozen->container_id, &err) < 0)
        log_failure(LOG_ERROR, "cannot thaw a container", &err, log_str("container", frozen->container_id));
    frozen_keep(frozen);
}
