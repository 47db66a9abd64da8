/* progress.h - how far a pause or resume is: one line that redraws itself on a terminal, a line for each new step
 * elsewhere. Always on standard error. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "shared/base/strbuf.h"

struct progress {
    bool terminal;
    int64_t began_ms;   /* monotonic */
    char last_step[64]; /* what was said last */
    bool line_open;     /* terminal: a line without its end */
    int64_t phase_ms;   /* when the present phase began, and how many bytes had moved then: for the rate */
    uint64_t phase_bytes;
};

void progress_begin(struct progress *progress, int64_t now_ms);
void progress_show(struct progress *progress, const ctl_event *event, int64_t now_ms);
void progress_end(struct progress *progress);

/* "12.3 MiB" */
void bytes_text(uint64_t bytes, struct strbuf *out);
/* The terminal's line without its control characters. */
void progress_line(struct progress *progress, const ctl_event *event, int64_t now_ms, struct strbuf *out);
