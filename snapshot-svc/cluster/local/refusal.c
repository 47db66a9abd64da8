#include "snapshot-svc/cluster/local/refusal.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/utf8.h"

#define QUALIFIED_SIZE 96
#define QUOTED_MAX     64

int quoted_length(const char *text)
{
    return (int)utf8_cut_length(text, strnlen(text, QUOTED_MAX));
}

/* "batchsandboxes" -> "batchsandboxes.sandbox.opensandbox.io"; the core group adds nothing. */
static const char *qualified(enum cluster_kind kind, const char *word, char out[QUALIFIED_SIZE])
{
    const char *api_version = cluster_kind_info(kind)->api_version, *slash = strchr(api_version, '/');
    if (slash)
        (void)snprintf(out, QUALIFIED_SIZE, "%s.%.*s", word, (int)(slash - api_version), api_version);
    else
        (void)snprintf(out, QUALIFIED_SIZE, "%s", word);
    return out;
}

int refuse_not_found(struct error *err, enum cluster_kind kind, const char *name)
{
    char resource[QUALIFIED_SIZE];
    return error_set(err, ERR_NOT_FOUND, "%s \"%s\" not found",
                     qualified(kind, cluster_kind_info(kind)->plural, resource), name);
}

int refuse_exists(struct error *err, enum cluster_kind kind, const char *name)
{
    char resource[QUALIFIED_SIZE];
    return error_set(err, ERR_EXISTS, "%s \"%s\" already exists",
                     qualified(kind, cluster_kind_info(kind)->plural, resource), name);
}

static int refuse_operation(struct error *err, enum cluster_kind kind, const char *name, const char *why)
{
    char resource[QUALIFIED_SIZE];
    return error_set(err, ERR_CONFLICT, "Operation cannot be fulfilled on %s \"%s\": %s",
                     qualified(kind, cluster_kind_info(kind)->plural, resource), name, why);
}

int refuse_stale(struct error *err, enum cluster_kind kind, const char *name)
{
    return refuse_operation(err, kind, name,
                            "the object has been modified; please apply your changes to the latest version "
                            "and try again");
}

int refuse_other_uid(struct error *err, enum cluster_kind kind, const char *name, const char *wanted,
                     const char *found)
{
    char why[160];
    (void)snprintf(why, sizeof(why),
                   "Precondition failed: UID in precondition: %.40s, UID in object meta: %.40s", wanted,
                   found);
    return refuse_operation(err, kind, name, why);
}

int refuse_invalid(struct error *err, enum cluster_kind kind, const char *name)
{
    char resource[QUALIFIED_SIZE];
    return error_wrap(err, "%s \"%s\" is invalid", qualified(kind, cluster_kind_info(kind)->kind, resource),
                      name);
}
