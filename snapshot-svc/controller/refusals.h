/* refusals.h - why the cluster refused to create something (a quota, an admission plugin, missing rights), until its
 * owner is gone. A memory that may be lost: then it is refused once more. Threads: any. */
#pragma once

#include "shared/base/cleanup.h"

struct refusals;

struct refusals *refusals_new(void);
void refusals_free(struct refusals *refusals);
DEFINE_FREEP(refusals, struct refusals, refusals_free)

/* owner_uid NULL: nothing happens. The last text stays. */
void refusals_put(struct refusals *refusals, const char *owner_uid, const char *text);
char *refusals_get(struct refusals *refusals, const char *owner_uid); /* the caller's; NULL: none */
void refusals_forget(struct refusals *refusals, const char *owner_uid);
