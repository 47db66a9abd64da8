/* registry/token.h - gets one Bearer token from a registry's token server, and keeps a few.
 * Spec: distribution "Token Authentication" (GET) and "Token Scope / OAuth2" (POST). Secrets are wiped. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "committer-agent/registry/challenge.h"
#include "committer-agent/registry/credentials.h"
#include "shared/base/error.h"
#include "shared/http/client.h"

struct token {
    char *scope;
    char *header;          /* "Bearer ..." */
    int64_t good_until_ms; /* monotonic */
};

struct token_cache {
    struct token tokens[16]; /* a commit touches a handful of repositories; the oldest makes room */
    unsigned next;
};

/* ERR_DENIED with reason; ERR_UNAVAILABLE: 429, 5xx or no connection; ERR_INVALID: the realm is no URL we may
 * use. credentials may be empty (anonymous). *ret_token is the caller's. */
int token_fetch(struct http_client *http, const struct challenge *challenge, const char *scope,
                const struct credentials *credentials, bool insecure, struct token *ret_token,
                struct error *err);
/* The body of a token server's answer; pure but for the clock. ERR_INVALID (RegistryError) quotes nothing of it. */
int token_read(const struct strbuf *body, const char *scope, struct token *ret_token, struct error *err);
void token_done(struct token *token);

/* NULL: none that is still good. Borrowed. */
const char *token_cache_find(const struct token_cache *cache, const char *scope);
void token_cache_adopt(struct token_cache *cache, struct token *token);
void token_cache_drop(struct token_cache *cache, const char *scope);
void token_cache_done(struct token_cache *cache);

/* "Basic ..." of these credentials. The caller wipes and frees. */
char *basic_header(const struct credentials *credentials);
void secret_string_free(char **secret); /* wipes first; NULL is fine */
#define SCOPED_SECRET __attribute__((cleanup(secret_string_free)))
