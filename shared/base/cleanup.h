/* cleanup.h - what must be undone is a guard, not a line before each return.
 *
 *   SCOPED(upload) struct upload *up = NULL;    upload_freep(&up) runs at the end of the block
 *   *ret_up = TAKE(up);                         the one way to end that life early
 *
 * A type joins by DEFINE_FREEP(upload, struct upload, upload_free) beside its free function. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define SCOPED(name) __attribute__((cleanup(name##_freep)))
#define TAKE(p)                                                                                              \
    ({                                                                                                       \
        __typeof__(p) taken_ = (p);                                                                          \
        (p) = NULL;                                                                                          \
        taken_;                                                                                              \
    })

#define DEFINE_FREEP(name, type, free_fn)                                                                    \
    __attribute__((unused)) static inline void name##_freep(type **p)                                        \
    {                                                                                                        \
        free_fn(*p);                                                                                         \
        *p = NULL;                                                                                           \
    }

__attribute__((unused)) static inline void string_freep(char **p)
{
    free(*p);
    *p = NULL;
}

/* SCOPED(memory) void *p: for what malloc gave and has no better name. */
__attribute__((unused)) static inline void memory_freep(void *p)
{
    void **slot = p;
    free(*slot);
    *slot = NULL;
}

/* SCOPED(fd) int fd = -1; */
__attribute__((unused)) static inline void fd_freep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* nothing was written through it that a caller still waits for */
    *fd = -1;
}

#define TAKE_FD(fd)                                                                                          \
    ({                                                                                                       \
        int taken_ = (fd);                                                                                   \
        (fd) = -1;                                                                                           \
        taken_;                                                                                              \
    })
