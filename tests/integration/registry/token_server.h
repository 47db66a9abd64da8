/* token_server.h - a token server as docker registries know it: GET /token with Basic, a signed token back.
 * "user"/"pass" may pull and push everything but repositories below "locked/"; there, and anonymously, pull only. */
#pragma once

#include "tests/integration/registry/test_key.h"

#define TOKEN_SERVICE "stasis-test-registry"
#define TOKEN_ISSUER  "stasis-test-issuer"

struct token_server;

struct token_server *token_server_start(const struct test_key *key);
void token_server_stop(struct token_server *server);
const char *token_server_realm(const struct token_server *server); /* "http://127.0.0.1:40002/token" */
unsigned token_server_count(const struct token_server *server);    /* tokens given so far */
