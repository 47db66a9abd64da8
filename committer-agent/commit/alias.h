/* alias.h - a second name for a snapshot that was handed over: an empty snapshot on top of T, named by the chainID of the
 * image that has T's files, under which containerd's clients look for an unpacked image. */
#pragma once

#include "committer-agent/containerd/containerd.h"
#include "shared/base/digest.h"

struct alias {
    const char *key, *container; /* of T */
    const struct digest *chain_id;
    const char *lease; /* keeps it; must exist */
    size_t depth_max;  /* of the local chain, the alias and T included */
};

/* 1: made, or there already; 0: the chain would be too deep; -1: ERR_NOT_FOUND, CommitLost: there is no T. Idempotent. */
int alias_make(struct containerd *containerd, const struct alias *alias, struct error *err);
