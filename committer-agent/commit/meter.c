#include "committer-agent/commit/meter.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/alloc.h"

struct meter {
    struct metrics *metrics;
    struct metric *phases[COMMIT_DONE]; /* by phase, COMMIT_DONE takes no time */
    struct metric *frozen[METER_PATH_MAX];
    struct metric *read, *written, *pushed, *files, *warm;
    struct metric *spool, *slots_used;
};

static const char *const phase_names[COMMIT_DONE] = {
    [COMMIT_RESOLVING] = "resolving", [COMMIT_FREEZING] = "freezing", [COMMIT_CAPTURING] = "capturing",
    [COMMIT_PUSHING] = "pushing",     [COMMIT_HOLDING] = "holding",
};

static const char *const path_names[METER_PATH_MAX] = {[METER_PATH_UNKNOWN] = "unknown",
                                                       [METER_HOLD] = "hold",
                                                       [METER_HANDOVER] = "handover",
                                                       [METER_LIVE] = "live"};

/* A label's values must be few. These are the reasons of committer.proto; others are counted under their error's code. */
static const char *const reasons[] = {
    "UnsupportedRuntime",   "UnsupportedSnapshotter", "UnsupportedOverlay", "ContainerNotFound",
    "PodNotFound",          "ContainerNotRunning",    "ImageNotFound",      "RegistryUnreachable",
    "RegistryUnauthorized", "RegistryDenied",         "RegistryError",      "InvalidImageReference",
    "BlobDigestMismatch",   "FreezeFailed",           "FileChanged",        "DiskFull",
    "BlobMissing",          "CommitCancelled",        "CommitSuperseded",   "DeadlineExceeded",
    "HoldExpired",          "AgentRestarted",         "CommitKept"};

/* From a frozen time that nobody notices to an upload that takes the whole --commit-job-timeout. */
static const double seconds_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                        2.5,   5,    10,    30,   60,  120,  300, 600};
enum { BOUND_COUNT = sizeof(seconds_bounds) / sizeof(seconds_bounds[0]) };

static struct metric *seconds(struct metrics *metrics, const char *name, const char *help, const char *labels)
{
    return metrics_histogram(metrics, name, help, labels, seconds_bounds, BOUND_COUNT);
}

static struct metric *labelled_seconds(struct metrics *metrics, const char *name, const char *help,
                                       const char *label, const char *value)
{
    SCOPED_STRBUF struct strbuf labels = STRBUF_INIT;

    metrics_label(&labels, label, value);
    return seconds(metrics, name, help, strbuf_text(&labels));
}

/* Found again by its labels each time: commits are rare, and most failures never happen. */
static void count_commit(const struct meter *meter, enum meter_path path, const char *outcome, double commits,
                         double took_seconds)
{
    SCOPED_STRBUF struct strbuf labels = STRBUF_INIT;

    metrics_label(&labels, "path", path_names[path]);
    metrics_label(&labels, "outcome", outcome);
    struct metric *total = metrics_counter(meter->metrics, "stasis_commits_total",
                                           "Commits that ended, by path and outcome.", strbuf_text(&labels));
    struct metric *took = seconds(meter->metrics, "stasis_commit_seconds",
                                  "From the request of a commit to its result.", strbuf_text(&labels));
    metric_add(total, commits);
    if (commits > 0)
        metric_observe(took, took_seconds);
}

static void add_histograms(struct meter *meter)
{
    for (int phase = COMMIT_RESOLVING; phase < COMMIT_DONE; phase++)
        meter->phases[phase] =
            labelled_seconds(meter->metrics, "stasis_commit_phase_seconds", "Time of one phase of a commit.",
                             "phase", phase_names[phase]);
    for (int path = METER_HOLD; path < METER_PATH_MAX; path++) {
        meter->frozen[path] =
            labelled_seconds(meter->metrics, "stasis_commit_frozen_seconds",
                             "How long a pod stood still, from the first freeze to the last thaw or kill.",
                             "path", path_names[path]);
        count_commit(meter, (enum meter_path)path, "ok", 0, 0);
    }
}

