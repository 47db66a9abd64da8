/* base64.h - RFC 4648 base64 with padding, strict. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define BASE64_SIZE(length)       (((length) + 2) / 3 * 4 + 1) /* of the text, with its NUL */
#define BASE64_PLAIN_SIZE(length) ((length) / 4 * 3 + 1)       /* at most, with a NUL behind the bytes */

/* Writes BASE64_SIZE(length) characters. */
void base64_encode(const void *bytes, size_t length, char *into);

/* Writes at most BASE64_PLAIN_SIZE(length) bytes, a NUL behind them included. false: not base64 (blanks
 * neither). */
bool base64_decode(const char *text, size_t length, unsigned char *into, size_t *ret_length);
