/* kube_kit.h - a cluster on a fake API server, in a folder of its own. */
#pragma once

#include "snapshot-svc/cluster/kube/kube.h"
#include "tests/unit/snapshot-svc/cluster/kube/fake_apiserver.h"

#define KIT_TOKEN "token-of-the-tester"

struct kube_kit {
    char folder[64], token_file[80];
    struct fake_apiserver *api;
    struct cluster *cluster;
};

/* CMocka's setup and teardown; *state is a struct kube_kit. */
int kube_kit_setup(void **state);
int kube_kit_teardown(void **state);

/* Another cluster in the place of the first, with these limits. */
void kube_kit_limit(struct kube_kit *kit, unsigned qps, unsigned burst);
void kube_kit_write_token(struct kube_kit *kit, const char *token);
