/* outcomes.h - counts pauses, resumes and commits by how they ended, and logs each change of phase.
 * Learns it from the changes of the objects, whoever made them. Threads: the informers' handlers only. */
#pragma once

#include "snapshot-svc/informer/object.h"

struct metrics;
struct outcomes;

struct outcomes *outcomes_new(struct metrics *metrics);
void outcomes_free(struct outcomes *outcomes);

void outcomes_sandbox_updated(struct outcomes *outcomes, const struct object *old, const struct object *now);
void outcomes_sandbox_deleted(struct outcomes *outcomes, const struct object *last);
void outcomes_snapshot_updated(struct outcomes *outcomes, const struct object *old, const struct object *now);
