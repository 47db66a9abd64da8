/* http/client.h - an HTTP client with bounded answers and streamed bodies, on libcurl.
 *
 * One client keeps connections alive and is used by one thread at a time. No redirect is followed unless
 * asked for, and credentials never go along to another host. http_proxy in the environment is not obeyed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/base/strbuf.h"

struct http_client;

struct http_client_options {
    const char *user_agent;
    const char *ca_file;        /* PEM with more CAs to trust; NULL: the system's only */
    bool insecure_tls;          /* skip verification: only when the operator said so */
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t stall_timeout_ms;   /* no byte for so long ends the transfer with ERR_TIMEOUT; 0: 30 s */
    /* Optional: polled by the transfer (atomically); true ends it with ERR_CANCELLED. */
    const bool *cancelled;
};

struct http_header {
    const char *name, *value;
};

/* Fills up to `room` bytes, answers how many; 0 ends the body, -1 ends the transfer with the error in err. */
typedef long http_body_read(void *self, char *into, size_t room, struct error *err);
/* Receives bytes of the answer's body; -1 ends the transfer with the error in err. */
typedef int http_body_write(void *self, const char *bytes, size_t length, struct error *err);

/* Sees status and headers of the answer before the body's first byte; -1 ends the transfer with the error in
 * err. */
struct http_response;
typedef int http_head_seen(void *self, const struct http_response *head, struct error *err);

struct http_request {
    const char *method; /* "GET" */
    const char *url;
    const struct http_header *headers; /* borrowed for the call */
    size_t header_count;
    const char *body; /* or NULL */
    size_t body_length;
    http_body_read *read; /* or NULL; used when body is NULL */
    void *read_self;
    int64_t read_length;    /* bytes that read will give; -1: unknown, sent chunked */
    http_body_write *write; /* gets the body of a 2xx; any other, and all when NULL, goes to response.body */
    http_head_seen *head;   /* or NULL */
    void *write_self;       /* for write and head */
    size_t max_body;        /* bound of response.body; 0: 1 MiB. ERR_EXHAUSTED above it */
    int64_t timeout_ms;     /* of the whole exchange; 0: none, only the stall timeout */
    int64_t stall_timeout_ms; /* 0: the client's */
};

struct http_response {
    int status;
    struct http_header *headers; /* owned strings; names lowercase */
    size_t header_count;
    struct strbuf body;
};

struct http_client *http_client_new(const struct http_client_options *options);
void http_client_free(struct http_client *client);

/* Any HTTP status is success here: judging it is the caller's job. Header values and bodies sent may be
 * secret: what is copied of them is wiped. ERR_UNAVAILABLE: no connection, reset, truncated; ERR_TIMEOUT;
 * ERR_DENIED: TLS verification failed (the text says how); ERR_CANCELLED. The text names method and URL
 * without its query. */
int http_do(struct http_client *client, const struct http_request *request,
            struct http_response *ret_response, struct error *err);

const char *http_response_header(const struct http_response *response, const char *name); /* NULL: absent */
void http_response_done(struct http_response *response);
#define SCOPED_HTTP_RESPONSE __attribute__((cleanup(http_response_done)))
