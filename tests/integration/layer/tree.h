/* tree.h - a tree as text, one line per entry with every attribute a layer promises to carry, and the comparison of two.
 *
 * path type mode uid:gid mtime rdev size digest target first-link xattrs
 *
 * Left out, since a layer says that it loses them: sockets, names that begin with ".wh.", trusted.* attributes,
 * attributes with "=" in their names. */
#pragma once

#include <stdbool.h>

#include "shared/base/strbuf.h"

/* with_root: whether the root's own attributes count. */
void tree_describe(const char *root, bool with_root, struct strbuf *ret_text);

/* Prints the lines in which they differ; false then. */
bool trees_equal(const char *what, const struct strbuf *want, const struct strbuf *got);

/* rm -rf, of whatever path is. A missing one is fine. */
void tree_remove(const char *path);

/* Every path below root, relative to it, folders before their content. The caller frees all. */
char **tree_list(const char *root, unsigned *ret_count);
void tree_list_free(char **paths, unsigned count);
