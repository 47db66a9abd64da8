/* token.h - the bearer token: a fixed one, or a file that is read again when it changed (bound service account tokens
 * are replaced before they expire). Threads: any number. */
#pragma once

#include "shared/base/error.h"

struct token;

/* Both may be NULL: no token. The file wins. */
struct token *token_new(const char *fixed, const char *file);
void token_free(struct token *token);

/* The value of the header Authorization, or NULL when there is none; the caller wipes and frees it. While a changed file
 * cannot be read, the token from before is used. ERR_DENIED: no token could be read at all, or it holds blanks. */
int token_header(struct token *token, char **ret_value, struct error *err);
void token_header_free(char **value);
#define SCOPED_TOKEN_HEADER __attribute__((cleanup(token_header_free)))
