/* upload_note.h - which upload a commit has open at a registry, written down beside its spool: a process that dies leaves it
 * open, and whoever asks for the same commit again brings the credentials to end it.
 *
 *   <spool>/upload-<hash of key and container>    holds the upload's location
 *
 * Only a courtesy: what cannot be written, or is never asked for again, the registry expires by itself. Threads: any; one note
 * by one thread at a time. */
#pragma once

#include "committer-agent/registry/registry.h"

/* The file of one container's layer. The caller frees. */
char *upload_note_path(const char *spool_dir, const char *key, const char *container);

void upload_note_write(const char *path, const char *location);
void upload_note_remove(const char *path);

/* Ends the upload that an earlier process noted there, if any. */
void upload_note_settle(const char *path, struct registry *registry, const char *repository);

/* Removes notes that are older than any registry keeps an upload. */
void upload_notes_expire(const char *spool_dir);
