/* volumes.h - a pod's volumes as folders of this machine: emptyDir, hostPath and persistentVolumeClaim.
 * An emptyDir is <volumes_dir>/<pod uid>/<volume>; it lives as long as the pod. A claim's folder is
 * <claims_dir>/<namespace>/<claim>; it outlives every pod, and nobody but the operator removes it. */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"
#include "shared/json/json.h"

struct volume {
    char *name, *path; /* on this machine */
    char *type;        /* of a hostPath: "Directory", ...; "" unchecked; NULL: ours to make */
    char *claim;       /* PersistentVolumeClaim that must be there; NULL: none */
    bool read_only;    /* whatever its mounts say */
};

struct volume_places {
    const char *volumes_dir, *claims_dir;
    const char *ns, *pod_uid;
};

struct volumes {
    struct volume *items;
    size_t count;
};

/* Pure. Fills the zeroed struct. ERR_INVALID, InvalidPod: another kind of volume. */
int volumes_read(const json_t *pod_spec, const struct volume_places *places, struct volumes *ret_volumes,
                 struct json_strings *ignored, struct error *err);
void volumes_done(struct volumes *volumes);
#define SCOPED_VOLUMES __attribute__((cleanup(volumes_done)))
const struct volume *volumes_get(const struct volumes *volumes, const char *name); /* NULL: none */

/* Makes what is to be made, and looks for what must be there. Repeatable. */
int volumes_prepare(const struct volumes *volumes, struct error *err);
/* Removes the pod's emptyDirs, whatever is in them. No container may use them any more. */
int volumes_remove(const char *volumes_dir, const char *pod_uid, struct error *err);
