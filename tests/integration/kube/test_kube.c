/* The cluster on a real kube-apiserver: logins, rights, and a server that goes away meanwhile. */
#include <pthread.h>
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
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "tests/integration/kube/kube_place.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

static struct cluster *open_with(const char *kubeconfig)
{
    const struct cluster_kube_options options = {.kubeconfig = kubeconfig, .qps = 1000, .burst = 1000};
    struct cluster *cluster = NULL;
    struct error err = {0};
    assert_ok(cluster_kube_open(&options, &cluster, &err));
    return cluster;
}

static int list_kind(struct cluster *cluster, enum cluster_kind kind, struct error *err)
{
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    return cluster_list(cluster, kind, place_ns(), NULL, &items, &version, err);
}

static void create_sandbox(struct cluster *cluster, const char *name)
{
    SCOPED(json) json_t *object = sandbox_named(name);
    struct error err = {0};
    assert_ok(cluster_create(cluster, KIND_BATCH_SANDBOX, place_ns(), object, NULL, &err));
}

/* ---- logins ---- */

static void a_service_account_token_logs_in(void **state)
{
    SCOPED(string) char *path = xasprintf("%s/token.kubeconfig", place_dir());
    struct cluster *cluster = open_with(path);
    struct error err = {0};

    (void)state;
    assert_ok(list_kind(cluster, KIND_BATCH_SANDBOX, &err));
    cluster_free(cluster);
}

static void a_pod_logs_in_by_what_kubelet_mounts(void **state)
{
    SCOPED(string) char *dir = xasprintf("%s/serviceaccount", place_dir());
    const struct cluster_kube_options options = {.service_account_dir = dir};
    struct cluster *cluster = NULL;
    struct error err = {0};

    (void)state;
    setenv("KUBERNETES_SERVICE_HOST", getenv("STASIS_KUBE_HOST"), 1);
    setenv("KUBERNETES_SERVICE_PORT", getenv("STASIS_KUBE_PORT"), 1);
    assert_ok(cluster_kube_open(&options, &cluster, &err));
    assert_ok(list_kind(cluster, KIND_SANDBOX_SNAPSHOT, &err));
    cluster_free(cluster);
}

/* A kubeconfig of our own: members of the cluster and of the user. */
static char *write_kubeconfig(const char *name, const char *cluster, const char *user)
{
    char *path = xasprintf("%s/%s", place_dir(), name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fprintf(file,
            "clusters: [{name: c, cluster: {%s}}]\nusers: [{name: u, user: {%s}}]\n"
            "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n",
            cluster, user);
    assert_int_equal(fclose(file), 0);
    return path;
}

static char *server_member(const char *more)
{
    return xasprintf("server: 'https://%s:%s', %s", getenv("STASIS_KUBE_HOST"), getenv("STASIS_KUBE_PORT"),
                     more);
}

#define ADMIN "client-certificate: pki/admin.crt, client-key: pki/admin.key"

static void a_wrong_token_is_told_in_plain_words(void **state)
{
    SCOPED(string) char *cluster_member = server_member("certificate-authority: pki/ca.crt");
    SCOPED(string) char *path = write_kubeconfig("wrong.kubeconfig", cluster_member, "token: not-this-one");
    struct cluster *cluster = open_with(path);
    struct error err = {0};

    (void)state;
    assert_refused(list_kind(cluster, KIND_POD, &err), ERR_UNAVAILABLE);
    assert_text_has(err.text, "does not accept our credentials");
    assert_null(strstr(err.text, "not-this-one"));
    cluster_free(cluster);
}

/* The system's CAs must not do in the place of the one that the kubeconfig names, nor any CA when the name differs. */
static void only_the_cluster_s_own_certificate_is_trusted(void **state)
{
    static const struct {
        const char *members;
        enum error_code code; /* ERR_NONE: it works */
    } rows[] = {
        {"certificate-authority: pki/ca.crt", ERR_NONE},
        {"certificate-authority: pki/ca.crt, tls-server-name: kubernetes.default.svc", ERR_NONE},
        {"insecure-skip-tls-verify: true", ERR_NONE},
        {"certificate-authority: pki/ca.crt, tls-server-name: elsewhere.test", ERR_DENIED},
        {"certificate-authority: other-ca.crt", ERR_DENIED},
    };
    struct error err = {0};

    (void)state;
    place_run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null "
              "-subj /CN=kubernetes -days 1 -out %s/other-ca.crt 2>/dev/null",
              place_dir());
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string) char *cluster_member = server_member(rows[i].members);
        SCOPED(string) char *path = write_kubeconfig("tls.kubeconfig", cluster_member, ADMIN);
        struct cluster *cluster = open_with(path);
        if (rows[i].code == ERR_NONE)
            assert_ok(list_kind(cluster, KIND_POD, &err));
        else
            assert_refused(list_kind(cluster, KIND_POD, &err), rows[i].code);
        cluster_free(cluster);
    }
}

