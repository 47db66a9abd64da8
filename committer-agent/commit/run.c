#include "committer-agent/commit/run.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "committer-agent/commit/failpoints.h"
#include "committer-agent/commit/freezing.h"
#include "committer-agent/commit/kill.h"
#include "committer-agent/commit/meter.h"
#include "committer-agent/commit/publication.h"
#include "committer-agent/commit/rights.h"
#include "committer-agent/commit/source.h"
#include "committer-agent/commit/space.h"
#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

struct steps { /* everything one run owns */
    struct commit_run *run;
    struct commit_pod pod;
    struct publication *publication;
    struct space_claim *space;
    struct journal_record *record; /* NULL until something may be frozen */
    struct commit_result *results;
    int64_t frozen_at_ms;
    bool hands_over;
    struct meter_watch watch;

    atomic_bool killing;   /* commit_kill() judges whether they stood still: its dead are not frozen */
    bool removed;          /* a container, by somebody else, after its kill had begun */
    atomic_bool published; /* the publisher has ended; the next two are set */
    int publish_result;
    struct error publish_error;
};

static void enter(struct steps *steps, enum commit_phase phase)
{
    atomic_store(&steps->run->progress.phase, phase);
    meter_enter(&steps->watch, phase, clock_monotonic_ms());
    steps->run->phase_changed(steps->run->self);
}

static int check_cancelled(const struct steps *steps, struct error *err)
{
    return commit_check_cancelled(&steps->run->cancelled, err);
}

/* ---- before anything is frozen ---- */

/* A hold ends by killing, which must not turn out impossible, or void, when everything else is done. */
static int check_rights(const struct steps *steps, struct error *err)
{
    bool kills = steps->run->request->hold;

    if (commit_check_rights(kills, err) < 0)
        return -1;
    return kills ? containerd_check_pids(steps->run->env->containerd, err) : 0;
}

/* What is about to be captured must fit, and leave the node some air. */
static int reserve_space(struct steps *steps, struct error *err)
{
    struct commit_run *run = steps->run;
    uint64_t bytes = 0;

    if (!run->env->space)
        return 0;
    for (size_t i = 0; i < steps->pod.count; i++)
        bytes += steps->pod.sources[i].bytes;
    if (!run->request->hold)
        bytes *= 2; /* what is read before the freeze lies beside the spool */
    return space_reserve(run->env->space, bytes, &run->layers.bytes_written, &steps->space, err);
}

/* May the pod be released before its image is pushed? */
static bool choose_path(struct steps *steps)
{
    struct commit_run *run = steps->run;
    const char *why = NULL;

    if (!run->request->hold || !run->request->early_release)
        return false;
    if (!run->env->hands_over)
        why = "this agent does not stay to push what it takes over";
    for (size_t i = 0; !why && i < steps->pod.count; i++)
        why = steps->pod.sources[i].why_not_handed_over;
    (void)snprintf(run->path_why, sizeof(run->path_why), "%s", why ? why : "");
    return !why;
}

/* The images say that they were made then: one that is made again, from the same files, is the same to the byte. */
static void open_publication(struct steps *steps, int64_t created_unix_ms)
{
    struct commit_run *run = steps->run;
    const struct publication_options options = {.env = run->env,
                                                .request = run->request,
                                                .pod = &steps->pod,
                                                .created_unix_ms = created_unix_ms,
                                                .progress = &run->progress,
                                                .layers = &run->layers,
                                                .cancelled = &run->cancelled};

    for (size_t i = 0; i < steps->pod.count; i++)
        atomic_fetch_add(&run->progress.bytes_total, steps->pod.sources[i].bytes);
    steps->publication = publication_new(&options);
}

static int prepare(struct steps *steps, struct error *err)
{
    struct commit_run *run = steps->run;

    enter(steps, COMMIT_RESOLVING);
    if (commit_pod_resolve(run->env, run->request, &steps->pod, err) < 0 ||
        run->claim(run->self, &steps->pod.running.items[0], err) < 0)
        return -1;
    steps->hands_over = choose_path(steps);
    open_publication(steps, clock_realtime_ms());
    if (check_rights(steps, err) < 0 || reserve_space(steps, err) < 0)
        return -1;
    if (publication_prepare(steps->publication, err) < 0)
        return -1;
    return run->request->hold ? 0 : publication_precopy(steps->publication, err);
}

