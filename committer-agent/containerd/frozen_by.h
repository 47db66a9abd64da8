/* containerd/frozen_by.h - who froze a container, written on the container itself: a label of its containerd record. The
 * journal says it, too; this is for whoever finds the container frozen and the journal lost.
 *
 * Marked before the freeze and unmarked after the thaw: a mark alone says nothing, a frozen container without one was
 * frozen by somebody else. */
#pragma once

#include "committer-agent/containerd/containers.h"

#define FROZEN_BY_LABEL "stasis.opensandbox.io/frozen-by"

/* `owner`: printable ASCII without quotes and backslashes, at most 4000 bytes (containerd's limit for a label).
 * ERR_NOT_FOUND, ContainerNotFound. */
int container_mark_frozen(struct containerd *containerd, const char *container_id, const char *owner,
                          struct error *err);
int container_unmark_frozen(struct containerd *containerd, const char *container_id,
                            struct error *err); /* one that is gone is fine */
/* None is no error. */
int containers_frozen_by(struct containerd *containerd, const char *owner, struct container_list *ret_list,
                         struct error *err);
