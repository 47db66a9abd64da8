/* image_committer.c - the agent as the commit Job's container: one commit by key, or unpause; see job/job.h.
 *
 * A pause (STASIS_COMMIT_HOLD=kill) holds, pushes, kills and only then tells the result. The journal makes every line of
 * that a place to die at: the next process of the same key goes on from its stage. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "committer-agent/agent.h"
#include "committer-agent/job/job.h"
#include "committer-agent/job/result.h"
#include "committer-agent/job/sweep.h"
#include "committer-agent/job/unpause.h"
#include "shared/base/backoff.h"
#include "shared/base/signals.h"

enum { EXIT_FAILED = 1, PROGRESS_EVERY_MS = 60 * 1000, KILL_TRIES = 6 };

/* ---- SIGTERM and SIGINT cancel; a kill that has begun goes on ---- */

struct canceller {
    pthread_t thread;
    struct commits *commits;
    const char *key;
    bool cancelled, finished; /* atomically */
};

static void *cancel_on_signal(void *arg)
{
    struct canceller *canceller = arg;
    struct error err;

    (void)signals_wait();
    if (__atomic_load_n(&canceller->finished, __ATOMIC_ACQUIRE))
        return NULL;
    log_info("cancelling", log_str("commit", canceller->key));
    __atomic_store_n(&canceller->cancelled, true, __ATOMIC_RELEASE);
    if (commits_cancel(canceller->commits, canceller->key, &err) < 0)
        log_failure(LOG_ERROR, "cancelling the commit failed", &err);
    return NULL;
}

static int canceller_start(struct canceller *canceller, struct error *err)
{
    int failed = pthread_create(&canceller->thread, NULL, cancel_on_signal, canceller);
    return failed ? error_sys(err, failed, "waiting for signals") : 0;
}

static void canceller_stop(struct canceller *canceller)
{
    __atomic_store_n(&canceller->finished, true, __ATOMIC_RELEASE);
    (void)pthread_kill(canceller->thread, SIGTERM); /* it waits for a signal: this ends it */
    (void)pthread_join(canceller->thread, NULL);
}

static bool is_cancelled(const struct canceller *canceller)
{
    return __atomic_load_n(&canceller->cancelled, __ATOMIC_ACQUIRE);
}

static int say_cancelled(struct error *err)
{
    (void)error_set(err, ERR_UNAVAILABLE, "the Job was told to stop before its commit was finished");
    return error_reason(err, "CommitCancelled");
}

/* ---- one commit ---- */

static struct commit_report wait_for(struct commit *commit)
{
    for (struct commit_report seen = {0};;) {
        struct commit_report report = commit_wait(commit, &seen, PROGRESS_EVERY_MS);
        if (report.finished)
            return report;
        seen = report;
        log_info("under way", log_i64("phase", (int)report.phase), log_u64("bytes", report.bytes_read),
                 log_u64("pushed", report.bytes_pushed), log_u64("files", report.files));
    }
}

/* Starts the commit, or attaches to what an earlier process of this key achieved. One that failed to pay its debt when
 * the folder was settled pays it now. */
static int attach(struct canceller *canceller, const struct commit_request *request,
                  struct commit **ret_commit, struct error *err)
{
    struct commits *commits = canceller->commits;

    if (is_cancelled(canceller))
        return say_cancelled(err);
    int started = commits_start(commits, request, ret_commit, err);
    if (started < 0 && strcmp(err->reason, "CommitSuperseded") == 0) { /* by its own earlier attempt */
        if (commits_cancel(commits, request->key, err) < 0)
            return -1;
        started = commits_start(commits, request, ret_commit, err);
    }
    if (started == 0 && is_cancelled(canceller)) /* just before: there was nothing to cancel then */
        return commits_cancel(commits, request->key, err) < 0 ? -1 : 0;
    return started;
}

static int forget(struct commits *commits, const char *key, struct error *err)
{
    return commits_cancel(commits, key, err) < 0 || commits_forget(commits, key, err) < 0 ? -1 : 0;
}

/* An earlier process's hold that ran out left an image that may lack writes: it is made anew. */
static int commit_once(struct canceller *canceller, const struct commit_request *request,
                       struct commit **ret_commit, struct error *err)
{
    for (bool anew = false;; anew = true) {
        SCOPED(commit) struct commit *commit = NULL;
        if (attach(canceller, request, &commit, err) < 0)
            return -1;
        struct commit_report report = wait_for(commit);
        if (!report.failed) {
            *ret_commit = TAKE(commit);
            return 0;
        }
        *err = report.error;
        if (is_cancelled(canceller))
            return say_cancelled(err);
        if (anew || strcmp(err->reason, "HoldExpired") != 0)
            return -1;
        log_failure(LOG_WARN, "an earlier attempt cannot be used: committing anew", err);
        if (forget(canceller->commits, request->key, err) < 0)
            return -1;
    }
}

