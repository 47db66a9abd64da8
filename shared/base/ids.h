/* ids.h - names: random ones, and their spelling. Threads: any. */
#pragma once

#include <stddef.h>

#define UUID_SIZE   37
#define HEX_ID_SIZE 33

void uuid_v4(char out[UUID_SIZE]);  /* "3f6c...": 36 chars, lowercase, RFC 4122 version 4 */
void hex_id(char out[HEX_ID_SIZE]); /* 32 lowercase hex chars: request ids */

/* A UUID of 16 given bytes; version and variant are set as uuid_v4 does. */
void uuid_of(const unsigned char bytes[16], char out[UUID_SIZE]);

/* The kernel's random bytes. A kernel that has none to give ends the process: no name may be guessable. */
void random_bytes(void *out, size_t length);
