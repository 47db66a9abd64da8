/* node/key_lock.h - one lock per key: what is done to one pod happens one after the other. Threads: any. */
#pragma once

struct key_lock;

struct key_lock *key_lock_new(void);
void key_lock_free(struct key_lock *lock);

void key_lock_enter(struct key_lock *lock, const char *key); /* waits for its turn */
void key_lock_leave(struct key_lock *lock, const char *key);
