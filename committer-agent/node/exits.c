#include "committer-agent/node/exits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"

#pragma GCC diagnostic ignored "-Wimplicit-fallthrough" /* uthash's hash function, as clang sees it */

/* A note goes when its container's record is deleted. Should such an event ever be lost, the oldest notes go. */
enum { EXITS_MAX = 8192 };

struct note {
    char *container_id;
    struct container_exit exit;
    UT_hash_handle hh;
};

struct exits {
    pthread_mutex_t lock; /* guards notes */
    struct note *notes;   /* in the order of their making */
};

struct exits *exits_new(void)
{
    struct exits *exits = xcalloc(1, sizeof(*exits));
    pthread_mutex_init(&exits->lock, NULL);
    return exits;
}

static void drop(struct exits *exits, struct note *note)
{
    HASH_DEL(exits->notes, note);
    free(note->container_id);
    free(note);
}

void exits_free(struct exits *exits)
{
    if (!exits)
        return;
    while (exits->notes)
        drop(exits, exits->notes);
    pthread_mutex_destroy(&exits->lock);
    free(exits);
}

static struct note *find(struct exits *exits, const char *container_id)
{
    struct note *note;
    HASH_FIND_STR(exits->notes, container_id, note);
    return note;
}

static struct note *find_or_add(struct exits *exits, const char *container_id)
{
    struct note *note = find(exits, container_id);

    if (note)
        return note;
    if (HASH_COUNT(exits->notes) >= EXITS_MAX)
        drop(exits, exits->notes);
    note = xcalloc(1, sizeof(*note));
    note->container_id = xstrdup(container_id);
    HASH_ADD_KEYPTR(hh, exits->notes, note->container_id, strlen(note->container_id), note);
    return note;
}

void exits_note_end(struct exits *exits, const char *container_id, uint32_t status, int64_t at_unix_ms)
{
    pthread_mutex_lock(&exits->lock);
    struct note *note = find_or_add(exits, container_id);
    if (!note->exit.exited) { /* the task's end comes twice: exit, then delete */
        note->exit.exited = true;
        note->exit.status = status;
        note->exit.at_unix_ms = at_unix_ms;
    }
    pthread_mutex_unlock(&exits->lock);
}

void exits_note_oom(struct exits *exits, const char *container_id)
{
    pthread_mutex_lock(&exits->lock);
    find_or_add(exits, container_id)->exit.oom_killed = true;
    pthread_mutex_unlock(&exits->lock);
}

struct container_exit exits_get(struct exits *exits, const char *container_id)
{
    struct container_exit exit = {0};

    pthread_mutex_lock(&exits->lock);
    const struct note *note = find(exits, container_id);
    if (note)
        exit = note->exit;
    pthread_mutex_unlock(&exits->lock);
    return exit;
}

void exits_forget(struct exits *exits, const char *container_id)
{
    pthread_mutex_lock(&exits->lock);
    struct note *note = find(exits, container_id);
    if (note)
        drop(exits, note);
    pthread_mutex_unlock(&exits->lock);
}
