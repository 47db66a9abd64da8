/* fake_apiserver.h - an API server that plays a script, over real HTTP/1.1 on loopback: for faults that a real one shows
 * too rarely. What decides whether we speak Kubernetes' language is tests/integration/kube.
 *
 *   api_expects(api, "GET /api/v1/namespaces/ns/pods/a", ANSWER(200, "{...}"));
 *   ...what the code under test does...
 *   assert_int_equal(api_request_count(api), 1);
 *
 * Requests take the steps in order, whichever connection they come by. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fake_apiserver;

struct api_step {
    const char *request; /* how the request line must begin; borrowed */
    int status;          /* 0: hang up without a word */
    const char *headers; /* more of them: "Retry-After: 1\r\n"; NULL: none */
    const char *body;    /* borrowed; NULL: empty */
    size_t padding;      /* so many blanks behind the body */
    size_t piece;        /* send the body in pieces of so many bytes; 0: whole */
    bool is_stream;      /* chunked; ends when the client hangs up, or as `cut` says */
    bool ends, cut;      /* a stream that ends: properly, or in the middle of a chunk */
    bool never;          /* no answer until the client hangs up */
};
#define ANSWER(status_, body_, ...) ((struct api_step){.status = (status_), .body = (body_), ##__VA_ARGS__})
#define STREAM(body_, ...)                                                                                   \
    ((struct api_step){.status = 200, .body = (body_), .is_stream = true, ##__VA_ARGS__})
#define HANG_UP ((struct api_step){.status = 0})
#define SILENCE ((struct api_step){.never = true})

struct fake_apiserver *api_start(void);
void api_stop(struct fake_apiserver *api); /* fails the test when steps are left or a request had none */
unsigned api_port(const struct fake_apiserver *api);
void api_expect(struct fake_apiserver *api, const char *request, struct api_step step);
#define api_expects(api, request_, ...) api_expect((api), (request_), __VA_ARGS__)

/* Waits until so many requests have come as a whole. */
void api_await_requests(struct fake_apiserver *api, size_t count);
size_t api_request_count(struct fake_apiserver *api);
/* The whole request number `at`, head and body; the caller frees. */
char *api_request(struct fake_apiserver *api, size_t at);
