/* Contract controller-behaviour.md §9.1; crds.md §6.1, §7; K8, K36. */
#include "snapshot-svc/reconcile/job_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/names.h"

/* clang-format off */
static const char *const snapshot_text =
    "{'metadata':{'name':'demo-pause','namespace':'ns','uid':'uid-snap'},'spec':{'sandboxName':'demo'},"
    "'status':{'sourcePodName':'demo-0','sourcePodUid':'uid-pod','sourceNodeName':'node-1','attempts':2,'containers':["
    "{'containerName':'main','imageUri':'reg:5000/a/demo-main:snap-gen1'},"
    "{'containerName':'side','imageUri':'reg:5000/a/demo-side:snap-gen1'}]}}";

#define METADATA(NAME) \
    "'metadata':{'name':'" NAME "','namespace':'ns'," LABELS "," \
    "'ownerReferences':[{'apiVersion':'sandbox.opensandbox.io/v1alpha1','kind':'SandboxSnapshot','name':'demo-pause'," \
    "'uid':'uid-snap','controller':true,'blockOwnerDeletion':true}]}"
#define LABELS \
    "'labels':{'sandbox.opensandbox.io/sandbox-snapshot-name':'demo-pause','sandbox.opensandbox.io/snapshot':'demo-pause'," \
    "'sandbox.opensandbox.io/privileged-node-access':'true'}," \
    "'annotations':{'sandbox.opensandbox.io/snapshot-name':'demo-pause','sandbox.opensandbox.io/commit-key':'uid-snap.2'}"
#define POD \
    "'restartPolicy':'Never','hostPID':true,'automountServiceAccountToken':false,'tolerations':[{'operator':'Exists'}]," \
    "'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[{'matchFields':" \
    "[{'key':'metadata.name','operator':'In','values':['node-1']}]}]}}}"
#define CONTAINER \
    "'name':'commit','image':'committer:1','imagePullPolicy':'IfNotPresent','command':['/usr/local/bin/image-committer']," \
    "'securityContext':{'runAsUser':0,'allowPrivilegeEscalation':false,'capabilities':{'drop':['ALL']," \
    "'add':['SYS_ADMIN','DAC_READ_SEARCH','KILL']},'seccompProfile':{'type':'RuntimeDefault'}}"
#define ENV \
    "{'name':'CONTAINERD_SOCKET','value':'/var/run/containerd/containerd.sock'}," \
    "{'name':'STASIS_COMMIT_KEY','value':'uid-snap.2'},{'name':'STASIS_POD_UID','value':'uid-pod'}"
#define MOUNTS \
    "{'name':'containerd-sock','mountPath':'/var/run/containerd/containerd.sock'}," \
    "{'name':'journal','mountPath':'/var/lib/stasis/jobs'}," \
    "{'name':'cgroup','mountPath':'/sys/fs/cgroup'}"
#define VOLUMES \
    "{'name':'containerd-sock','hostPath':{'path':'/run/k3s/containerd.sock','type':'Socket'}}," \
    "{'name':'journal','hostPath':{'path':'/var/lib/stasis/jobs','type':'DirectoryOrCreate'}}," \
    "{'name':'cgroup','hostPath':{'path':'/sys/fs/cgroup','type':'Directory'}}"

static const char *const commit_text =
    "{'apiVersion':'batch/v1','kind':'Job'," METADATA("demo-pause-commit") ",'spec':{'backoffLimit':3,"
    "'ttlSecondsAfterFinished':300,'activeDeadlineSeconds':600,'template':{'metadata':{" LABELS "},'spec':{" POD ","
    "'imagePullSecrets':[{'name':'pull'},{'name':'mirror'}],'containers':[{" CONTAINER ",'args':['demo-0','ns',"
    "'main:reg:5000/a/demo-main:snap-gen1','side:reg:5000/a/demo-side:snap-gen1'],'env':[" ENV ","
    "{'name':'STASIS_COMMIT_TIMEOUT','value':'600s'},"
    "{'name':'SNAPSHOT_REGISTRY_INSECURE','value':'true'},{'name':'STASIS_COMMIT_HOLD','value':'kill'}],"
    "'volumeMounts':[" MOUNTS ",{'name':'containerd-root','mountPath':'/var/lib/containerd','readOnly':true},"
    "{'name':'registry-creds','mountPath':'/var/run/opensandbox/registry','readOnly':true}]}],"
    "'volumes':[" VOLUMES ",{'name':'containerd-root','hostPath':{'path':'/var/lib/containerd','type':'Directory'}},"
    "{'name':'registry-creds','secret':{'secretName':'push','items':[{'key':'.dockerconfigjson','path':'config.json'}]}}"
    "]}}}}";

static const char *const unpause_text =
    "{'apiVersion':'batch/v1','kind':'Job'," METADATA("demo-pause-unpause") ",'spec':{'backoffLimit':0,"
    "'ttlSecondsAfterFinished':300,'activeDeadlineSeconds':600,'template':{'metadata':{" LABELS "},'spec':{" POD ","
    "'imagePullSecrets':[{'name':'pull'},{'name':'mirror'}],'containers':[{" CONTAINER ",'args':['unpause','demo-0','ns','main','side'],"
    "'env':[" ENV "],'volumeMounts':[" MOUNTS "]}],'volumes':[" VOLUMES "]}}}}";
