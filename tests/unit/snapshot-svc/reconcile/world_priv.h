/* world_priv.h - what the parts of the world share: world.c (objects, users, kubelet), world_agent.c (commits), world_jobs.c, world_run.c
 * (plans). */
#pragma once

#include "world.h"

void touch(struct world *world, json_t *object);
json_t *meta_of(const json_t *object);
bool is_deleting(const json_t *object);
bool is_finalized(const json_t *object);
void law_broken(struct world *world, const char *law);
long files_of_image(const char *image);
void digest_of_files(long files, char out[80]);
long pod_files(const json_t *pod);
struct agent_commit *holder_of(struct world *world, const char *pod_uid);
struct agent_commit *commit_by_key(struct world *world, const char *key);
void spec_changed(struct world *world, json_t *object);
void remove_pod(struct world *world, json_t *pod);
void mark_deleted(struct world *world, json_t *object);
void remove_finalized(struct world *world);
void start_commit(struct world *world, const struct action *action);
bool release_kill(struct agent_commit *commit);
void cancel(struct agent_commit *commit);
bool keep_locally(struct world *world, struct agent_commit *commit);
void discard(struct agent_commit *commit);
struct agent_commit *commit_of(struct world *world, const json_t *snapshot); /* NULL: not begun */
void thaw(struct agent_commit *commit);
json_t *pod_by_uid(struct world *world, const char *uid);
struct agent_commit *add_commit(struct world *world, const char *key, const char *pod_uid,
                                const char *container, const char *image);
bool create_job(struct world *world, const struct action *action);
void check_no_job_commits(struct world *world, const char *snapshot_name);
void view_commit(struct world *world, const json_t *snapshot, struct commit_view *view,
                 struct commit_image *image, char digest[80]);
long snapshot_files(const json_t *snapshot);
void make_sandbox_plan(struct world *world, struct plan *plan);
void make_snapshot_plan(struct world *world, struct plan *plan);
void make_public_plan(struct world *world, struct plan *plan);
const char *run_once(struct world *world, void (*make)(struct world *, struct plan *));
