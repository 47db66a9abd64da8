/* utf8.h - which bytes are text. Spec: Unicode 15, table 3-7 (no overlong forms, no surrogates).
 * Everything we send (JSON, protobuf strings, log lines) must be UTF-8; file names and headers need not be. */
#pragma once

#include <stddef.h>

#include "shared/base/strbuf.h"

/* How many bytes the character at the start of text takes: 1 to 4; 0: these bytes are no character.
 * length > 0. */
size_t utf8_char_length(const char *text, size_t length);

/* length, less the beginning of a character that a cut at length left at the end. */
size_t utf8_cut_length(const char *text, size_t length);

/* Appends text with U+FFFD in the place of each byte that belongs to no character. */
void utf8_append_clean(struct strbuf *out, const char *text, size_t length);