/* Tried again while it may succeed. What has begun cannot be cancelled, and is tried for ever; what has not is given up
 * after a while, and thaws. */
static int kill_held(struct canceller *canceller, struct error *err)
{
    struct commits *commits = canceller->commits;
    struct backoff backoff = {.first_ms = 100, .max_ms = 5000};
    struct error each, ignored;

    for (int try = 1;; try++) {
        if (commits_release(commits, canceller->key, COMMIT_RELEASE_KILL, &each) == 0)
            return 0;
        if (strcmp(each.reason, "HoldExpired") == 0)
            break;
        *err = each;
        log_failure(LOG_WARN, "the frozen containers are not all killed; tried again", &each);
        if (try == KILL_TRIES)
            (void)commits_cancel(commits, canceller->key, &ignored); /* err says what came before */
        else
            (void)poll(NULL, 0, (int)backoff_next_ms(&backoff));
    }
    if (is_cancelled(canceller))
        return say_cancelled(err);
    if (err->code == ERR_NONE)
        *err = each;
    return -1;
}

/* ---- telling ---- */

static void write_message(const struct job *job, const char *message)
{
    struct error err;
    if (job_message_write(job->termination_log ? job->termination_log : "/dev/termination-log", message,
                          &err) < 0)
        log_failure(LOG_WARN, "the result is not in the termination log", &err);
}

static void tell_success(const struct job *job, const struct commit_report *report)
{
    SCOPED_STRBUF struct strbuf lines = STRBUF_INIT;
    SCOPED(string) char *message = job_success_message(report->results, report->result_count);

    job_digest_lines(report->results, report->result_count, &lines);
    (void)fputs(strbuf_text(&lines), stdout);
    (void)fflush(stdout);
    if (message)
        write_message(job, message);
    else
        log_warn("the result does not fit into a termination log, so there is none",
                 log_u64("containers", report->result_count));
}

static int fail(const struct job *job, const struct error *err)
{
    SCOPED(string) char *message = job_failure_message(err);

    log_failure(LOG_ERROR, job->unpause ? "unpause failed" : "commit failed", err);
    write_message(job, message);
    return EXIT_FAILED;
}

/* ---- the two commands ---- */

static int run(const struct job *job, struct agent *agent, const struct commit_request *request,
               struct error *err)
{
    struct canceller canceller = {.commits = agent->commits, .key = job->key};
    SCOPED(commit) struct commit *commit = NULL;

    error_clear(err);
    if (canceller_start(&canceller, err) < 0)
        return -1;
    int result = commit_once(&canceller, request, &commit, err);
    if (result == 0 && job->kill)
        result = kill_held(&canceller, err);
    canceller_stop(&canceller);
    if (result == 0) {
        struct commit_report report = wait_for(commit);
        tell_success(job, &report);
    }
    return result;
}

static int commit(struct job *job, struct error *err)
{
    SCOPED(commit_request) struct commit_request *request = NULL;
    SCOPED_JOB_STATE struct job_state state = {.lock_fd = -1};
    struct agent agent;

    if (job_request(job, &request, err) < 0 ||
        job_state_open(job->state_parent, job->key, JOB_LOCK_WAIT_MS, &state, err) < 0)
        return -1;
    job->agent.state_dir = state.dir;
    job->agent.owner = state.owner;
    if (agent_open(&agent, &job->agent, err) < 0)
        return -1;
    int result = run(job, &agent, request, err);
    if (!state.temporary)
        jobs_sweep(job->state_parent, agent.containerd);
    agent_close(&agent, 0);
    if (!state.temporary)
        job_state_remove_if_empty(&state);
    return result;
}

static int unpause(const struct job *job, struct error *err)
{
    SCOPED(containerd)
    struct containerd *containerd =
        containerd_new(job->agent.containerd_socket, job->agent.containerd_namespace);
    unsigned thawed = 0;

    if (job_unpause(job, containerd, &thawed, err) < 0)
        return -1;
    SCOPED(string) char *finished = job_finished_message(job);
    if (finished)
        write_message(job, finished);
    jobs_sweep(job->state_parent, containerd);
    (void)printf("{\"thawed\":%u}\n", thawed);
    return 0;
}

int image_committer(int argc, char **argv)
{
    SCOPED_JOB struct job job = {0};
    enum config_outcome outcome;
    struct error err = {0};

    if (job_load(&job, argc, argv, &outcome, &err) < 0) {
        return fail(&job, &err);
    }
    if (outcome == CONFIG_EXIT_OK)
        return 0;
    LOG_SCOPE(log_str("commit", job.key), log_str("pod", job.pod_name));
    int result = job.unpause ? unpause(&job, &err) : commit(&job, &err);
    return result < 0 ? fail(&job, &err) : 0;
}
