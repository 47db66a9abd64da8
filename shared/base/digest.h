/* digest.h - SHA-256 digests as a type: bytes inside, text only at the way in and out.
 * Spec: OCI image-spec, "Digests". Only sha256 exists here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

#define DIGEST_TEXT_SIZE sizeof("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

struct digest {
    uint8_t bytes[32];
    char text[DIGEST_TEXT_SIZE]; /* "sha256:" and 64 lowercase hex digits; kept in step with bytes */
};

/* ERR_INVALID names what was found and what is wanted. */
int digest_parse(const char *text, struct digest *ret_digest, struct error *err);
bool digest_equal(const struct digest *a, const struct digest *b);
bool digest_is_set(const struct digest *digest); /* false for a zeroed struct */

/* The digest of bytes in memory. */
struct digest digest_of(const void *bytes, size_t length);

/* Streaming: new, update..., finish; finish also frees. hasher_free() is for the way out on an error. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_update(struct hasher *hasher, const void *bytes, size_t length);
struct digest hasher_finish(struct hasher *hasher);
void hasher_free(struct hasher *hasher);
DEFINE_FREEP(hasher, struct hasher, hasher_free)
