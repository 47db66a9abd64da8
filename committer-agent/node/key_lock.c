#include "committer-agent/node/key_lock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

struct held {
    char *key;
    struct held *next;
};

struct key_lock {
    pthread_mutex_t lock; /* guards held */
    pthread_cond_t left;
    struct held *held; /* as many as there are busy callers */
};

struct key_lock *key_lock_new(void)
{
    struct key_lock *lock = xcalloc(1, sizeof(*lock));
    pthread_mutex_init(&lock->lock, NULL);
    pthread_cond_init(&lock->left, NULL);
    return lock;
}

void key_lock_free(struct key_lock *lock)
{
    if (!lock)
        return;
    pthread_cond_destroy(&lock->left);
    pthread_mutex_destroy(&lock->lock);
    free(lock);
}

static struct held **find(struct key_lock *lock, const char *key)
{
    struct held **at = &lock->held;
    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

void key_lock_enter(struct key_lock *lock, const char *key)
{
    struct held *held = xcalloc(1, sizeof(*held));

    held->key = xstrdup(key);
    pthread_mutex_lock(&lock->lock);
    while (*find(lock, key))
        pthread_cond_wait(&lock->left, &lock->lock);
    held->next = lock->held;
    lock->held = held;
    pthread_mutex_unlock(&lock->lock);
}

void key_lock_leave(struct key_lock *lock, const char *key)
{
    pthread_mutex_lock(&lock->lock);
    struct held **at = find(lock, key);
    struct held *held = *at;
    *at = held->next;
    pthread_cond_broadcast(&lock->left);
    pthread_mutex_unlock(&lock->lock);
    free(held->key);
    free(held);
}
