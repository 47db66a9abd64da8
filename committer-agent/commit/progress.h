/* progress.h - how far a commit is: written by its threads, read by whoever reports it. Only atomics. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum commit_phase { /* in the order they are entered; the numbers of committer.proto */
                    COMMIT_RESOLVING = 1,
                    COMMIT_FREEZING,
                    COMMIT_CAPTURING,
                    COMMIT_PUSHING,
                    COMMIT_HOLDING,
                    COMMIT_DONE,
};

struct commit_progress {
    _Atomic int phase;
    _Atomic uint64_t bytes_total; /* of changed files, looked up before the freeze; 0: not known */
    _Atomic uint64_t bytes_pushed;
};
