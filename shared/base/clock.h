/* clock.h - points in time and their RFC 3339 spelling.
 * Deadlines are monotonic milliseconds; what is stored or shown is Unix time in UTC. Threads: any. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/error.h"

int64_t clock_monotonic_ms(void);
int64_t clock_realtime_ms(void); /* Unix time in milliseconds */

#define RFC3339_SIZE 40

/* "2029-06-01T10:00:00Z": whole seconds, the spelling that Kubernetes normalises to. Times outside the years 0001
 * to 9999 come out as the nearest one inside. */
const char *rfc3339_format(int64_t unix_s, char out[RFC3339_SIZE]);
/* "2029-06-01T10:00:00.123Z" */
const char *rfc3339_format_ms(int64_t unix_ms, char out[RFC3339_SIZE]);

/* Accepts Z, a numeric offset, or none (then UTC), and an optional fraction (cut to milliseconds).
 * ERR_INVALID: not a date and time of the years 0001 to 9999. Leap seconds (":60") are refused, as Go does. */
int rfc3339_parse(const char *text, int64_t *ret_unix_ms, struct error *err);

/* Go's duration spelling, for flags: "10m", "1h30m", "250ms", "1.5s". Rounded up to whole milliseconds, so that
 * nothing above zero becomes zero. ERR_INVALID: anything else, negative, or more than 292 years. */
int duration_parse(const char *text, int64_t *ret_ms, struct error *err);
