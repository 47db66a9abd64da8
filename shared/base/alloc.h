/* alloc.h - small allocations that cannot fail: out of memory ends the process, in one place.
 * For sizes we chose ourselves. A size that came from outside is bounded first and then uses malloc. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

void *xcalloc(size_t count, size_t size) __attribute__((returns_nonnull, malloc));
void *xrealloc_array(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((returns_nonnull)); /* text may be NULL: gives "" */
char *xstrndup(const char *text, size_t length) __attribute__((returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((returns_nonnull, format(printf, 1, 2)));
