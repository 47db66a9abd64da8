#include "shared/base/signals.h"

#include <pthread.h>
#include <signal.h>

static sigset_t stop_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    return set;
}

void signals_block(void)
{
    sigset_t set = stop_signals();
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* fails only for a wrong first argument */
    (void)signal(SIGPIPE, SIG_IGN);
}

int signals_wait(void)
{
    sigset_t set = stop_signals();
    int which = 0;
    while (sigwait(&set, &which) != 0)
        ;
    return which;
}
