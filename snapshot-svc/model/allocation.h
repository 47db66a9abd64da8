/* allocation.h - which pods of a Pool a sandbox has, as the two kinds of objects say it.
 * Spec: contract/crds.md §6.2, contract/controller-behaviour.md §10.2, with K3, K4, K26, K37 of its §15.
 *
 * The claim is the truth: an annotation of the pod that names one sandbox by its uid. It is written under the pod's
 * resourceVersion, before the pod is listed in the sandbox's alloc-status, and taken away only when the pod has been
 * recycled. So no pod is ever given twice, whoever crashes when, and one that was used is known to be dirty. The lists on the
 * sandbox are what the contract's readers see, and how pods are asked back. */
#pragma once

#include <stdbool.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/meta.h"

/* ---- the lists of a sandbox ---- */

struct allocation {
    struct json_strings given;    /* alloc-status: all it ever got, in order; the endpoints' order */
    struct json_strings returned; /* alloc-release: asked back */
    struct json_strings recycled; /* alloc-released: and nobody's any more */
};

/* Fills the zeroed struct; absent and empty annotations are empty lists. ERR_INVALID: which annotation holds no {"pods":[...]}. */
int allocation_read(const struct object_meta *sandbox, struct allocation *out, struct error *err);
void allocation_done(struct allocation *allocation);
#define SCOPED_ALLOCATION __attribute__((cleanup(allocation_done)))

bool allocation_ever_held(const struct allocation *allocation, const char *pod);
/* Was it given and not recycled since? Then it is this sandbox's, or dirty from it. */
bool allocation_holds(const struct allocation *allocation, const char *pod);
/* Of those it holds: is it to be recycled? All are, of a sandbox that is being deleted. */
bool allocation_gives_back(const struct allocation *allocation, const char *pod, bool is_deleting);

/* The value of an annotation: {"pods":["p1","p2"]}. The caller frees. */
char *allocation_list_text(const struct json_strings *pods);

/* ---- the claim on a pod ---- */

struct pod_claim {
    char *sandbox_uid, *sandbox_name; /* NULL: nobody's */
};

/* A claim that cannot be read has an empty uid and name: the pod is somebody's, and must not be given to anybody. */
void pod_claim_read(const struct object_meta *pod, struct pod_claim *ret_claim);
void pod_claim_done(struct pod_claim *claim);
#define SCOPED_POD_CLAIM __attribute__((cleanup(pod_claim_done)))

char *pod_claim_text(
    const struct object_meta *sandbox); /* the value of ANNOTATION_ALLOCATED_TO; the caller frees */
