/* stand.h - a real lifecycle-svc between a fake snapshot-svc and the test: "http" and "grpc" on loopback ports.
 *
 *   struct reply reply = ask(stand, "GET", "/v1/sandboxes/web", NULL);
 *   assert_reply(&reply, 404, "KUBERNETES::SANDBOX_NOT_FOUND", "not found");
 *
 * The key of the stand is STAND_KEY; ask() sends it. Helpers fail the test when the plumbing breaks. */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "shared/http/client.h"
#include "tests/unit/testing.h"
#include "tests/wire/lifecycle/fake_orchestrator.h"

#define STAND_KEY "stand-key"

struct stand {
    struct fake_orchestrator *fake;
    char *folder; /* private, under /tmp */
    pid_t pid;
    int rest_port, grpc_port, metrics_port; /* 0: not open */
    int log_fd;                             /* its standard error, drained by a thread */
    unsigned long drain;                    /* pthread_t */
};

/* Starts both; `flags` (NULL-terminated, or NULL) come after the stand's own. */
void stand_start(struct stand *stand, const char *const *flags);
/* SIGTERM; fails the test unless it ends with 0. */
void stand_stop(struct stand *stand);

/* CMocka fixtures over one stand; each test begins with fake_clear. */
int stand_setup_group(void **state);
int stand_teardown_group(void **state);
int stand_setup(void **state);

struct reply {
    struct http_response http;
    json_t *json; /* NULL: no body, or no JSON */
};
void reply_done(struct reply *reply);
#define SCOPED_REPLY __attribute__((cleanup(reply_done)))

/* One request with the stand's key; body NULL: none. */
struct reply ask(const struct stand *stand, const char *method, const char *path, const char *body);
/* The same with these headers instead ("Name: value", NULL-terminated). */
struct reply ask_with(const struct stand *stand, const char *method, const char *path, const char *body,
                      const char *const *headers);

#define assert_reply(reply, status, code, part)                                                              \
    expect_reply((reply), (status), (code), (part), __FILE__, __LINE__)
void expect_reply(const struct reply *reply, int status, const char *code, const char *part, const char *file,
                  int line);
/* A string member at a dotted path; fails the test when it is not there. */
const char *text_at(const struct reply *reply, const char *path);

/* A TCP connection to the REST door that has sent `request` and reads nothing. */
int dial_and_say(const struct stand *stand, const char *request);

/* Runs a program of ours to its end: exit code, and what it wrote to standard error and output. */
struct run {
    int exit_code;
    char *output, *errors;
};
struct run run_program(const char *const *argv, const char *const *environment);
void run_done(struct run *run);
const char *lifecycle_svc_path(void);
const char *stasisctl_path(void);