/* ---- rights ---- */

static void what_rbac_does_not_allow_names_the_missing_rule(void **state)
{
    SCOPED(string) char *account = xasprintf("%s/limited-token", place_dir());
    SCOPED(string) char *cluster_member = server_member("certificate-authority: pki/ca.crt");
    SCOPED(string)
    char *path = write_kubeconfig("limited.kubeconfig", cluster_member, "tokenFile: limited-token");
    SCOPED(json) json_t *status = status_patch("Pending");
    struct error err = {0};
    json_t *secret = NULL;

    (void)state;
    place_run("kubectl -n %s create serviceaccount limited >/dev/null", place_ns());
    place_run("kubectl -n %s create role limited --verb=get,list --resource=pods >/dev/null", place_ns());
    place_run(
        "kubectl -n %s create rolebinding limited --role=limited --serviceaccount=%s:limited >/dev/null",
        place_ns(), place_ns());
    place_run("kubectl -n %s create token limited >%s", place_ns(), account);
    struct cluster *cluster = open_with(path);

    assert_ok(list_kind(cluster, KIND_POD, &err));
    assert_refused(cluster_get(cluster, KIND_SECRET, place_ns(), "push", &secret, &err), ERR_DENIED);
    assert_text_has(err.text, "RBAC must allow get on secrets (API group \"\"): ");
    assert_refused(
        cluster_patch_status(cluster, KIND_BATCH_SANDBOX, place_ns(), "x", status, NULL, NULL, &err),
        ERR_DENIED);
    assert_text_has(
        err.text, "RBAC must allow patch on batchsandboxes/status (API group \"sandbox.opensandbox.io\"): ");

    struct cluster_watch *watch = NULL;
    assert_ok(cluster_watch_open(cluster, KIND_POD, place_ns(), NULL, "1", &watch, &err));
    assert_refused(cluster_watch_run(cluster, watch, NULL, NULL, &err), ERR_DENIED);
    assert_text_has(err.text, "RBAC must allow watch on pods");
    cluster_watch_free(cluster, watch);
    cluster_free(cluster);
}

static void a_quota_tells_that_it_is_full(void **state)
{
    struct cluster *cluster = place_open();
    SCOPED(json) json_t *pod = pod_named("over-quota");
    struct error err = {0};

    (void)state;
    place_run("kubectl create namespace full >/dev/null");
    place_run("kubectl -n full create quota none --hard=pods=0 >/dev/null");
    place_run("kubectl -n full patch resourcequota none --subresource=status --type=merge "
              "-p '{\"status\":{\"hard\":{\"pods\":\"0\"},\"used\":{\"pods\":\"0\"}}}' >/dev/null");
    assert_refused(cluster_create(cluster, KIND_POD, "full", pod, NULL, &err), ERR_DENIED);
    assert_text_has(err.text, "exceeded quota: none");
    assert_null(strstr(err.text, "RBAC"));
    cluster_free(cluster);
}

/* ---- connections ---- */

enum { CALLERS = 50, CALLS_EACH = 10 };

static void *call_often(void *arg)
{
    struct error err = {0};

    for (int i = 0; i < CALLS_EACH; i++)
        if (list_kind(arg, KIND_POD, &err) < 0)
            return "a call failed";
    return NULL;
}

/* Established TCP connections of this process to the API server. */
static int connection_count(void)
{
    SCOPED(string)
    char *count = place_output("ss -Htnp state established dport = :%s | grep -c 'pid=%d,' || true",
                               getenv("STASIS_KUBE_PORT"), (int)getpid());
    return atoi(count);
}

static void fifty_threads_share_one_connection(void **state)
{
    struct cluster *cluster = place_open();
    pthread_t threads[CALLERS];
    void *failure;

    (void)state;
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, cluster), 0);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
    assert_int_equal(connection_count(), 1);
    cluster_free(cluster);
}

