/* leftovers.h - what must not be there when a commit is over, wherever the agent died in between. */
#pragma once

#include <stdbool.h>

#include "tests/integration/commit/sandbox.h"

/* Fails unless the node and the registry keep nothing of commit `key` but its image and what makes a resume warm: no lease
 * without an end, no snapshot without such a lease, no ingest, no spool file, no journal record that owes anything
 * (and none at all once the sandbox is deleted). */
void assert_nothing_is_left(const struct sandbox *sandbox, const char *key, const char *state_dir);
/* The node keeps nothing of it at all, no image and nothing that makes a resume warm. */
void assert_nothing_is_kept(const struct sandbox *sandbox, const char *key);

/* The registry has exactly one image of the member beside its base, under this tag and digest. */
void assert_one_image(const struct sandbox *sandbox, const struct member *member, const char *tag,
                      const char *digest);

/* Uploads that are open at the registry, in both repositories. Whoever died cannot have written down (commit/upload_note.h) one
 * whose opening the registry had not answered yet; only the registry knows that one, and expires it. All others are ended by
 * whoever asks again. */
struct uploads {
    char *open;  /* a line for each, with its id */
    char *noted; /* what the dead agent has written down of them */
};
void uploads_note(const struct sandbox *sandbox, const char *state_dir, struct uploads *ret_uploads);
void uploads_done(struct uploads *uploads);
#define SCOPED_UPLOADS __attribute__((cleanup(uploads_done)))
/* Only what was open before and not noted is open now, and nothing is noted any more. */
void assert_uploads_ended(const struct sandbox *sandbox, const char *state_dir, const struct uploads *before);