struct meter *meter_new(struct metrics *metrics, unsigned slots)
{
    struct meter *meter = xcalloc(1, sizeof(*meter));

    meter->metrics = metrics;
    add_histograms(meter);
    meter->read =
        metrics_counter(metrics, "stasis_commit_read_bytes_total", "Bytes of changed files read.", NULL);
    meter->written = metrics_counter(metrics, "stasis_commit_written_bytes_total",
                                     "Compressed bytes written to spools.", NULL);
    meter->pushed = metrics_counter(metrics, "stasis_commit_pushed_bytes_total",
                                    "Compressed bytes that registries accepted.", NULL);
    meter->files =
        metrics_counter(metrics, "stasis_commit_files_total", "Entries written into layers.", NULL);
    meter->warm = metrics_counter(metrics, "stasis_commit_warm_aliases_total",
                                  "Images that start on this node without a pull.", NULL);
    meter->spool =
        metrics_gauge(metrics, "stasis_commit_spool_bytes", "Bytes on disk in the spool folder.", NULL);
    meter->slots_used = metrics_gauge(metrics, "stasis_commit_slots_used", "Commits under way.", NULL);
    metric_set(metrics_gauge(metrics, "stasis_commit_slots", "Commits that may run at once.", NULL), slots);
    return meter;
}

void meter_free(struct meter *meter)
{
    free(meter);
}

static double to_seconds(int64_t ms)
{
    return ms > 0 ? (double)ms / 1000 : 0; /* a clock that went back is no negative time */
}

void meter_phase(struct meter *meter, enum commit_phase phase, int64_t ms)
{
    if (meter && phase >= COMMIT_RESOLVING && phase < COMMIT_DONE)
        metric_observe(meter->phases[phase], to_seconds(ms));
}

struct meter_watch meter_watch(struct meter *meter)
{
    return (struct meter_watch){.meter = meter};
}

void meter_leave(struct meter_watch *watch, int64_t now_ms)
{
    if (watch->phase)
        meter_phase(watch->meter, (enum commit_phase)watch->phase, now_ms - watch->since_ms);
    watch->phase = 0;
}

void meter_enter(struct meter_watch *watch, enum commit_phase phase, int64_t now_ms)
{
    meter_leave(watch, now_ms);
    watch->phase = (int)phase;
    watch->since_ms = now_ms;
}

void meter_frozen(struct meter *meter, enum meter_path path, int64_t ms)
{
    if (meter && path > METER_PATH_UNKNOWN && path < METER_PATH_MAX)
        metric_observe(meter->frozen[path], to_seconds(ms));
}

static const char *outcome_of(const struct error *failure)
{
    if (!failure)
        return "ok";
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strcmp(failure->reason, reasons[i]) == 0)
            return reasons[i];
    return error_code_name(failure->code);
}

void meter_commit(struct meter *meter, const struct meter_commit *commit)
{
    if (!meter)
        return;
    count_commit(meter, commit->path < METER_PATH_MAX ? commit->path : METER_PATH_UNKNOWN,
                 outcome_of(commit->failure), 1, to_seconds(commit->elapsed_ms));
    metric_add(meter->read, (double)commit->read_bytes);
    metric_add(meter->written, (double)commit->written_bytes);
    metric_add(meter->pushed, (double)commit->pushed_bytes);
    metric_add(meter->files, (double)commit->files);
}

void meter_warm(struct meter *meter)
{
    if (meter)
        metric_add(meter->warm, 1);
}

static void dir_closep(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir); /* it was only read */
}

/* What its files take on disk; one that goes meanwhile takes nothing. */
static uint64_t folder_bytes(const char *path)
{
    __attribute__((cleanup(dir_closep))) DIR *dir = opendir(path);
    const struct dirent *entry;
    uint64_t bytes = 0;
    struct stat status;

    while (dir && (entry = readdir(dir)))
        if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
            bytes += (uint64_t)status.st_blocks * 512;
    return bytes;
}

void meter_refresh(struct meter *meter, const char *spool_dir, unsigned slots_used)
{
    if (!meter)
        return;
    metric_set(meter->spool, (double)folder_bytes(spool_dir));
    metric_set(meter->slots_used, slots_used);
}
