/* error.h - one error type: a code for machines, a story for people.
 *
 * A fallible function returns int, takes `struct error *err` last and answers 0 or -1 (a question: 1, 0, -1).
 * The struct lives in the caller's frame, so failing never allocates. Nobody reads `text` to decide.
 * Threads: an error belongs to one thread; nothing here locks. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#define PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

/* Named for what the caller can do about it. */
enum error_code {
    ERR_NONE,
    ERR_INVALID, /* the same request will stay wrong */
    ERR_NOT_FOUND,
    ERR_EXISTS,          /* something of that name is there already */
    ERR_CONFLICT,        /* somebody moved first: read again, then decide */
    ERR_PRECONDITION,    /* the object is not in a state that allows this */
    ERR_DENIED,          /* credentials missing or refused */
    ERR_UNAUTHENTICATED, /* by our own API: nobody is known by these credentials */
    ERR_UNSUPPORTED,     /* this build, runtime or backend cannot do it */
    ERR_EXHAUSTED,       /* a limit is reached: disk, memory, slots */
    ERR_UNAVAILABLE,     /* worth another try, with backoff */
    ERR_TIMEOUT,         /* the deadline passed before the answer */
    ERR_CORRUPT,         /* bytes do not match their digest */
    ERR_CANCELLED,
    ERR_INTERNAL, /* our own bug */
    ERR_MAX
};

struct error {
    enum error_code code;
    int sys_errno;   /* 0 when no system call was involved */
    char reason[64]; /* a word for outside machines ("RegistryUnauthorized"); empty when none */
    char text[400];  /* outermost first: "pushing sha256:1f2e...: PATCH: HTTP 503" */
};

/* All return -1, so failing is one statement. error_wrap() and error_reason() keep the code. */
int error_set(struct error *err, enum error_code code, const char *fmt, ...) PRINTF(3, 4);
int error_wrap(struct error *err, const char *fmt, ...) PRINTF(2, 3);

/* Sets the code that fits `sys_errno` and the text "<fmt>: <strerror>". */
int error_sys(struct error *err, int sys_errno, const char *fmt, ...) PRINTF(3, 4);

/* Names the failure for the outside; the first (innermost) reason wins. */
int error_reason(struct error *err, const char *reason);

void error_clear(struct error *err);

/* "NOT_FOUND"; never NULL. */
const char *error_code_name(enum error_code code);

/* Would the same call have a chance later, unchanged? */
bool error_is_transient(enum error_code code);
