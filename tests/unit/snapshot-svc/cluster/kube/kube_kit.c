#include "tests/unit/snapshot-svc/cluster/kube/kube_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

void kube_kit_write_token(struct kube_kit *kit, const char *token)
{
    struct error err = {0};
    assert_ok(file_write_atomic(kit->token_file, token, strlen(token), 0600, &err));
}

static void write_kubeconfig(struct kube_kit *kit, const char *path)
{
    struct error err = {0};
    SCOPED(string)
    char *text = xasprintf("clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u'}}]\n"
                           "users: [{name: u, user: {tokenFile: token}}]\n"
                           "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                           "current-context: x\n",
                           api_port(kit->api));
    assert_ok(file_write_atomic(path, text, strlen(text), 0600, &err));
}

static void open_cluster(struct kube_kit *kit, unsigned qps, unsigned burst)
{
    SCOPED(string) char *path = xasprintf("%s/config", kit->folder);
    const struct cluster_kube_options options = {.kubeconfig = path, .qps = qps, .burst = burst};
    struct error err = {0};

    write_kubeconfig(kit, path);
    assert_ok(cluster_kube_open(&options, &kit->cluster, &err));
    (void)unlink(path); /* read once */
}

void kube_kit_limit(struct kube_kit *kit, unsigned qps, unsigned burst)
{
    cluster_free(kit->cluster);
    open_cluster(kit, qps, burst);
}

int kube_kit_setup(void **state)
{
    struct kube_kit *kit = xcalloc(1, sizeof(*kit));

    strcpy(kit->folder, "/tmp/stasis-kube-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    snprintf(kit->token_file, sizeof(kit->token_file), "%s/token", kit->folder);
    kube_kit_write_token(kit, KIT_TOKEN "\n");
    kit->api = api_start();
    open_cluster(kit, 0, 0);
    *state = kit;
    return 0;
}

int kube_kit_teardown(void **state)
{
    struct kube_kit *kit = *state;

    cluster_free(kit->cluster);
    (void)unlink(kit->token_file);
    (void)rmdir(kit->folder); /* a folder in /tmp at worst */
    struct fake_apiserver *api = kit->api;
    free(kit);
    api_stop(api);
    return 0;
}
