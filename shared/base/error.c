#include "shared/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/utf8.h"

static const struct {
    const char *name;
    bool transient;
} codes[] = {
    [ERR_NONE] = {"OK", false},
    [ERR_INVALID] = {"INVALID", false},
    [ERR_NOT_FOUND] = {"NOT_FOUND", false},
    [ERR_EXISTS] = {"EXISTS", false},
    [ERR_CONFLICT] = {"CONFLICT", true},
    [ERR_PRECONDITION] = {"PRECONDITION", false},
    [ERR_DENIED] = {"DENIED", false},
    [ERR_UNAUTHENTICATED] = {"UNAUTHENTICATED", false},
    [ERR_UNSUPPORTED] = {"UNSUPPORTED", false},
    [ERR_EXHAUSTED] = {"EXHAUSTED", true},
    [ERR_UNAVAILABLE] = {"UNAVAILABLE", true},
    [ERR_TIMEOUT] = {"TIMEOUT", true},
    [ERR_CORRUPT] = {"CORRUPT", false},
    [ERR_CANCELLED] = {"CANCELLED", false},
    [ERR_INTERNAL] = {"INTERNAL", false},
};
_Static_assert(sizeof(codes) / sizeof(codes[0]) == ERR_MAX, "every error code has a row");

static enum error_code code_of_errno(int sys_errno)
{
    switch (sys_errno) {
    case ENOENT:
    case ESRCH:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
        return ERR_INVALID;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EAGAIN:
    case EBUSY:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        return ERR_UNAVAILABLE;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return ERR_EXHAUSTED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECANCELED:
        return ERR_CANCELLED;
    case EOPNOTSUPP:
    case ENOSYS:
        return ERR_UNSUPPORTED;
    case ENOTEMPTY:
    case EROFS:
        return ERR_PRECONDITION;
    default:
        return ERR_INTERNAL;
    }
}

/* A story cut short is still a story, but it must stay UTF-8 or nobody can send it on. */
static void end_whole(struct error *err, int untruncated_length)
{
    if (untruncated_length >= (int)sizeof(err->text))
        err->text[utf8_cut_length(err->text, sizeof(err->text) - 1)] = '\0';
}

int error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    char story[sizeof(err->text)]; /* the arguments may point into *err */
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(story, sizeof(story), fmt, args);
    va_end(args);
    *err = (struct error){.code = code};
    memcpy(err->text, story, sizeof(story));
    end_whole(err, length);
    return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    char story[sizeof(err->text)], inner[sizeof(err->text)];
    va_list args;

    va_start(args, fmt);
    int length = vsnprintf(story, sizeof(story), fmt, args);
    va_end(args);
    if (length < 0)
        return -1;
    memcpy(inner, err->text, sizeof(inner));
    length = snprintf(err->text, sizeof(err->text), "%s: %s", story, inner);
    end_whole(err, length);
    return -1;
}

int error_sys(struct error *err, int sys_errno, const char *fmt, ...)
{
    char detail[128], what[sizeof(err->text)];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    *err = (struct error){.code = code_of_errno(sys_errno), .sys_errno = sys_errno};
    const char *why = strerror_r(sys_errno, detail, sizeof(detail));
    size_t room = utf8_cut_length(what, strnlen(what, sizeof(err->text) - strnlen(why, sizeof(detail)) - 3));
    (void)snprintf(err->text, sizeof(err->text), "%.*s: %s", (int)room, what, why);
    return -1;
}

int error_reason(struct error *err, const char *reason)
{
    if (err->reason[0] == '\0')
        (void)snprintf(err->reason, sizeof(err->reason), "%s", reason);
    return -1;
}

void error_clear(struct error *err)
{
    *err = (struct error){0};
}

const char *error_code_name(enum error_code code)
{
    return (unsigned)code < ERR_MAX ? codes[code].name : "UNKNOWN";
}

bool error_is_transient(enum error_code code)
{
    return (unsigned)code < ERR_MAX && codes[code].transient;
}