/* clang-format on */

static json_t *parse(const char *text)
{
    SCOPED(string) char *copy = xstrdup(text);
    struct error err = {0};
    json_t *document = NULL;

    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    if (json_parse(copy, strlen(copy), "text", &document, &err) < 0)
        fail_msg("%s", err.text);
    return document;
}

static void assert_same(json_t *found, const char *wanted_text)
{
    SCOPED(json) json_t *wanted = parse(wanted_text), *owned = found;
    SCOPED(string) char *a = json_canonical(owned), *b = json_canonical(wanted);
    assert_string_equal(a, b);
}

static struct sandboxsnapshot *snapshot_named(const char *name)
{
    static struct sandboxsnapshot snapshot;
    SCOPED(json) json_t *object = parse(snapshot_text);
    struct error err = {0};

    json_object_set_new(json_object_get(object, "metadata"), "name", json_string(name));
    snapshot = (struct sandboxsnapshot){0};
    if (sandboxsnapshot_read(object, &snapshot, &err) < 0)
        fail_msg("%s", err.text);
    return &snapshot;
}

static const char *const pull_secrets[] = {"pull", "", "mirror"};

static const struct reconcile_config config = {.snapshot_push_secret = "push",
                                               .commit_timeout_ms = 600999,
                                               .job = {.image = "committer:1",
                                                       .image_pull_secrets = pull_secrets,
                                                       .image_pull_secret_count = 3,
                                                       .containerd_socket = "/run/k3s/containerd.sock",
                                                       .containerd_root = "/var/lib/containerd",
                                                       .registry_insecure = true}};

static struct job_request request_for(const struct sandboxsnapshot *snapshot,
                                      const struct reconcile_config *with)
{
    return (struct job_request){
        .snapshot = snapshot, .source = &snapshot->status, .config = with, .hold = true};
}

static void a_commit_job_is_what_the_contract_says(void **state)
{
    (void)state;
    struct sandboxsnapshot *snapshot = snapshot_named("demo-pause");
    const struct job_request request = request_for(snapshot, &config);

    assert_same(job_build_commit(&request), commit_text);
    sandboxsnapshot_done(snapshot);
}

static void an_unpause_job_has_what_thawing_needs_and_no_credentials(void **state)
{
    (void)state;
    struct sandboxsnapshot *snapshot = snapshot_named("demo-pause");
    const struct job_request request = request_for(snapshot, &config);

    assert_same(job_build_unpause(&request), unpause_text);
    sandboxsnapshot_done(snapshot);
}

static void what_is_not_configured_is_not_there(void **state)
{
    (void)state;
    struct reconcile_config bare = config;
    bare.snapshot_push_secret = "";
    bare.job.image_pull_secret_count = 0;
    bare.job.registry_insecure = false;
    struct sandboxsnapshot *snapshot = snapshot_named("demo-pause");
    struct job_request request = request_for(snapshot, &bare);
    request.hold = false;
    SCOPED(json) json_t *job = job_build_commit(&request);
    SCOPED(string) char *text = json_text(job);

    assert_null(strstr(text, "registry-creds"));
    assert_null(strstr(text, "imagePullSecrets"));
    assert_null(strstr(text, "SNAPSHOT_REGISTRY_INSECURE"));
    assert_non_null(strstr(text, "{\"name\":\"STASIS_COMMIT_HOLD\",\"value\":\"thaw\"}"));
    sandboxsnapshot_done(snapshot);
}

static void names_and_labels_of_long_snapshots_fit(void **state) /* K8 */
{
    (void)state;
    char name[207];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct sandboxsnapshot *snapshot = snapshot_named(name);
    const struct job_request request = request_for(snapshot, &config);
    SCOPED(json) json_t *job = job_build_commit(&request), *unpause = job_build_unpause(&request);
    const json_t *labels = json_path(job, "spec.template.metadata.labels");

    assert_int_equal(strlen(json_path_string(job, "metadata.name")), 63);
    assert_int_equal(strlen(json_path_string(unpause, "metadata.name")), 63);
    assert_string_equal(json_path_string(job, "metadata.name") + 56, "-commit");
    assert_int_equal(strlen(json_string_value(json_object_get(labels, LABEL_JOB_SNAPSHOT))), 63);
    assert_int_equal(strlen(json_string_value(json_object_get(labels, LABEL_JOB_SNAPSHOT_GUIDE))), 63);
    const json_t *annotations = json_path(job, "spec.template.metadata.annotations");
    assert_string_equal(json_string_value(json_object_get(annotations, ANNOTATION_JOB_SNAPSHOT)), name);
    sandboxsnapshot_done(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_job_is_what_the_contract_says),
        cmocka_unit_test(an_unpause_job_has_what_thawing_needs_and_no_credentials),
        cmocka_unit_test(what_is_not_configured_is_not_there),
        cmocka_unit_test(names_and_labels_of_long_snapshots_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
