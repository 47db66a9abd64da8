#include "shared/base/niceness.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/ioprio.h, which older kernel headers lack. */
enum { IO_THREAD = 1, IO_CLASS_SHIFT = 13, IO_CLASS_BEST_EFFORT = 2, IO_CLASS_IDLE = 3 };

int niceness_parse(int64_t nice, const char *io_priority, struct niceness *ret_niceness, struct error *err)
{
    bool idle = strcmp(io_priority, "idle") == 0;

    if (nice < 0 || nice > 19)
        return error_set(err, ERR_INVALID, "--nice: want 0 to 19, got %lld", (long long)nice);
    if (!idle && (*io_priority < '0' || *io_priority > '7' || io_priority[1]))
        return error_set(err, ERR_INVALID, "--io-priority: want 0 (first) to 7 (last) or idle, got \"%.40s\"",
                         io_priority);
    *ret_niceness =
        (struct niceness){.nice = (int)nice, .io_idle = idle, .io_level = idle ? 0 : *io_priority - '0'};
    return 0;
}

static void be_nice_on_cpu(int nice)
{
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0); /* 0: this thread, for Linux */
    if (errno == 0 && now < nice)
        (void)setpriority(PRIO_PROCESS, 0, nice); /* giving way needs no right */
}

/* Within a class a larger number comes later, and a later class comes after all of the earlier. Class 0 is "as nice says",
 * which is best effort. */
static bool comes_before(long now, long wanted)
{
    return now >> IO_CLASS_SHIFT == 0 || now < wanted;
}

static void be_nice_on_disk(const struct niceness *niceness)
{
    long wanted = niceness->io_idle ? IO_CLASS_IDLE << IO_CLASS_SHIFT
                                    : IO_CLASS_BEST_EFFORT << IO_CLASS_SHIFT | niceness->io_level;
    long now = syscall(SYS_ioprio_get, IO_THREAD, 0);

    if (now >= 0 && comes_before(now, wanted))
        (void)syscall(SYS_ioprio_set, IO_THREAD, 0, wanted);
}

void be_nice(const struct niceness *niceness)
{
    if (!niceness)
        return;
    be_nice_on_cpu(niceness->nice);
    be_nice_on_disk(niceness);
}
