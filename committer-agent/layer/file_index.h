/* file_index.h - regular files of one walk, found again in a later walk of the same tree.
 *
 * Both walks are in the same order (walk.h), so it is a merge: the index is written from front to back, then read
 * from front to back while the later walk asks for its paths. Memory is one record, whatever the tree.
 *
 *   file_index_new(), file_index_add() ..., file_index_seal(), file_index_find() ...
 *
 * Threads: none of its own. */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"

/* Beyond that, files are left out: they are not found again. */
#define FILE_INDEX_MAX_BYTES ((uint64_t)4 << 30)

struct file_index;

/* Its file is a temporary one in dir. ERR_EXHAUSTED "DiskFull", as all that write. */
int file_index_new(const char *dir, struct file_index **ret_index, struct error *err);
void file_index_free(struct file_index *index);
DEFINE_FREEP(file_index, struct file_index, file_index_free)

/* Notes the file as st shows it, and a number to be told when it is found. */
int file_index_add(struct file_index *index, const char *path, const struct stat *st, uint64_t number,
                   struct error *err);

/* No more will be added. */
int file_index_seal(struct file_index *index, struct error *err);

/* 1: the file was noted under this path with the same device, inode, type and mode, size, mtime and ctime.
 * 0: it was not, or not so. Paths are asked for in walk order. */
int file_index_find(struct file_index *index, const char *path, const struct stat *st, uint64_t *ret_number,
                    struct error *err);

/* Which path a walk shows first: below 0, 0 or above, as strcmp(). */
int file_index_compare_paths(const char *a, const char *b);
