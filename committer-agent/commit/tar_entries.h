/* tar_entries.h - counts the entries of a tar stream as it passes by.
 *
 * Knows headers, their sizes (octal, base 256, PAX "size") and how to step over content; extension headers are no entries
 * of their own. Spec: POSIX pax, "ustar Interchange Format"; GNU tar's base-256 numbers. Plain value, any piece size. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/base/strbuf.h"

enum { TAR_BLOCK_BYTES = 512, TAR_PAX_MAX_BYTES = 1 << 20 };

struct tar_entries { /* all zero to begin with; tar_entries_done() at the end */
    uint64_t count;

    unsigned char header[TAR_BLOCK_BYTES];
    size_t header_length;
    uint64_t pass_over; /* bytes of content and padding before the next header */
    size_t pax_left;    /* bytes of a PAX header's content that are collected */
    struct strbuf pax;
    uint64_t next_size; /* of the next entry, as PAX says; UINT64_MAX would be no size */
    int has_next_size;
};

/* ERR_CORRUPT: this is no tar. What comes after its end is passed over. */
int tar_entries_add(struct tar_entries *entries, const void *bytes, size_t length, struct error *err);
void tar_entries_done(struct tar_entries *entries);
#define SCOPED_TAR_ENTRIES __attribute__((cleanup(tar_entries_done)))
