/* spool.h - an append-only file that others read while it grows.
 *
 * One thread appends and ends it once, by spool_finish() or spool_fail(). Any number of readers follow it
 * from any offset, each in its own thread: they block at the end of what is there until more comes, the spool
 * ends or they are cancelled. The file has a name ("layer-<32 hex digits>.spool", mode 0600) so that a
 * journal can point at it and the next process can find it; it stays until spool_unlink().
 * Threads: all functions but those of the one writer may be called from any; a reader has one owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "committer-agent/layer/sink.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"

#define SPOOL_NAME_PREFIX "layer-"
#define SPOOL_NAME_SUFFIX ".spool"

struct spool;

/* Creates an empty file in dir, which must exist. *ret_spool is the caller's reference.
 * ERR_EXHAUSTED "DiskFull": no space or quota for it. */
int spool_new(const char *dir, struct spool **ret_spool, struct error *err);

/* Opens what an earlier process has finished and synced, as a finished spool. ERR_NOT_FOUND; ERR_CORRUPT: not
 * a regular file, or not of size_bytes (cut short by a crash, or somebody else's). */
int spool_open(const char *path, uint64_t size_bytes, struct spool **ret_spool, struct error *err);

struct spool *spool_ref(struct spool *spool);
void spool_unref(struct spool *spool); /* the last one closes the file and leaves it on disk */
DEFINE_FREEP(spool, struct spool, spool_unref)

const char *spool_path(const struct spool *spool); /* borrowed */

/* What readers can see by now. */
uint64_t spool_size_bytes(struct spool *spool);

/* Appends all or fails: ERR_EXHAUSTED "DiskFull". Readers see the bytes at once. */
int spool_append(struct spool *spool, const void *bytes, size_t length, struct error *err);
struct byte_sink spool_sink(struct spool *spool); /* spool_append as a sink; borrows spool */

/* No more bytes will come: readers get the rest and then the end. */
void spool_finish(struct spool *spool);

/* No more bytes will come and those that did are worthless: readers fail with a copy of cause from now on.
 * Does nothing to a spool that has ended. */
void spool_fail(struct spool *spool, const struct error *cause);

/* Waits until the bytes appended so far, and the file's name, survive a power cut. */
int spool_sync(struct spool *spool, struct error *err);

/* Removes the name; a missing one is fine. Readers that are under way can go on. */
int spool_unlink(struct spool *spool, struct error *err);

struct spool_reader;

/* Holds its own reference to spool. */
struct spool_reader *spool_reader_new(struct spool *spool, uint64_t offset);
void spool_reader_free(struct spool_reader *reader);
DEFINE_FREEP(spool_reader, struct spool_reader, spool_reader_free)

/* Reads on, blocking until at least one byte is there. *ret_length is 0 at the end of a finished spool only.
 * ERR_CANCELLED: spool_reader_cancel() was called. Else what spool_fail() was given, or a failed read. */
int spool_reader_read(struct spool_reader *reader, void *buffer, size_t capacity, size_t *ret_length,
                      struct error *err);

/* Blocks until want_bytes lie beyond the reader's offset, or the spool is finished. *ret_available is how
 * many are there now; fewer than wanted means that the spool is finished. Errors as spool_reader_read(). */
int spool_reader_wait(struct spool_reader *reader, uint64_t want_bytes, uint64_t *ret_available,
                      struct error *err);

uint64_t spool_reader_offset(const struct spool_reader *reader);
void spool_reader_seek(struct spool_reader *reader,
                       uint64_t offset); /* by the reader's owner: an upload resumes */

/* From any thread, while the reader lives: what blocks in it, now or later, ends with ERR_CANCELLED. */
void spool_reader_cancel(struct spool_reader *reader);
