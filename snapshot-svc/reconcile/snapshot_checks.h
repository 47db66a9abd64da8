/* snapshot_checks.h - what must be true before anything is frozen, in the contract's order (§8.1), and what
 * to commit. Private to snapshot-svc/reconcile. */
#pragma once

#include "snapshot-svc/reconcile/planners.h"

struct snapshot_source {
    const struct pod *pod;   /* borrowed */
    struct json_list images; /* of struct snapshot_container: name and image_uri; snapshot_source_done() */
    bool internal;           /* of a pause: hold until released */
};

/* The source has the name that the snapshot says; is it that very one? */
bool snapshot_is_of(const struct sandboxsnapshot *snapshot, const struct batchsandbox *sandbox);

/* 0, or -1 with err->reason being the contract's failure reason and err->text its message. */
int snapshot_source_find(const struct sandboxsnapshot_observed *seen, const struct reconcile_config *config,
                         struct snapshot_source *ret_source, struct error *err);
void snapshot_source_done(struct snapshot_source *source);
