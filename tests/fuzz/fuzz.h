/* fuzz.h - what the fuzz targets share. A target feeds outside bytes to one parser and checks its laws
 * ("what was written reads back equal"); the sanitizers see the rest.
 *
 * The bytes are in a buffer of exactly `size`, so that reading behind them is seen. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/error.h"

/* The target. Answers 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Like assert(), but also there in a release build. */
#define FUZZ_CHECK(law)                                                                                      \
    do {                                                                                                     \
        if (!(law)) {                                                                                        \
            (void)fprintf(stderr, "%s:%d: broken law: %s\n", __FILE__, __LINE__, #law);                      \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* The bytes as a C string, which ends at the first NUL. The caller frees. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    return xstrndup(size ? (const char *)data : "", size);
}

/* Cuts the first line off *rest; NULL when nothing is left. Borrowed. For inputs of several parts. */
static inline char *fuzz_line(char **rest)
{
    char *line = *rest, *newline = line ? strchr(line, '\n') : NULL;

    if (newline)
        *newline = '\0';
    *rest = newline ? newline + 1 : NULL;
    return line;
}