static void a_watch_takes_the_connection_that_another_left(void **state)
{
    struct cluster *cluster = place_open();
    struct error err = {0};
    struct cluster_watch *watch = NULL;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_ok(cluster_watch_open(cluster, KIND_POD, place_ns(), "a in", NULL, &watch, &err));
        assert_refused(cluster_watch_run(cluster, watch, NULL, NULL, &err), ERR_INVALID);
        cluster_watch_free(cluster, watch);
    }
    assert_int_equal(connection_count(), 1);
    cluster_free(cluster);
}

/* ---- lists ---- */

static void a_list_of_several_pages_is_whole(void **state)
{
    struct cluster *cluster = place_open();
    struct error err = {0};
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    enum { OBJECTS = 1101 }; /* pages of 500 */

    (void)state;
    place_run("kubectl create namespace many >/dev/null");
    for (int i = 0; i < OBJECTS; i++) {
        SCOPED(json)
        json_t *event = quotedf("{'apiVersion': 'v1', 'kind': 'Event', 'metadata': {'name': 'e-%d'},"
                                " 'involvedObject': {'kind': 'Pod', 'name': 'x', 'namespace': 'many'},"
                                " 'reason': 'Tested', 'message': 'told', 'type': 'Normal'}",
                                i);
        assert_ok(cluster_create(cluster, KIND_EVENT, "many", event, NULL, &err));
    }
    assert_ok(cluster_list(cluster, KIND_EVENT, "many", NULL, &items, &version, &err));
    assert_int_equal(json_array_size(items), OBJECTS);
    assert_string_equal(json_path_string(json_array_get(items, 0), "kind"), "Event");
    cluster_free(cluster);
}

static void a_label_selector_leaves_out_the_others(void **state)
{
    struct cluster *cluster = place_open();
    struct error err = {0};
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    SCOPED(json) json_t *labelled = pod_named("labelled");
    SCOPED(json) json_t *plain = pod_named("plain");

    (void)state;
    json_object_set_new(json_object_get(labelled, "metadata"), "labels", quoted("{'app': 'one'}"));
    assert_ok(cluster_create(cluster, KIND_POD, place_ns(), labelled, NULL, &err));
    assert_ok(cluster_create(cluster, KIND_POD, place_ns(), plain, NULL, &err));
    assert_ok(cluster_list(cluster, KIND_POD, place_ns(), "app in (one,two)", &items, &version, &err));
    assert_int_equal(json_array_size(items), 1);
    cluster_free(cluster);
}

/* Go's numbers go further than ours. */
static void an_object_that_we_cannot_read_hides_nobody_else(void **state)
{
    struct cluster *cluster = place_open();
    struct error err = {0};
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    size_t i, found = 0, at = 0;
    json_t *item;

    (void)state;
    place_run("kubectl create namespace odd >/dev/null");
    struct watcher *watcher = watcher_start(cluster, KIND_BATCH_SANDBOX, "odd", NULL);
    place_run(
        "printf '%%s' "
        "'{\"apiVersion\":\"sandbox.opensandbox.io/v1alpha1\",\"kind\":\"BatchSandbox\",\"metadata\":"
        "{\"name\":\"odd\"},\"spec\":{\"template\":{\"x\":100000000000000000000}}}' | kubectl create --raw "
        "/apis/sandbox.opensandbox.io/v1alpha1/namespaces/odd/batchsandboxes -f - >/dev/null");
    SCOPED(json) json_t *object = sandbox_named("even");
    assert_ok(cluster_create(cluster, KIND_BATCH_SANDBOX, "odd", object, NULL, &err));

    assert_ok(cluster_list(cluster, KIND_BATCH_SANDBOX, "odd", NULL, &items, &version, &err));
    json_array_foreach(items, i, item)
    {
        found += strcmp(json_path_string(item, "metadata.name"), "even") == 0;
    }
    assert_int_equal(found, 1);
    assert_non_null(watcher_wait(watcher, WATCH_ADDED, "even", &at));
    watcher_stop(watcher);
    cluster_free(cluster);
}

/* ---- watches ---- */

