/* file.h - whole files: bounded reads, writes that survive a power cut. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shared/base/error.h"
#include "shared/base/strbuf.h"

/* Reads all of path; what *ret_bytes held is freed. Leaves no second copy of the bytes in freed memory, so a caller
 * that reads a key has one buffer to wipe. ERR_EXHAUSTED: larger than max_bytes. */
int file_read(const char *path, size_t max_bytes, struct strbuf *ret_bytes, struct error *err);

/* Writes a temporary neighbour (".<name>.XXXXXX"), fsyncs it, renames it over path and fsyncs the folder. After a
 * crash the neighbour may be left: who lists the folder skips names that begin with a dot. */
int file_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode, struct error *err);

/* unlink + fsync of the folder; a missing file is fine. */
int file_remove_durable(const char *path, struct error *err);

/* mkdir -p with the given mode for what is created, whatever the umask. */
int dir_ensure(const char *path, mode_t mode, struct error *err);

/* Takes an exclusive lock file and keeps it until the process ends (never removed: removing races).
 * *ret_fd is the caller's. ERR_UNAVAILABLE: another live process holds it. */
int file_lock(const char *path, int *ret_fd, struct error *err);