static int freeze(struct steps *steps, struct error *err)
{
    struct commit_run *run = steps->run;
    bool written;

    enter(steps, COMMIT_FREEZING);
    if (check_cancelled(steps, err) < 0)
        return -1;
    struct journal_record *record = commit_record_new(run->request, &steps->pod, steps->hands_over);
    steps->frozen_at_ms = clock_monotonic_ms();
    int result = commit_freeze(run->env, &steps->pod, record, &written, err);
    if (written)
        steps->record = record;
    else
        journal_record_free(record);
    return result;
}

/* ---- capture and push ---- */

/* From the kill on they need not be frozen: they die, and then whoever took them over may let them go. */
static int check_untouched(struct steps *steps, struct error *err)
{
    if (commit_check_still_frozen(steps->run->env->containerd, steps->record, err) == 0)
        return 0;
    return atomic_load(&steps->killing) ? 0 : -1;
}

static int publish(struct steps *steps, struct error *err)
{
    enter(steps, COMMIT_CAPTURING);
    if (publication_capture(steps->publication, err) < 0 || check_untouched(steps, err) < 0)
        return -1;
    enter(steps, COMMIT_PUSHING);
    return publication_push(steps->publication, &steps->results, err);
}

static int publish_live(struct steps *steps, struct error *err)
{
    struct commit_run *run = steps->run;

    enter(steps, COMMIT_CAPTURING);
    if (publication_record(steps->publication, err) < 0 || check_untouched(steps, err) < 0)
        return -1;
    if (commit_thaw(run->env->containerd, steps->record, err) < 0)
        return error_wrap(err, "thawing after the capture");
    steps->record->frozen_ms = clock_monotonic_ms() - steps->frozen_at_ms;
    meter_frozen(run->env->meter, METER_LIVE, steps->record->frozen_ms);
    FAILPOINT(thawed_after_capture);
    if (publication_assemble(steps->publication, err) < 0)
        return -1;
    enter(steps, COMMIT_PUSHING);
    return publication_push(steps->publication, &steps->results, err);
}

static void *publish_beside(void *arg)
{
    struct steps *steps = arg;

    LOG_SCOPE(log_str("commit", steps->run->request->key));
    steps->publish_result = publish(steps, &steps->publish_error);
    atomic_store(&steps->published, true);
    steps->run->phase_changed(steps->run->self);
    return NULL;
}

/* What is begun is not given up, until the agent stops: then the next one goes on. ERR_NOT_FOUND: a container was removed
 * before its layer could be taken. */
static int kill_for_good(struct steps *steps, struct error *err)
{
    struct commit_run *run = steps->run;
    struct backoff backoff = {.first_ms = 100, .max_ms = 5000};

    steps->record->frozen_ms = clock_monotonic_ms() - steps->frozen_at_ms;
    atomic_store(&steps->killing, true);
    while (commit_kill(run->env, steps->record, err) < 0) {
        if (steps->record->stage != STAGE_KILLING || strcmp(err->reason, "HoldExpired") == 0) {
            atomic_store(&steps->killing, false);
            return -1;
        }
        if (err->code == ERR_NOT_FOUND)
            return -1;
        log_failure(LOG_ERROR, "frozen processes are not all killed and kept; tried again", err,
                    log_str("pod", steps->record->pod_name));
        if (!run->wait(run->self, backoff_next_ms(&backoff)))
            return -1;
    }
    meter_frozen(run->env->meter, METER_HANDOVER, steps->record->frozen_ms);
    return 0;
}

/* Until it is killed or published, whichever comes first. A kill that fails found that they ran, that nobody can tell, or
 * that files were removed. */
static void await_kill(struct steps *steps)
{
    struct commit_run *run = steps->run;

    run->releasable(run->self);
    FAILPOINT(releasable_told);
    while (run->kill_wanted(run->self, &steps->published)) {
        struct error err = {0};
        int result = kill_for_good(steps, &err);
        steps->removed = result < 0 && err.code == ERR_NOT_FOUND;
        if (steps->removed || (result < 0 && steps->record->stage == STAGE_FREEZING))
            __atomic_store_n(&run->cancelled, true, __ATOMIC_RELEASE); /* what is captured is worth nothing */
        run->kill_answered(run->self, result, &err);
        if (result == 0 || steps->record->stage == STAGE_KILLING)
            return;
    }
}

