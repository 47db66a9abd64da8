#include "tests/integration/registry/token_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/http/server.h"

struct token_server {
    const struct test_key *key;
    struct http_server *http;
    char realm[64];
    unsigned count;
};

struct wanted {
    bool known; /* the caller's password is right */
    char service[128];
    struct strbuf access; /* entries of the access claim */
};

/* "repository:team/app:pull,push" becomes one entry, as far as it is granted. */
static void grant(struct wanted *wanted, const char *scope)
{
    char name[256] = "";

    if (sscanf(scope, "repository:%255[^:]:", name) != 1)
        return;
    bool may_push = wanted->known && strncmp(name, "locked/", 7) != 0;
    (void)strbuf_addf(
        &wanted->access, "%s{\"type\":\"repository\",\"name\":\"%s\",\"actions\":[\"pull\"%s%s]}",
        wanted->access.length ? "," : "", name, may_push && strstr(scope, "push") ? ",\"push\"" : "",
        may_push && strstr(scope, "delete") ? ",\"delete\"" : "");
}

static void note_wanted(void *self, const char *name, const char *value)
{
    struct wanted *wanted = self;

    if (strcmp(name, "service") == 0)
        (void)snprintf(wanted->service, sizeof(wanted->service), "%s", value);
    if (strcmp(name, "scope") == 0)
        grant(wanted, value);
}

static void give_token(void *self, struct http_exchange *exchange)
{
    struct token_server *server = self;
    const char *authorization = http_header_get(exchange, "Authorization");
    struct wanted wanted = {.known = authorization != NULL};
    int64_t now_s = clock_realtime_ms() / 1000;

    if (authorization && strcmp(authorization, "Basic dXNlcjpwYXNz") != 0) {
        http_answer(exchange, 401, "text/plain", "no", 2);
        return;
    }
    http_query_each(exchange, note_wanted, &wanted);
    char *claims =
        xasprintf("{\"iss\":\"" TOKEN_ISSUER "\",\"sub\":\"user\",\"aud\":\"%s\",\"exp\":%lld,\"nbf\":%lld,"
                  "\"iat\":%lld,\"jti\":\"1\",\"access\":[%s]}",
                  wanted.service, (long long)now_s + 300, (long long)now_s - 10, (long long)now_s,
                  strbuf_text(&wanted.access));
    char *token = test_key_sign_token(server->key, claims);
    char *body = xasprintf("{\"token\":\"%s\",\"expires_in\":300}", token);
    http_answer(exchange, 200, "application/json", body, strlen(body));
    __atomic_add_fetch(&server->count, 1, __ATOMIC_RELAXED);
    strbuf_done(&wanted.access);
    free(claims);
    free(token);
    free(body);
}

struct token_server *token_server_start(const struct test_key *key)
{
    struct token_server *server = xcalloc(1, sizeof(*server));
    struct http_server_options options = {.address = "127.0.0.1:0", .handler = give_token, .self = server};
    struct error err = {0};

    server->key = key;
    if (http_server_start(&options, &server->http, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(server->realm, sizeof(server->realm), "http://127.0.0.1:%u/token",
                   http_server_port(server->http));
    return server;
}

void token_server_stop(struct token_server *server)
{
    http_server_free(server->http);
    free(server);
}

const char *token_server_realm(const struct token_server *server)
{
    return server->realm;
}

unsigned token_server_count(const struct token_server *server)
{
    return __atomic_load_n(&server->count, __ATOMIC_RELAXED);
}
