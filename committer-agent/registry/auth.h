/* registry/auth.h - what to write into Authorization: nothing, Basic, or a Bearer token that is fetched and
 * kept.
 *
 * Nothing is sent before the registry asks (401 with a challenge). Then Basic credentials, or a token per
 * scope: GET with Basic or anonymously, POST (OAuth2 refresh_token) when there is an identity token. Tokens
 * are kept until shortly before they expire; a 401 on a token that was kept throws it away once. Credentials
 * go to the registry's own host and to the token server that it names; the latter only by https unless
 * `insecure`. Spec: distribution "Token Authentication". Threads: belongs to its registry. Everything secret
 * is wiped when freed; errors never quote it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "committer-agent/registry/challenge.h"
#include "committer-agent/registry/credentials.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/http/client.h"

struct auth;

struct auth_options {
    const char *host;             /* for messages, and to choose the credentials */
    bool insecure;                /* token servers by plain HTTP are fine */
    const char *dockerconfigjson; /* copied; NULL: anonymous */
    size_t dockerconfigjson_length;
};

/* ERR_INVALID: the docker config cannot be read. */
int auth_new(const struct auth_options *options, struct auth **ret_auth, struct error *err);
void auth_free(struct auth *auth);
DEFINE_FREEP(auth, struct auth, auth_free)

/* The value of Authorization for this repository and scope ("repository:team/app:pull,push"), NULL: none
 * (yet). Borrowed until the next call. */
const char *auth_header(struct auth *auth, const char *repository, const char *scope);

/* After a 401: takes in the challenge and gets what it asks for. 1: try again, auth_header has something new;
 * -1 with ERR_DENIED: reason RegistryUnauthorized (no or wrong credentials) or RegistryDenied (not enough of
 * them). `sent` says whether the refused request carried auth_header's value. */
int auth_answer(struct auth *auth, struct http_client *http, const char *repository, const char *scope,
                const char *www_authenticate, bool sent, struct error *err);
