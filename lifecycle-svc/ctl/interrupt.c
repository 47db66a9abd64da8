#include "lifecycle-svc/ctl/interrupt.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/signals.h"

static _Atomic(const char *) last_words; /* one process, one terminal: the only state outside main's frame */

static void *wait_for_signal(void *unused)
{
    int sign = signals_wait();
    const char *line = atomic_load(&last_words);

    (void)unused;
    if (line) /* the terminal's progress line ends here */
        (void)dprintf(STDERR_FILENO, "\nstasisctl: %s\n", line);
    _exit(128 + sign); /* the connection closes with us, and the server sees that */
}

void interrupt_watch(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, wait_for_signal, NULL) == 0)
        (void)pthread_detach(thread);
}

void interrupt_says(const char *line)
{
    atomic_store(&last_words, line);
}
