/* cond.h - condition variables that wait for a point of the monotonic clock, so that nobody who sets the time makes
 * them late. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* For cond_wait_until(); pthread_cond_destroy() ends it. */
void cond_init(pthread_cond_t *cond);
/* As pthread_cond_wait(), but no longer than until clock_monotonic_ms() says deadline_ms. false: it does. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms);
