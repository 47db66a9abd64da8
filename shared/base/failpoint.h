/* failpoint.h - the place where a process dies, chosen from outside: for tests of what a crash leaves behind.
 *
 *   STASIS_FAILPOINT=name      SIGKILL at the first pass of that point
 *   STASIS_FAILPOINT=name:3    at the third
 *
 * Points are declared in a table (commit/failpoints.h), so that a test can go through all of them and a misspelt one does not
 * compile. Only builds with the CMake option STASIS_FAILPOINTS have them: in others a point is nothing, and its name is not in
 * the binary. Threads: any; passes are counted over all of them. */
#pragma once

#include <stdint.h>

#ifdef STASIS_FAILPOINTS
void failpoint_pass(const char *name);
/* What the environment variable says, for a time that no test would wait for. */
int64_t failpoint_ms(const char *variable, int64_t otherwise_ms);
#else
#define failpoint_pass(name)                 ((void)0)
#define failpoint_ms(variable, otherwise_ms) ((int64_t)(otherwise_ms))
#endif
