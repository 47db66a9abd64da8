/* leftovers.h - what must not be there when a commit is over, wherever the agent died in between. */
#pragma once

#include <stdbool.h>

#include "tests/integration/commit/sandbox.h"

/* Fails unless the node and the registry keep nothing of commit `key` but its image and what makes a resume warm: no lease
 * without an end, no snapshot without such a lease, no ingest, no spool file, no journal record that owes anything
 * (and none at all once the sandbox is deleted). */
void assert_nothing_is_left(const struct sandbox *sandbox, const char *key, const char *state_dir);
/* No upload is open at the registry, nor noted. Apart, since who gives a commit up brings no credentials to end one: then the
 * registry expires it. */
void assert_no_upload(const struct sandbox *sandbox, const char *state_dir);
/* The same, and the node keeps nothing at all. */
void assert_nothing_is_kept(const struct sandbox *sandbox, const char *key);

/* The registry has exactly one image of the member beside its base, under this tag and digest. */
void assert_one_image(const struct sandbox *sandbox, const struct member *member, const char *tag,
                      const char *digest);
