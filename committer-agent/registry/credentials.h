/* registry/credentials.h - which credentials of a docker config belong to a registry.
 *
 *   {"auths": {"https://index.docker.io/v1/": {"auth": "dXNlcjpwYXNz"}, "registry:5000": {"username": ...,
 * "password": ...}}}
 *
 * A key matches with or without scheme, path and port; docker.io, index.docker.io and registry-1.docker.io
 * are one. The closest key wins: same host and port, then the host's default port, then a key without port;
 * among those the longest path that starts the repository. Helpers (credsStore) are never run. Everything
 * secret is wiped when freed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/error.h"

#define DOCKERCONFIG_MAX_BYTES (1u << 20)

struct credentials {
    char *username, *password;
    char *identity_token; /* OAuth2 refresh token; then username and password may be NULL */
};

/* 1 found, 0 none fits (anonymous). ERR_INVALID, reason RegistryUnauthorized: no docker config; the text
 * never quotes it. */
int credentials_find(const char *dockerconfigjson, size_t length, const char *host, const char *repository,
                     struct credentials *ret_credentials, struct error *err);
void credentials_done(struct credentials *credentials);
#define SCOPED_CREDENTIALS __attribute__((cleanup(credentials_done)))
