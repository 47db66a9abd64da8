/* meter.h - what operators see of the agent's commits, as metrics: where the time goes, what is moved, how it ends.
 *
 *   stasis_commit_phase_seconds{phase}      histogram; "holding" is the wait of a frozen pod for its release
 *   stasis_commit_frozen_seconds{path}      histogram; from the first freeze to the last thaw or kill
 *   stasis_commit_seconds{path,outcome}     histogram; from the request to the result
 *   stasis_commits_total{path,outcome}      outcome: "ok", or why it failed
 *   stasis_commit_read_bytes_total          of changed files          stasis_commit_files_total
 *   stasis_commit_written_bytes_total       to spools                 stasis_commit_pushed_bytes_total
 *   stasis_commit_warm_aliases_total        images that start on this node without a pull
 *   stasis_commit_spool_bytes, stasis_commit_slots, stasis_commit_slots_used
 *
 * Every series exists from the start but those of failures, so that a rate is never missing its first event.
 * Threads: any. Every call takes a NULL meter, and then does nothing. */
#pragma once

#include <stdint.h>

#include "committer-agent/commit/progress.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/metrics/metrics.h"

struct meter;

enum meter_path { /* the numbers of committer.proto's CommitPath */
                  METER_PATH_UNKNOWN,
                  METER_HOLD,
                  METER_HANDOVER,
                  METER_LIVE,
                  METER_PATH_MAX
};

/* The metrics are borrowed: they outlive the meter. slots: how many commits may run at once. */
struct meter *meter_new(struct metrics *metrics, unsigned slots);
void meter_free(struct meter *meter);
DEFINE_FREEP(meter, struct meter, meter_free)

/* A phase of a commit took so long. Each phase once per commit, also of one that fails in it. */
void meter_phase(struct meter *meter, enum commit_phase phase, int64_t ms);

/* The same, for code that says where it is rather than how long it was there:
 *   struct meter_watch watch = meter_watch(meter);
 *   meter_enter(&watch, COMMIT_FREEZING, clock_monotonic_ms());  ... ends the phase before
 *   meter_leave(&watch, clock_monotonic_ms());                   ... ends the last one
 * One thread. */
struct meter_watch {
    struct meter *meter;
    int phase; /* 0: in none */
    int64_t since_ms;
};
struct meter_watch meter_watch(struct meter *meter);
void meter_enter(struct meter_watch *watch, enum commit_phase phase, int64_t now_ms);
void meter_leave(struct meter_watch *watch, int64_t now_ms);

/* A pod stood still for so long; at its thaw or kill. */
void meter_frozen(struct meter *meter, enum meter_path path, int64_t ms);

/* A commit has ended; the bytes of one that failed count too. */
struct meter_commit {
    enum meter_path path;
    const struct error *failure; /* NULL: it succeeded */
    int64_t elapsed_ms;
    uint64_t read_bytes, written_bytes, pushed_bytes, files;
};
void meter_commit(struct meter *meter, const struct meter_commit *commit);

/* An image became known to the node's containerd with its files unpacked. */
void meter_warm(struct meter *meter);

/* Sets the gauges, just before they are shown: what lies in the spool folder now, and the slots in use. */
void meter_refresh(struct meter *meter, const char *spool_dir, unsigned slots_used);
