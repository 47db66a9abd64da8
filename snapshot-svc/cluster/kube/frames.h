/* frames.h - lines out of a stream that arrives in pieces. Bounded; each byte is looked at once. */
#pragma once

#include "shared/base/error.h"
#include "shared/base/strbuf.h"

struct frames {
    struct strbuf line; /* what has come of the line under way */
    size_t max_length;
};

/* -1 with the error in err ends the feeding. The line is borrowed, without its end, never empty. */
typedef int frames_each(void *self, const char *line, size_t length, struct error *err);

void frames_init(struct frames *frames, size_t max_length);
void frames_done(struct frames *frames);

/* ERR_EXHAUSTED: a line longer than max_length. */
int frames_feed(struct frames *frames, const char *bytes, size_t length, frames_each *each, void *self,
                struct error *err);
