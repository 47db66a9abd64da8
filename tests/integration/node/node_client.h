/* node_client.h - a NodeRuntime served on a unix socket, and the calls of a test on it. Failures end the test. */
#pragma once

#include <opensandbox/committer/v1/node_runtime.pb-c.h>

#include "committer-agent/node/node.h"
#include "shared/base/ids.h"
#include "shared/base/strbuf.h"

typedef Opensandbox__Committer__V1__Pod pod_answer;
typedef Opensandbox__Committer__V1__PodEvent pod_event;

struct world {
    char *dir, *containerd_socket, *registry;
    const char *image;
    struct node *node;
    struct rpc_server *server;
    struct rpc_channel *channel;
    char uid[UUID_SIZE]; /* of the pod of the running test */
    char *name;          /* of that pod */
};

int world_start(void **state);
int world_end(void **state);
int world_new_pod(void **state);
int world_stop_pod(void **state); /* so that a failed test leaves nothing running */
void world_restart_node(struct world *world);

struct pod_wish {
    const char *script; /* sh -c */
    const char *shell;  /* NULL: /bin/sh */
    const char *image;  /* NULL: the world's */
    const char *policy, *secret;
    const char *host_path; /* mounted at /data, read-only */
    int64_t cpu_limit_millis, memory_limit_bytes;
    const char *side_script;     /* a second container, "side" */
    const char *init_scripts[2]; /* of init containers "first" and "second"; NULL: none */
};

/* NULL with err, or the answer: pod_answer_free. */
pod_answer *run_pod(struct world *world, const struct pod_wish *wish, struct error *err);
void pod_answer_free(pod_answer *answer);
int stop_pod(struct world *world, int64_t grace_ms, struct error *err);

struct executed {
    struct strbuf out, errors;
    int exit_code; /* -1: none was sent */
};
/* script as sh -c in the container "main". */
int exec_script(struct world *world, const char *script, const char *input, size_t input_length,
                int64_t timeout_ms, struct executed *ret_executed, struct error *err);
/* The same, but it is the client that gives up. */
int exec_script_for(struct world *world, const char *script, int64_t client_timeout_ms,
                    struct executed *ret_executed, struct error *err);
int exec_words(struct world *world, char **words, size_t count, struct executed *ret_executed,
               struct error *err);
void executed_done(struct executed *executed);
#define SCOPED_EXECUTED __attribute__((cleanup(executed_done)))

struct rpc_stream *watch_open(struct world *world);
/* Reads on until the test's pod is in the state; the event is the caller's (pod_event_free). */
pod_event *watch_until(struct world *world, struct rpc_stream *watch, int state);
/* Until so many init containers of the pod have ended; how many have. */
size_t watch_init_ends(struct world *world, struct rpc_stream *watch, size_t at_least);
void pod_event_free(pod_event *event);

/* Each line with a newline, stderr's with "E " before it. */
int read_logs(struct world *world, int64_t tail_lines, bool follow, struct strbuf *ret_text,
              struct error *err);

void shell(const char *fmt, ...) PRINTF(1, 2);
