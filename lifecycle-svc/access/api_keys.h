/* api_keys.h - who may use the API, and how much: keys by name, read again when their file changes, and a limit for each.
 * Threads: any. One thread of its own watches the file. Spec: contract rest-api.md §1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lifecycle-svc/access/key_set.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct api_keys;

struct api_keys_options {
    const char *file;                   /* see key_set.h; NULL or "": none */
    int64_t requests_per_second, burst; /* for each key; 0: no limit, and as many as a second has */
};

/* From the environment's OPENSANDBOX_SERVER_API_KEY when it is there (it replaces the file, and is wiped from our own
 * environment), else from the file, which is then watched: a changed one counts at once, without a restart. One that cannot be
 * read, or has no key left, does not: the keys stay as they were, and the log says why. No key at all at the start is no
 * failure: api_keys_empty() tells. Errors: as key_set_parse() and file_read(). No text ever quotes a key. */
int api_keys_open(const struct api_keys_options *options, struct api_keys **ret_keys, struct error *err);
void api_keys_free(struct api_keys *keys);
DEFINE_FREEP(api_keys, struct api_keys, api_keys_free)

bool api_keys_empty(struct api_keys *keys); /* then everybody may */

struct admission {
    char key_name[KEY_NAME_SIZE]; /* "" when nobody needs a key */
    int64_t retry_after_s;        /* of GENERAL::RATE_LIMITED */
};

/* 0, or ERR_UNAUTHENTICATED: MISSING_API_KEY for NULL and "", INVALID_API_KEY for a wrong one; ERR_EXHAUSTED: GENERAL::RATE_LIMITED. Takes the
 * same time for every wrong key. */
int api_keys_admit(struct api_keys *keys, const char *presented, struct admission *ret_admission,
                   struct error *err);