/* v1.20 sends them shortly before it ends a watch, to those whom it has told a change while they watched. */
static void bookmarks_come_before_the_server_ends_the_watch(void **state)
{
    const struct cluster_kube_options options = {.kubeconfig = getenv("KUBECONFIG"), .watch_min_s = 5};
    struct cluster *cluster = NULL;
    struct error err = {0};
    size_t at = 0;

    (void)state;
    assert_ok(cluster_kube_open(&options, &cluster, &err));
    struct watcher *watcher = watcher_start(cluster, KIND_BATCH_SANDBOX, place_ns(), NULL);
    create_sandbox(cluster, "before"); /* the watch may not be there yet */
    assert_non_null(watcher_wait(watcher, WATCH_ADDED, "before", &at));
    create_sandbox(cluster, "meanwhile");
    json_t *added = watcher_wait(watcher, WATCH_ADDED, "meanwhile", &at);
    json_t *bookmark = watcher_wait(watcher, WATCH_BOOKMARK, NULL, &at);
    assert_non_null(added);
    assert_non_null(bookmark);
    assert_true(atoll(json_path_string(bookmark, "metadata.resourceVersion")) >=
                atoll(json_path_string(added, "metadata.resourceVersion")));
    struct error end = watcher_wait_end(watcher);
    assert_int_equal(end.code, ERR_UNAVAILABLE);
    assert_text_has(end.text, "ended the watch, as it does now and then");
    watcher_stop(watcher);
    cluster_free(cluster);
}

static void a_version_that_etcd_has_forgotten_is_expired(void **state)
{
    struct cluster *cluster = place_open();
    struct error err = {0};
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;

    (void)state;
    assert_ok(cluster_list(cluster, KIND_BATCH_SANDBOX, place_ns(), NULL, &items, &version, &err));
    create_sandbox(cluster, "expiring-a");
    create_sandbox(cluster, "expiring-b");
    place_compact_etcd();
    place_apiserver("stop"); /* its cache remembers what etcd forgot */
    place_apiserver("start");

    struct watcher *watcher = watcher_start(cluster, KIND_BATCH_SANDBOX, place_ns(), version);
    struct error end = watcher_wait_end(watcher);
    if (end.code != ERR_PRECONDITION)
        fail_msg("%s: %s", error_code_name(end.code), end.text);
    assert_string_equal(end.reason, "Expired");
    watcher_stop(watcher);
    cluster_free(cluster);
}

static void a_server_that_goes_away_ends_watch_and_calls_and_both_come_back(void **state)
{
    struct cluster *cluster = place_open();
    struct error err = {0};
    size_t at = 0;

    (void)state;
    create_sandbox(cluster, "survivor");
    struct watcher *watcher = watcher_start(cluster, KIND_BATCH_SANDBOX, place_ns(), NULL);
    place_apiserver("kill");
    struct error end = watcher_wait_end(watcher);
    assert_int_equal(end.code, ERR_UNAVAILABLE);
    watcher_stop(watcher);
    assert_refused(list_kind(cluster, KIND_POD, &err), ERR_UNAVAILABLE);

    place_apiserver("start");
    assert_ok(list_kind(cluster, KIND_POD, &err));
    watcher = watcher_start(cluster, KIND_BATCH_SANDBOX, place_ns(), NULL);
    create_sandbox(cluster, "afterwards");
    assert_non_null(watcher_wait(watcher, WATCH_ADDED, "afterwards", &at));
    watcher_stop(watcher);
    cluster_free(cluster);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_account_token_logs_in),
        cmocka_unit_test(a_pod_logs_in_by_what_kubelet_mounts),
        cmocka_unit_test(a_wrong_token_is_told_in_plain_words),
        cmocka_unit_test(only_the_cluster_s_own_certificate_is_trusted),
        cmocka_unit_test(what_rbac_does_not_allow_names_the_missing_rule),
        cmocka_unit_test(a_quota_tells_that_it_is_full),
        cmocka_unit_test(fifty_threads_share_one_connection),
        cmocka_unit_test(a_watch_takes_the_connection_that_another_left),
        cmocka_unit_test(bookmarks_come_before_the_server_ends_the_watch),
        cmocka_unit_test(a_list_of_several_pages_is_whole),
        cmocka_unit_test(a_label_selector_leaves_out_the_others),
        cmocka_unit_test(an_object_that_we_cannot_read_hides_nobody_else),
        cmocka_unit_test(a_version_that_etcd_has_forgotten_is_expired),
        cmocka_unit_test(a_server_that_goes_away_ends_watch_and_calls_and_both_come_back),
    };
    place_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
