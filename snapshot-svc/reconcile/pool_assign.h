/* pool_assign.h - which Pool serves a sandbox that asks for any (`poolRef: "*"`).
 * Spec: contract/controller-behaviour.md §11; Kubernetes' own rules for node selectors where it is silent. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "shared/base/error.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/pool.h"

/* What a Pool must satisfy. A sandbox without a template satisfies all but the labels. */
enum pool_predicate {
    PREDICATE_IMAGE,         /* some container's image is one of the Pool's */
    PREDICATE_RESOURCE,      /* no resource is requested more of than the Pool's pods request */
    PREDICATE_NODE_SELECTOR, /* nodeSelector and required nodeAffinity match the Pool's labels and nodeSelector */
    PREDICATE_LABELS,        /* both objects have the same value of each label in label_keys */
    POOL_PREDICATE_MAX
};
const char *pool_predicate_name(enum pool_predicate predicate); /* "nodeselector" */

enum pool_balance { LEAST_ALLOCATED, MOST_ALLOCATED };

struct assign_profile {
    bool predicates[POOL_PREDICATE_MAX];
    const char *const *label_keys; /* of PREDICATE_LABELS; borrowed */
    size_t label_key_count;
    enum pool_balance balance;
    double weight; /* of the balance */
};
extern const struct assign_profile
    assign_profile_default; /* image, resource, nodeselector; LeastAllocated, 100 */

bool pool_satisfies(const struct pool *pool, const struct batchsandbox *sandbox,
                    const struct assign_profile *profile, enum pool_predicate predicate);
double pool_score(const struct pool *pool, const struct assign_profile *profile);

/* The best of those that satisfy all, the smaller name among equals; those being deleted are none. Borrowed from `pools`.
 * ERR_NOT_FOUND: for each predicate, how many Pools it kept out. */
int pool_assign(const struct batchsandbox *sandbox, const struct pool *const *pools, size_t pool_count,
                const struct assign_profile *profile, const struct pool **ret_pool, struct error *err);
