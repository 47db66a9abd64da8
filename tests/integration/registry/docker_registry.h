/* docker_registry.h - Debian's docker-registry on a free loopback port, with a folder of its own, for one test. */
#pragma once

#include <stdbool.h>

#include "tests/integration/registry/test_key.h"

struct docker_registry;

struct docker_registry_options {
    bool htpasswd;           /* user "user", password "pass" */
    bool tls;                /* with a certificate that only ca_file knows */
    const char *token_realm; /* or NULL: takes the tokens of token_server.h */
};

/* Is it installed? Tests skip when it is not. */
bool docker_registry_installed(void);

/* Fails the test when it does not come up. key: for TLS and tokens, else NULL. */
struct docker_registry *docker_registry_start(const struct docker_registry_options *options,
                                              const struct test_key *key);
void docker_registry_stop(struct docker_registry *registry);
const char *docker_registry_host(const struct docker_registry *registry); /* "127.0.0.1:40001" */
const char *docker_registry_ca_file(const struct docker_registry *registry);
const char *
docker_registry_key_file(const struct docker_registry *registry); /* of the certificate in ca_file */
/* Uploads of a repository that were begun and neither finished nor cancelled. */
unsigned docker_registry_open_uploads(const struct docker_registry *registry, const char *repository);