static int publish_and_hand_over(struct steps *steps, struct error *err)
{
    pthread_t publisher;
    int failed = pthread_create(&publisher, NULL, publish_beside, steps);

    if (failed)
        return error_sys(err, failed, "starting the capture");
    await_kill(steps);
    (void)pthread_join(publisher, NULL); /* fails only for a thread that is none */
    if (steps->removed) {                /* perhaps while they were read */
        (void)error_set(err, ERR_NOT_FOUND, "a container was removed before its files were taken over");
        return error_reason(err, "ContainerNotFound");
    }
    if (steps->publish_result < 0)
        *err = steps->publish_error;
    return steps->publish_result;
}

/* ---- the end ---- */

static void copy_result(struct journal_container *into, const struct commit_result *result)
{
    into->digest = xstrdup(result->digest);
    into->layer_digest = xstrdup(result->layer_digest);
    into->diff_id = xstrdup(result->diff_id);
    into->chain_id = xstrdup(result->chain_id);
    into->layer_size = result->layer_size;
    into->image_size = result->image_size;
    into->files = result->files;
    into->layers = (int32_t)result->layers;
    struct journal_skipped *skipped = xcalloc(result->skipped_count + 1, sizeof(*skipped));
    for (size_t i = 0; i < result->skipped_count; i++)
        skipped[i] = (struct journal_skipped){.kind = xstrdup(result->skipped[i].kind),
                                              .count = result->skipped[i].count,
                                              .example = xstrdup(result->skipped[i].example)};
    into->skipped = (struct json_list){.items = skipped, .count = result->skipped_count};
}

static void store_results(struct journal_record *record, const struct commit_result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) { /* the record begins with the committed ones */
        journal_container_reset(&record->containers[i]);
        copy_result(&record->containers[i], &results[i]);
    }
}

static void forget_results(struct journal_record *record)
{
    for (size_t i = 0; i < record->count; i++)
        journal_container_reset(&record->containers[i]);
}

static int conclude_killed(struct commit_run *run, struct journal_record *record,
                           const struct commit_result *results, struct error *err)
{
    /* A kill that is not finished yet, though the image is made: whoever finishes it makes it warm, too. */
    enum commit_stage next = record->stage == STAGE_KILLING ? STAGE_KILLING : STAGE_KILLED;

    store_results(record, results, run->request->count);
    if (next == STAGE_KILLED)
        commit_warm(run->env, record);
    if (commit_write_stage(run->env, record, next, err) < 0) {
        forget_results(record);
        return -1;
    }
    FAILPOINT(killed_journalled);
    return 0;
}

static int conclude_held(struct steps *steps, struct error *err)
{
    struct journal_record *record = steps->record;

    store_results(record, steps->results, steps->pod.count);
    record->frozen_ms = clock_monotonic_ms() - steps->frozen_at_ms;
    record->hold_until_unix_ms = clock_realtime_ms() + steps->run->request->hold_timeout_ms;
    if (commit_write_stage(steps->run->env, record, STAGE_HOLDING, err) < 0)
        return -1;
    FAILPOINT(holding_journalled);
    enter(steps, COMMIT_HOLDING);
    return 0;
}

static int conclude_live(struct steps *steps, struct error *err)
{
    store_results(steps->record, steps->results, steps->pod.count);
    if (commit_write_stage(steps->run->env, steps->record, STAGE_DONE, err) < 0)
        return -1;
    FAILPOINT(done_journalled);
    return 0;
}

/* From here on the commit is a fact: it survives this process. */
static int conclude(struct steps *steps, struct error *err)
{
    const struct commit_run *run = steps->run;
    int result = !run->request->hold ? conclude_live(steps, err)
                 : steps->record->stage == STAGE_FREEZING
                     ? conclude_held(steps, err)
                     : conclude_killed(steps->run, steps->record, steps->results, err);

    if (result == 0 && steps->record->stage != STAGE_HOLDING)
        enter(steps, COMMIT_DONE);
    return result;
}

