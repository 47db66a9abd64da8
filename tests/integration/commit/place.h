/* place.h - where commits are tested: a container that writes without pause, the real containerd and registry around it
 * (tests/lib/with-containerd.sh), and a table of commits in this process.
 *
 *   open_place, close_place    once per program        POD_TEST(f)    a test with a pod of its own
 *
 * Failures end the test, by CMocka's assertions. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/commit/commits.h"
#include "committer-agent/commit/space.h"
#include "committer-agent/containerd/tasks.h"
#include "shared/base/alloc.h"
#include "shared/base/ids.h"
#include "tests/integration/commit/sh.h"
#include "tests/unit/testing.h"

struct place {
    struct containerd *containerd;
    struct commits *commits;
    struct commits_options options;
    struct journal *journal;
    struct space *space;
    char *ctr, *state_dir, *spool_dir, *docker_config;
    const char *image, *registry;
    char uid[UUID_SIZE]; /* of the pod and its container, for the running test */
    int attempt;
};

int open_place(void **state);
int close_place(void **state);
int start_pod(void **state);
int end_pod(void **state); /* fails when the spool is not empty */
#define POD_TEST(f) cmocka_unit_test_setup_teardown(f, start_pod, end_pod)

void replace(char **text, char *with);

void open_commits(struct place *place);
/* What a crash leaves when no run is under way: nobody thaws, nobody writes. */
void crash(struct place *place);

/* Of the pod's container. */
enum task_state task_state(const struct place *place);
/* `command` ("resume", "kill -s 9") ends the container's first process; waits until containerd knows that it is dead. */
void end_container(const struct place *place, const char *command);
/* Lines that the writer was told are written, read by somebody who sees the container's root. */
long written(const struct place *place);
void in_container(const struct place *place, const char *command);
/* Who froze it; the caller frees. */
char *marked_by(const struct place *place);

/* A commit of the pod under a key of its own; the caller frees. */
struct commit_request *request(struct place *place, const char *key, bool hold);
struct commit *start(struct place *place, const struct commit_request *wanted);
struct commit_report outcome(struct commit *commit); /* waits for it */
void release(struct place *place, const char *key);  /* by killing */

void assert_success(struct commit *commit);
void assert_failure(struct commit *commit, const char *reason, const char *text);
void assert_no_record(const struct place *place);
