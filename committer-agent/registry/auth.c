#include "committer-agent/registry/auth.h"

#include <stdlib.h>
#include <string.h>

#include "committer-agent/registry/challenge.h"
#include "committer-agent/registry/credentials.h"
#include "committer-agent/registry/token.h"
#include "shared/base/alloc.h"

struct auth {
    char *host;
    bool insecure;
    char *dockerconfigjson; /* NULL: anonymous */
    size_t dockerconfigjson_length;

    struct challenge challenge; /* what the registry wants; CHALLENGE_NONE until it says so */
    struct token_cache tokens;
    char *basic; /* the last Basic header handed out */
};

static int find_credentials(const struct auth *auth, const char *repository,
                            struct credentials *ret_credentials, struct error *err)
{
    if (!auth->dockerconfigjson)
        return 0;
    return credentials_find(auth->dockerconfigjson, auth->dockerconfigjson_length, auth->host, repository,
                            ret_credentials, err);
}

int auth_new(const struct auth_options *options, struct auth **ret_auth, struct error *err)
{
    SCOPED(auth)
    struct auth *auth = xcalloc(1, sizeof(*auth));
    SCOPED_CREDENTIALS struct credentials unused = {0};

    auth->host = xstrdup(options->host);
    auth->insecure = options->insecure;
    if (options->dockerconfigjson && options->dockerconfigjson_length) {
        auth->dockerconfigjson_length = options->dockerconfigjson_length;
        auth->dockerconfigjson = xcalloc(options->dockerconfigjson_length + 1, 1);
        memcpy(auth->dockerconfigjson, options->dockerconfigjson, options->dockerconfigjson_length);
    }
    if (find_credentials(auth, "", &unused, err) <
        0) /* a config that cannot be read shows now, not in mid-push */
        return -1;
    *ret_auth = TAKE(auth);
    return 0;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    if (auth->dockerconfigjson)
        explicit_bzero(auth->dockerconfigjson, auth->dockerconfigjson_length);
    free(auth->dockerconfigjson);
    free(auth->host);
    token_cache_done(&auth->tokens);
    secret_string_free(&auth->basic);
    free(auth);
}

static int basic_value(struct auth *auth, const char *repository, const char **ret_value, struct error *err)
{
    SCOPED_CREDENTIALS struct credentials credentials = {0};

    int found = find_credentials(auth, repository, &credentials, err);
    if (found < 0)
        return -1;
    secret_string_free(&auth->basic);
    if (found && credentials.username)
        auth->basic = basic_header(&credentials);
    *ret_value = auth->basic;
    return 0;
}

static int bearer_value(struct auth *auth, struct http_client *http, const struct auth_request *request,
                        const char **ret_value, struct error *err)
{
    SCOPED_CREDENTIALS struct credentials credentials = {0};
    const char *scope = *request->scope ? request->scope : auth->challenge.scope;
    struct token token = {0};

    *ret_value = token_cache_find(&auth->tokens, scope);
    if (*ret_value)
        return 0;
    if (find_credentials(auth, request->repository, &credentials, err) < 0 ||
        token_fetch(http, &auth->challenge, scope, &credentials, auth->insecure, &token, err) < 0)
        return -1;
    token_cache_adopt(&auth->tokens, &token);
    *ret_value = token_cache_find(&auth->tokens, scope);
    return 0;
}

int auth_header(struct auth *auth, struct http_client *http, const struct auth_request *request,
                const char **ret_value, struct error *err)
{
    const char *value = NULL;
    int result = 0;

    switch (auth->challenge.scheme) {
    case CHALLENGE_NONE:
        break;
    case CHALLENGE_BASIC:
        result = basic_value(auth, request->repository, &value, err);
        break;
    case CHALLENGE_BEARER:
        result = bearer_value(auth, http, request, &value, err);
        break;
    }
    if (result == 0)
        *ret_value = value;
    return result;
}

void auth_learn(struct auth *auth, const char *www_authenticate)
{
    struct challenge challenge = challenge_parse(www_authenticate);
    if (challenge.scheme != CHALLENGE_NONE)
        auth->challenge = challenge;
}

static int unauthorized(const struct auth *auth, struct error *err, const char *story)
{
    (void)error_set(err, ERR_DENIED, "HTTP 401: %s (.dockerconfigjson: auths[\"%.100s\"])", story,
                    auth->host);
    return error_reason(err, "RegistryUnauthorized");
}

int auth_refused(struct auth *auth, const struct auth_request *request, const char *www_authenticate,
                 bool sent, bool again, struct error *err)
{
    struct challenge challenge = challenge_parse(www_authenticate);
    const char *scope = *request->scope ? request->scope : challenge.scope;

    if (challenge.scheme == CHALLENGE_NONE)
        return unauthorized(auth, err,
                            "the registry wants an authentication that is neither Basic nor Bearer");
    auth->challenge = challenge;
    if (challenge.scheme == CHALLENGE_BEARER && (!sent || !again)) {
        token_cache_drop(&auth->tokens, scope);
        return 0;
    }
    if (challenge.scheme == CHALLENGE_BASIC && !sent && !again) {
        const char *value = NULL;
        if (basic_value(auth, request->repository, &value, err) < 0)
            return -1;
        return value ? 0
                     : unauthorized(auth, err, "the registry wants credentials and there are none for it");
    }
    if (challenge.scheme == CHALLENGE_BEARER && strcmp(challenge.error, "insufficient_scope") == 0) {
        (void)error_set(err, ERR_DENIED, "HTTP 401: the token may not do this (%.120s)", scope);
        return error_reason(err, "RegistryDenied");
    }
    return unauthorized(auth, err, "the registry refuses the credentials");
}
