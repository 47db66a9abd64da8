/* test_key.h - a throw-away RSA key with a certificate for 127.0.0.1: TLS for a server, signatures for tokens.
 * Stands apart from shared/base/error.h, whose names OpenSSL's headers take too. */
#pragma once

struct test_key;

struct test_key *test_key_new(void);
void test_key_free(struct test_key *key);
/* Both as PEM. 0 or -1. */
int test_key_write(const struct test_key *key, const char *key_path, const char *certificate_path);
/* A JSON Web Token (RS256, x5c) of these claims; the caller frees. */
char *test_key_sign_token(const struct test_key *key, const char *claims_json);
