/* text_priv.h - text that crosses the wire must be UTF-8: Go and Java peers refuse anything else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool rpc_text_valid(const char *text);

/* Copies into out, NUL-terminated and cut between characters to fit `size`; ill-formed bytes and NULs become
 * '?'. */
void rpc_text_copy(char *out, size_t size, const char *text, size_t length);
