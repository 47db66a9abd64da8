/* wait.h - is a pause or resume over, and how did it end? Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lifecycle-svc/ctl/ctl.h"

struct wait {
    bool for_pause;
    bool moved;         /* Pausing or Resuming was seen: a failure shown now is this one's */
    int64_t generation; /* of our request */
};

enum wait_end { WAIT_ON, WAIT_DONE, WAIT_FAILED };

/* `generation`: what the accepted request answered. */
void wait_begin(struct wait *wait, bool for_pause, int64_t generation);
enum wait_end wait_look(struct wait *wait, const ctl_event *event);
