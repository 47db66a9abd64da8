#include "snapshot-svc/controller/refusals.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"

struct refusal {
    char *owner_uid, *text;
    UT_hash_handle hh;
};

struct refusals {
    pthread_mutex_t lock; /* guards the table */
    struct refusal *by_owner;
};

/* Lock held, here and below. */
static struct refusal *find(const struct refusals *refusals, const char *owner_uid)
{
    struct refusal *refusal = NULL;

    if (owner_uid)
        HASH_FIND_STR(refusals->by_owner, owner_uid, refusal);
    return refusal;
}

static void drop(struct refusals *refusals, struct refusal *refusal)
{
    HASH_DEL(refusals->by_owner, refusal);
    free(refusal->owner_uid);
    free(refusal->text);
    free(refusal);
}

static void add(struct refusals *refusals, const char *owner_uid, const char *text)
{
    struct refusal *refusal = xcalloc(1, sizeof(*refusal));

    refusal->owner_uid = xstrdup(owner_uid);
    refusal->text = xstrdup(text);
    HASH_ADD_KEYPTR(hh, refusals->by_owner, refusal->owner_uid, strlen(refusal->owner_uid), refusal);
}

struct refusals *refusals_new(void)
{
    struct refusals *refusals = xcalloc(1, sizeof(*refusals));
    pthread_mutex_init(&refusals->lock, NULL);
    return refusals;
}

void refusals_free(struct refusals *refusals)
{
    struct refusal *refusal, *next;

    if (!refusals)
        return;
    HASH_ITER(hh, refusals->by_owner, refusal, next)
    drop(refusals, refusal);
    pthread_mutex_destroy(&refusals->lock);
    free(refusals);
}

void refusals_put(struct refusals *refusals, const char *owner_uid, const char *text)
{
    if (!owner_uid)
        return;
    pthread_mutex_lock(&refusals->lock);
    struct refusal *old = find(refusals, owner_uid);
    if (old)
        drop(refusals, old);
    add(refusals, owner_uid, text);
    pthread_mutex_unlock(&refusals->lock);
}

char *refusals_get(struct refusals *refusals, const char *owner_uid)
{
    pthread_mutex_lock(&refusals->lock);
    const struct refusal *refusal = find(refusals, owner_uid);
    char *text = refusal ? xstrdup(refusal->text) : NULL;
    pthread_mutex_unlock(&refusals->lock);
    return text;
}

void refusals_forget(struct refusals *refusals, const char *owner_uid)
{
    pthread_mutex_lock(&refusals->lock);
    struct refusal *refusal = find(refusals, owner_uid);
    if (refusal)
        drop(refusals, refusal);
    pthread_mutex_unlock(&refusals->lock);
}
