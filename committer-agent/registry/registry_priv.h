/* registry/registry_priv.h - private to registry/: one request to the registry, with all that every request
 * needs.
 *
 * registry_send tries once: it finds out how the registry is spoken to, brings credentials, answers a 401 and
 * follows redirects. registry_exchange adds the retry policy. Nothing else in this folder talks HTTP. */
#pragma once

#include "committer-agent/registry/auth.h"
#include "committer-agent/registry/registry.h"
#include "committer-agent/registry/retry.h"
#include "shared/http/client.h"

struct registry {
    char *host;     /* as in references, and in messages */
    char *endpoint; /* "registry-1.docker.io": the host that is connected to */
    char *base;     /* "https://registry-1.docker.io"; NULL until the registry has answered once */
    bool insecure;
    bool wants_put; /* it does not take a blob by POST alone */
    struct http_client *http;
    struct http_client
        *cleanup_http; /* does not stop when cancelled: cancelling is when uploads are cleaned up */
    struct auth *auth;
    const bool *cancelled;
};

struct exchange {
    const char *method;
    const char *url; /* absolute, or a path "/v2/..." on the registry */
    const char *repository;
    const char *scope;
    struct http_header headers[3];
    size_t header_count;
    const char *body;
    size_t body_length;
    http_body_read *read; /* or NULL */
    int64_t read_length;
    http_body_write *write;     /* or NULL */
    http_head_seen *head;       /* or NULL */
    void (*rewind)(void *self); /* or NULL: before the body is read (again) */
    void *self;                 /* for read, write, head, rewind */
    size_t max_body;
    int64_t stall_timeout_ms, timeout_ms;
    bool cleaning_up; /* goes on although cancelled */

    /* Set by registry_send: */
    bool retryable; /* failed or answered in a way that another try may mend */
    int64_t retry_after_ms;
    bool own_failure; /* read, write or head failed: err is theirs */
};

/* 0: answered, with any status but 401; -1. */
int registry_send(struct registry *registry, struct exchange *exchange, struct http_response *ret_response,
                  struct error *err);
/* The same, again and again as the retry policy says; an answer that stays retryable becomes an error. */
int registry_exchange(struct registry *registry, struct exchange *exchange,
                      struct http_response *ret_response, struct error *err);

/* "repository:<repository>:<actions>" */
#define SCOPE_MAX 600
const char *scope_pull(const char *repository, char into[SCOPE_MAX]);
const char *scope_push(const char *repository, char into[SCOPE_MAX]); /* pull,push */
const char *scope_cancel(const char *repository,
                         char into[SCOPE_MAX]); /* pull,push,delete: what a DELETE needs */

/* An answer that nobody wanted, as an error with code and reason. */
int registry_refusal(const struct http_response *response, struct error *err);
/* A request that got no answer: adds the reason, and what to do about it. */
int registry_no_answer(struct error *err);
/* "registry r:5000, repository team/app: ...", once per public call. */
int registry_wrap(const struct registry *registry, const char *repository, struct error *err);

/* Compares the registry's Docker-Content-Digest, if it sent one. ERR_CORRUPT, BlobDigestMismatch. */
int registry_check_digest(const struct http_response *response, const struct digest *digest, const char *what,
                          struct error *err);

/* How much of an upload the registry says it has: "0-4095" (or "bytes=0-4095") is 4096. -1: nothing that could be relied
 * on, which "0-0" is too: docker's registry says so of an empty upload as of one byte. */
int64_t registry_kept_bytes(const struct http_response *response);

/* A Location, against the URL it answered. ERR_INVALID, RegistryError: missing, unusable, or https turned to
 * http. */
int registry_location(const struct registry *registry, const struct http_response *response,
                      const char *asked_url, char **ret_url, struct error *err);
/* The URL of a request: base and path, or the absolute one as it is. The caller frees. */
char *registry_url(const struct registry *registry, const char *url);

int registry_connect(struct registry *registry, struct error *err);
