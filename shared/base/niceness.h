/* niceness.h - how much a thread gives way to others, on the CPU and at the disk.
 *
 * Linux keeps both per thread, and a new thread begins with its creator's: one call at the top of a thread is enough for
 * all that it starts later. Neither limits anything while nobody else wants the CPU or the disk. The I/O priority
 * is for reads and synchronous writes, under a scheduler that knows it (bfq, mq-deadline); write-back has none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

struct niceness {
    int nice;     /* 0 to 19: 0 changes nothing */
    bool io_idle; /* the disk only when nobody else wants it: may starve */
    int io_level; /* unless io_idle: best effort, 0 (first) to 7 (last) */
};

/* The values of --nice, 0 to 19, and --io-priority, "0" to "7" or "idle". ERR_INVALID. */
int niceness_parse(int64_t nice, const char *io_priority, struct niceness *ret_niceness, struct error *err);

/* Makes the calling thread so; it gives way more, never less, than it did before. NULL: nothing.
 * A kernel that refuses is no failure of the caller's work: best effort. */
void be_nice(const struct niceness *niceness);
