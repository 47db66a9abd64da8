/* registry/auth.h - what to write into Authorization: nothing, Basic, or a Bearer token that is fetched and
 * kept.
 *
 * Nothing is sent before the registry asks (401 with a challenge). Then Basic credentials, or a token per
 * scope: GET with Basic or anonymously, POST (OAuth2 refresh_token) when there is an identity token. A token
 * is kept until shortly before it expires; a 401 in spite of it throws it away and gets another, once.
 * Credentials go to the registry itself (the caller sees to that) and to the token server that it names,
 * which must speak https unless `insecure`. Spec: distribution "Token Authentication". Threads: belongs to
 * its registry. Everything secret is wiped when freed; errors never quote it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/http/client.h"

struct auth;

struct auth_options {
    const char *host;             /* chooses the credentials, and for messages */
    bool insecure;                /* token servers by plain HTTP are fine */
    const char *dockerconfigjson; /* copied; NULL: anonymous */
    size_t dockerconfigjson_length;
};

/* ERR_INVALID: the docker config cannot be read. */
int auth_new(const struct auth_options *options, struct auth **ret_auth, struct error *err);
void auth_free(struct auth *auth);
DEFINE_FREEP(auth, struct auth, auth_free)

/* Who asks for what: "repository:team/app:pull,push"; more scopes are separated by a blank. "" for /v2/
 * itself. */
struct auth_request {
    const char *repository; /* chooses among credentials; "" when none is meant */
    const char *scope;
};

/* The value of Authorization, NULL: none. Borrowed until the next call. Fetches a token when the registry is
 * known to want one and none is kept. ERR_DENIED: the token server refuses; ERR_UNAVAILABLE: it cannot be
 * asked now. */
int auth_header(struct auth *auth, struct http_client *http, const struct auth_request *request,
                const char **ret_value, struct error *err);

/* Takes in a challenge without having been refused anything yet. */
void auth_learn(struct auth *auth, const char *www_authenticate);

/* After a 401: may the request be sent again? `sent`: it carried auth_header's value; `again`: it was refused
 * before. ERR_DENIED: reason RegistryUnauthorized (no or wrong credentials) or RegistryDenied (good ones that
 * may not do this). */
int auth_refused(struct auth *auth, const struct auth_request *request, const char *www_authenticate,
                 bool sent, bool again, struct error *err);
