/* tempfile.h - a file without a name, for what is too large for memory: written once from front to back, read back
 * from any place.
 *
 *   tempfile_new()
 *   tempfile_span(), tempfile_advance() ... or tempfile_write(), or tempfile_skip() for a hole, which costs no space
 *   tempfile_flush()          from now on the descriptor has it all
 *   tempfile_reader_read() ...
 *
 * The name is gone before anything is written, so a crash leaves nothing; should it come between the two, the name
 * is a spool's (spool.h) and is removed with those. Mode 0600. Threads: none of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

struct tempfile;

/* In dir, which must exist. ERR_EXHAUSTED "DiskFull". */
int tempfile_new(const char *dir, struct tempfile **ret_file, struct error *err);
void tempfile_free(struct tempfile *file);
DEFINE_FREEP(tempfile, struct tempfile, tempfile_free)

/* Room for the next bytes, at least one, and that so many of it are filled. All that write:
 * ERR_EXHAUSTED "DiskFull". */
int tempfile_span(struct tempfile *file, void **ret_at, size_t *ret_room, struct error *err);
void tempfile_advance(struct tempfile *file, size_t length);

int tempfile_write(struct tempfile *file, const void *bytes, size_t length, struct error *err);
int tempfile_skip(struct tempfile *file, uint64_t length, struct error *err);
int tempfile_flush(struct tempfile *file, struct error *err);

/* Whether one of these has ever failed: to tell a bad target from a bad source. */
bool tempfile_has_failed(const struct tempfile *file);

/* Waits until the disk has what was flushed, so that later writers are not throttled for it. Best effort. */
void tempfile_write_back(struct tempfile *file);

uint64_t tempfile_length(const struct tempfile *file); /* written and skipped so far */
int tempfile_get_fd(const struct tempfile *file);      /* borrowed */

struct tempfile_reader;

/* Reads from the front. file is borrowed and flushed. */
struct tempfile_reader *tempfile_reader_new(const struct tempfile *file);
void tempfile_reader_free(struct tempfile_reader *reader);
DEFINE_FREEP(tempfile_reader, struct tempfile_reader, tempfile_reader_free)

/* 1: into has the next length bytes. 0: there are no more. ERR_CORRUPT: the file ends within them. */
int tempfile_reader_read(struct tempfile_reader *reader, void *into, size_t length, struct error *err);
