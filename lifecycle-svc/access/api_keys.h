/* api_keys.h - who may use the API: a set of keys, kept as digests only.
 * Threads: any, after loading. Spec: contract rest-api.md §1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct api_keys;

/* From the environment's OPENSANDBOX_SERVER_API_KEY when it is there (it replaces the file, and is wiped from
 * our own environment), else from the lines of `file` (NULL: none), where blank lines and lines that begin
 * with '#' do not count. No key at all is no failure: api_keys_empty() tells. ERR_INVALID: a key with blanks
 * inside; otherwise as file_read. No text ever quotes a key. */
int api_keys_load(const char *file, struct api_keys **ret_keys, struct error *err);
void api_keys_free(struct api_keys *keys);
DEFINE_FREEP(api_keys, struct api_keys, api_keys_free)

bool api_keys_empty(const struct api_keys *keys); /* then everybody may */

/* 0, or ERR_DENIED: MISSING_API_KEY for NULL and "", INVALID_API_KEY for a wrong one. Takes the same time for
 * every wrong key. */
int api_keys_check(const struct api_keys *keys, const char *presented, struct error *err);
