/* dispatch_kit.h - a dispatcher, its agents, and one fake agent; and words for what tests say of them. */
#pragma once

#include "tests/unit/testing.h"

#include <pthread.h>

#include "snapshot-svc/dispatch/dispatcher.h"
#include "tests/unit/snapshot-svc/dispatch/fake_committer.h"

#define KEY          "uid-1.1"
#define NODE         "node-a"
#define POD_UID      "pod-uid-1"
#define SOON_MS      (20 * 1000) /* a deadline that no test reaches */
#define TOLD_MAX     512
#define DOCKERCONFIG "{\"auths\":{}}"

struct told {
    char snapshot[64];
    int64_t delay_ms;
};

struct fixture {
    char folder[64], socket[96];
    struct fake_committer *agent;
    struct agents *agents;
    struct dispatcher_options options;
    struct dispatcher *dispatcher;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct told told[TOLD_MAX];
    unsigned told_count;
    unsigned secret_failures; /* of the next reads */
};

int kit_set_up(void **state);            /* the agent is known, but not started */
int kit_set_up_with_agent(void **state); /* and started */
int kit_tear_down(void **state);

#define WITH_AGENT(test)    cmocka_unit_test_setup_teardown(test, kit_set_up_with_agent, kit_tear_down)
#define WITHOUT_AGENT(test) cmocka_unit_test_setup_teardown(test, kit_set_up, kit_tear_down)

void begin_dispatcher(struct fixture *fixture);
void end_dispatcher(struct fixture *fixture);
/* A new dispatcher, whose backoff no test lives to see the end of. */
void slow_down_retries(struct fixture *fixture);

void follow_on_pod(struct fixture *fixture, const char *key, const char *pod_uid, int64_t timeout_ms);
void follow(struct fixture *fixture, const char *key, int64_t timeout_ms);
/* As a pause is: to be released early. attach: an earlier process may have asked for it. */
void follow_pause(struct fixture *fixture, const char *key, int64_t timeout_ms, bool attach);

enum commit_state state_of(struct fixture *fixture, const char *key);
void await_outcome(struct fixture *fixture, const char *key, struct commit_view *ret_view);
/* Waits until the view looks so; each change is told. */
void await_view(struct fixture *fixture, const char *key, bool (*looks)(const struct commit_view *view));
void await_telling(struct fixture *fixture, unsigned count);
void assert_succeeds(struct fixture *fixture, const char *key);
void assert_fails_with(struct fixture *fixture, const char *key, const char *reason);