/* The way back: everybody runs again, and only then the record goes. */
static void undo(struct steps *steps)
{
    const struct commit_environment *env = steps->run->env;
    struct backoff backoff = {.first_ms = 100, .max_ms = 5000};
    struct error err;

    while (commit_thaw(env->containerd, steps->record, &err) < 0) {
        log_failure(LOG_ERROR, "containers stay frozen until containerd lets us thaw them", &err,
                    log_str("pod", steps->record->pod_name));
        if (!steps->run->wait(steps->run->self, backoff_next_ms(&backoff)))
            return; /* stopping: the record is settled at the next start */
    }
    if (journal_remove(env->journal, steps->record->key, &err) < 0)
        log_failure(LOG_WARN, "a settled journal record stays",
                    &err); /* settled again at the next start: harmless */
}

static void steps_done(struct steps *steps)
{
    meter_leave(&steps->watch, clock_monotonic_ms());
    publication_free(steps->publication);
    space_release(steps->space);
    commit_results_free(steps->results, steps->results ? steps->pod.count : 0);
    journal_record_free(steps->record);
    commit_pod_done(&steps->pod);
}

static int run_steps(struct steps *steps, struct error *err)
{
    if (prepare(steps, err) < 0 || freeze(steps, err) < 0)
        return -1;
    int published = !steps->run->request->hold ? publish_live(steps, err)
                    : steps->hands_over        ? publish_and_hand_over(steps, err)
                                               : publish(steps, err);
    return published < 0 ? -1 : conclude(steps, err);
}

int commit_run(struct commit_run *run, struct journal_record **ret_record, struct commit_result **ret_results,
               struct error *err)
{
    struct steps steps = {.run = run, .watch = meter_watch(run->env->meter)};
    int result = run_steps(&steps, err);
    bool is_final = steps.record && (result == 0 || steps.record->stage == STAGE_KILLING ||
                                     steps.record->stage == STAGE_HANDED_OVER);

    if (steps.record && !is_final)
        undo(&steps); /* first of all: nobody waits frozen for our clean-up */
    *ret_record = is_final ? TAKE(steps.record) : NULL;
    *ret_results = result == 0 ? TAKE(steps.results) : NULL;
    steps_done(&steps);
    return result;
}

/* ---- what was handed over ---- */

static int reopen(struct steps *steps, struct journal_record *record, struct error *err)
{
    struct commit_run *run = steps->run;

    if (commit_pod_reopen(run->env, run->request, record, &steps->pod, err) < 0)
        return -1;
    open_publication(steps, record->changed_unix_ms); /* when it was handed over */
    return reserve_space(steps, err);
}

static int push_again(struct steps *steps, struct journal_record *record, struct error *err)
{
    enter(steps, COMMIT_RESOLVING);
    if (reopen(steps, record, err) < 0 || publication_prepare(steps->publication, err) < 0)
        return -1;
    enter(steps, COMMIT_CAPTURING);
    if (publication_capture(steps->publication, err) < 0)
        return -1;
    enter(steps, COMMIT_PUSHING);
    if (publication_push(steps->publication, &steps->results, err) < 0 ||
        conclude_killed(steps->run, record, steps->results, err) < 0)
        return -1;
    enter(steps, COMMIT_DONE);
    return 0;
}

int commit_continue(struct commit_run *run, struct journal_record *record, struct commit_result **ret_results,
                    struct error *err)
{
    struct steps steps = {.run = run, .watch = meter_watch(run->env->meter)};
    int result = push_again(&steps, record, err);

    *ret_results = result == 0 ? TAKE(steps.results) : NULL;
    steps_done(&steps);
    return result;
}

static int keep(struct steps *steps, struct journal_record *record, struct error *err)
{
    if (reopen(steps, record, err) < 0 || publication_capture(steps->publication, err) < 0 ||
        publication_keep(steps->publication, &steps->results, err) < 0)
        return -1;
    FAILPOINT(kept_content_written);
    store_results(record, steps->results, steps->run->request->count);
    record->warm = record->kept = true;
    if (commit_write_stage(steps->run->env, record, STAGE_KILLED, err) < 0) {
        record->warm = record->kept = false;
        forget_results(record);
        return -1;
    }
    FAILPOINT(kept_journalled);
    return 0;
}

int commit_keep(struct commit_run *run, struct journal_record *record, struct commit_result **ret_results,
                struct error *err)
{
    struct steps steps = {.run = run, .watch = meter_watch(run->env->meter)};
    int result = keep(&steps, record, err);

    *ret_results = result == 0 ? TAKE(steps.results) : NULL;
    steps_done(&steps);
    return result;
}
