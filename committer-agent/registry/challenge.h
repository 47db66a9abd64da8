/* registry/challenge.h - WWW-Authenticate, as registries write it.
 * Spec: RFC 9110 11.6.1; distribution-spec "token authentication". Hostile input: bounded and never guessed
 * at. */
#pragma once

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge {
    enum challenge_scheme scheme;
    char realm[1024]; /* Bearer: the URL of the token server */
    char service[256];
    char scope[1024];
    char error[64]; /* "insufficient_scope", "invalid_token" */
};

/* Of several challenges Bearer wins over Basic; schemes that are neither are passed over. CHALLENGE_NONE:
 * nothing usable (also: a Bearer without realm, a member longer than its place). */
struct challenge challenge_parse(const char *header);
