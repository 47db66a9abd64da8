#include "shared/base/failpoint.h"

#ifdef STASIS_FAILPOINTS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_once_t read;
    const char *name;    /* NULL: none; not terminated */
    size_t length;       /* of the name */
    _Atomic long passes; /* still to come, the deadly one included */
} chosen = {.read = PTHREAD_ONCE_INIT};

static void read_environment(void)
{
    const char *text = getenv("STASIS_FAILPOINT");
    const char *colon = text ? strchr(text, ':') : NULL;

    chosen.name = text;
    chosen.length = text ? (colon ? (size_t)(colon - text) : strlen(text)) : 0;
    chosen.passes = colon ? strtol(colon + 1, NULL, 10) : 1;
}

void failpoint_pass(const char *name)
{
    (void)pthread_once(&chosen.read, read_environment);
    if (!chosen.name || strlen(name) != chosen.length || strncmp(name, chosen.name, chosen.length) != 0)
        return;
    if (atomic_fetch_sub(&chosen.passes, 1) == 1)
        (void)kill(getpid(), SIGKILL);
}

int64_t failpoint_ms(const char *variable, int64_t otherwise_ms)
{
    const char *text = getenv(variable);
    return text ? strtoll(text, NULL, 10) : otherwise_ms;
}

#endif
