#include "committer-agent/registry/registry.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/registry/registry_priv.h"
#include "shared/base/alloc.h"
#include "shared/http/url.h"

static bool is_host_text(const char *host)
{
    size_t length = strlen(host);
    if (length == 0 || length > 255)
        return false;
    for (const char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-:[]", *c))
            return false;
    return true;
}

static struct http_client *new_client(const struct registry_options *options, const bool *cancelled)
{
    struct http_client_options http = {.user_agent = options->user_agent,
                                       .ca_file = options->ca_file,
                                       .insecure_tls = options->insecure,
                                       .cancelled = cancelled};
    return http_client_new(&http);
}

int registry_open(const struct registry_options *options, struct registry **ret_registry, struct error *err)
{
    SCOPED(registry) struct registry *registry = xcalloc(1, sizeof(*registry));
    struct auth_options auth = {.host = options->host,
                                .insecure = options->insecure,
                                .dockerconfigjson = options->dockerconfigjson,
                                .dockerconfigjson_length = options->dockerconfigjson_length};

    if (!is_host_text(options->host)) {
        (void)error_set(err, ERR_INVALID, "registry: want host[:port], got \"%.80s\"", options->host);
        return error_reason(err, "InvalidImageReference");
    }
    registry->host = xstrdup(options->host);
    /* docker.io serves web pages; its registry has another name */
    registry->endpoint =
        xstrdup(strcmp(options->host, "docker.io") == 0 ? "registry-1.docker.io" : options->host);
    registry->insecure = options->insecure;
    registry->cancelled = options->cancelled;
    registry->http = new_client(options, options->cancelled);
    registry->cleanup_http = new_client(options, NULL);
    if (auth_new(&auth, &registry->auth, err) < 0)
        return error_wrap(err, "registry %.100s", options->host);
    *ret_registry = TAKE(registry);
    return 0;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    http_client_free(registry->http);
    http_client_free(registry->cleanup_http);
    auth_free(registry->auth);
    free(registry->host);
    free(registry->endpoint);
    free(registry->base);
    free(registry);
}

const char *scope_pull(const char *repository, char into[SCOPE_MAX])
{
    (void)snprintf(into, SCOPE_MAX, "repository:%.500s:pull", repository);
    return into;
}

const char *scope_push(const char *repository, char into[SCOPE_MAX])
{
    (void)snprintf(into, SCOPE_MAX, "repository:%.500s:pull,push", repository);
    return into;
}

const char *scope_cancel(const char *repository, char into[SCOPE_MAX])
{
    (void)snprintf(into, SCOPE_MAX, "repository:%.500s:pull,push,delete", repository);
    return into;
}

/* GET /v2/ by this scheme: 0 when any HTTP answer came. Never carries credentials. */
static int ping(struct registry *registry, const char *scheme, struct http_response *ret_response,
                struct error *err)
{
    SCOPED(string) char *url = xasprintf("%s://%s/v2/", scheme, registry->endpoint);
    struct http_request request = {.method = "GET", .url = url};
    return http_do(registry->http, &request, ret_response, err);
}

static void remember_base(struct registry *registry, const char *scheme, const struct http_response *answer)
{
    registry->base = xasprintf("%s://%s", scheme, registry->endpoint);
    if (answer->status != 401)
        return;
    for (size_t i = 0; i < answer->header_count; i++)
        if (strcmp(answer->headers[i].name, "www-authenticate") == 0)
            auth_learn(registry->auth, answer->headers[i].value);
}

/* A server that speaks TLS answers 400 to plain HTTP, if anything. Then TLS failed for another reason. */
static bool speaks_http(const struct http_response *answer)
{
    return answer->status != 400;
}

/* Nobody speaks TLS there. Is it because plain HTTP is spoken? The port must be written: 80 would be another
 * server. */
static int explain_no_tls(struct registry *registry, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response answer = {0};
    struct error unused;

    if (err->code != ERR_UNAVAILABLE || !strchr(registry->endpoint, ':') ||
        ping(registry, "http", &answer, &unused) < 0 || !speaks_http(&answer))
        return registry_no_answer(err);
    (void)error_set(err, ERR_DENIED, "it speaks plain HTTP: pass --snapshot-registry-insecure");
    return error_reason(err, "RegistryUnreachable");
}

int registry_connect(struct registry *registry, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response answer = {0};
    struct error by_http;

    if (registry->base)
        return 0;
    if (ping(registry, "https", &answer, err) == 0) {
        remember_base(registry, "https", &answer);
        return 0;
    }
    if (err->code == ERR_CANCELLED)
        return -1;
    if (!registry->insecure)
        return explain_no_tls(registry, err);
    if (ping(registry, "http", &answer, &by_http) == 0) {
        if (!speaks_http(&answer))
            return registry_no_answer(err);
        remember_base(registry, "http", &answer);
        return 0;
    }
    if (by_http.code == ERR_UNAVAILABLE || by_http.code == ERR_CANCELLED)
        *err = by_http;
    return registry_no_answer(err);
}
