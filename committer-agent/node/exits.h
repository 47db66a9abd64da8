/* node/exits.h - how containers ended, as containerd's events told it. CRI hears the same events and may
 * still say "running" when we ask it; what is noted here decides then. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct exits;

struct container_exit {
    bool exited, oom_killed;
    uint32_t status;
    int64_t at_unix_ms;
};

struct exits *exits_new(void);
void exits_free(struct exits *exits);

void exits_note_end(struct exits *exits, const char *container_id, uint32_t status, int64_t at_unix_ms);
void exits_note_oom(struct exits *exits, const char *container_id);
struct container_exit exits_get(struct exits *exits,
                                const char *container_id); /* zeroed when nothing is known */
void exits_forget(struct exits *exits, const char *container_id);
