#include "snapshot-svc/concurrency.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 256 };

static const struct {
    const char *name;
    size_t offset;
} controllers[] = {
    {"batchsandbox", offsetof(struct concurrency, sandboxes)},
    {"sandboxsnapshot", offsetof(struct concurrency, snapshots)},
    {"pool", offsetof(struct concurrency, pools)},
};

static unsigned *find(struct concurrency *concurrency, const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(controllers) / sizeof(*controllers); i++)
        if (strlen(controllers[i].name) == length && strncmp(controllers[i].name, name, length) == 0)
            return (unsigned *)(void *)((char *)concurrency + controllers[i].offset);
    return NULL;
}

static int refuse(const char *item, size_t length, struct error *err)
{
    return error_set(err, ERR_INVALID,
                     "want batchsandbox=N;sandboxsnapshot=N;pool=N with N from 1 to %d, got \"%.*s\"",
                     WORKERS_MAX, (int)(length < 60 ? length : 60), item);
}

static int parse_item(const char *item, size_t length, struct concurrency *concurrency, struct error *err)
{
    const char *equals = memchr(item, '=', length);
    unsigned *slot = equals ? find(concurrency, item, (size_t)(equals - item)) : NULL;

    if (!slot || equals[1] < '0' || equals[1] > '9')
        return refuse(item, length, err);
    char *end;
    errno = 0;
    unsigned long workers = strtoul(equals + 1, &end, 10);
    if (errno || end != item + length || workers < 1 || workers > WORKERS_MAX)
        return refuse(item, length, err);
    *slot = (unsigned)workers;
    return 0;
}

int concurrency_parse(const char *text, struct concurrency *concurrency, struct error *err)
{
    struct concurrency parsed = *concurrency;

    while (*text) {
        const size_t length = strcspn(text, ";");
        if (length > 0 && parse_item(text, length, &parsed, err) < 0)
            return -1;
        text += length + (text[length] == ';');
    }
    *concurrency = parsed;
    return 0;
}
