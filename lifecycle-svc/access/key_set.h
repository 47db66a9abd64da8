/* key_set.h - the API keys of one reading of the file: each a name and a digest. Never changes; any thread.
 * Spec: contract rest-api.md §1.
 *
 * A line of the file is "KEY" or "NAME KEY"; blank lines and lines that begin with '#' do not count. A key without a name is
 * called "key-<its line>". Names are what logs and limits tell keys apart by: letters, digits, '.', '_', '-', at most 63. Two
 * keys of one name are one user, who is changing keys. */
#pragma once

#include <stddef.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

enum { KEY_NAME_SIZE = 64 };

struct key_set;

/* ERR_INVALID: a line that is none of these; the text names `where` and the line and quotes nothing of it. */
int key_set_parse(const char *text, size_t length, const char *where, struct key_set **ret_set,
                  struct error *err);
/* One key by the name of "default"; blank: the empty set. */
int key_set_of_one(const char *key, const char *where, struct key_set **ret_set, struct error *err);
void key_set_free(struct key_set *set);
DEFINE_FREEP(key_set, struct key_set, key_set_free)

size_t key_set_count(const struct key_set *set);
/* The name of the presented key, NULL: it is none of them. Takes the same time whichever it is. Borrowed. */
const char *key_set_find(const struct key_set *set, const char *presented);
