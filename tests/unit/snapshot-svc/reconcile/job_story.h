/* job_story.h - what the tests of commit Jobs have in common: how far a commit by a Job has come. */
#pragma once

#include "world.h"

#define SNAPSHOT   (world->now.snapshot)
#define COMMIT_JOB "demo-pause-commit"
#define UNPAUSE    "demo-pause-unpause"
#define BEGIN      "status(Committing) create(" COMMIT_JOB ") event(CreatedJob)"
#define ASK        "create(" UNPAUSE ") event(CreatedJob)"

enum { SECOND_MS = 1000 };

struct world *with_mode(enum commit_mode mode); /* running, and its snapshot has just been made */
struct world *with_job(void);                   /* a Job is made, and its pod as well */
struct world *with_running_job(void);           /* it has frozen the sandbox */
struct world *with_dead_job(void);              /* failed without a word: what was frozen is frozen */
void done(struct world *world);                 /* and no law was broken */

const char *image_digest(const json_t *snapshot);
const char *stopping(struct world *world); /* the message of the condition */
/* From a stopped Job on: its pods go, the unpause Job thaws, then it is told. */
void settles_as_failed(struct world *world, const char *message);
