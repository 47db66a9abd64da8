#include "snapshot-svc/node/pod_request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/node/container_request.h"
#include "snapshot-svc/node/members.h"

typedef Opensandbox__Committer__V1__RunPodRequest__LabelsEntry label_entry;
typedef Opensandbox__Committer__V1__RunPodRequest__AnnotationsEntry annotation_entry;

enum { HOSTNAME_MAX = 63 };

/* ---- who and where ---- */

static char *text_at(const json_t *pod, const char *path)
{
    const char *text = json_path_string(pod, path);
    return xstrdup(text ? text : "");
}

static void fill_ref(const json_t *pod, run_pod_request *request)
{
    request->pod = xcalloc(1, sizeof(*request->pod));
    opensandbox__committer__v1__pod_ref__init(request->pod);
    request->pod->uid = text_at(pod, "metadata.uid");
    request->pod->namespace_ = text_at(pod, "metadata.namespace");
    request->pod->name = text_at(pod, "metadata.name");
}

/* A label: dots of a pod's name stay, as with a kubelet; only the length is bounded. */
static char *hostname_of(const json_t *pod)
{
    const char *wanted = json_path_string(pod, "spec.hostname");
    const char *name = wanted && *wanted ? wanted : json_path_string(pod, "metadata.name");
    char *hostname = xstrndup(name ? name : "", HOSTNAME_MAX);

    for (size_t end = strlen(hostname); end > 0 && (hostname[end - 1] == '-' || hostname[end - 1] == '.');
         end--)
        hostname[end - 1] = '\0';
    return hostname;
}

static void fill_labels(const json_t *labels, run_pod_request *request)
{
    const char *key;
    json_t *value;

    request->labels = xcalloc(json_object_size(labels) + 1, sizeof(*request->labels));
    json_object_foreach((json_t *)labels, key, value)
    {
        label_entry *entry = xcalloc(1, sizeof(*entry));
        opensandbox__committer__v1__run_pod_request__labels_entry__init(entry);
        entry->key = xstrdup(key);
        entry->value = xstrdup(json_string_value(value));
        request->labels[request->n_labels++] = entry;
    }
}

static void fill_annotations(const json_t *annotations, run_pod_request *request)
{
    const char *key;
    json_t *value;

    request->annotations = xcalloc(json_object_size(annotations) + 1, sizeof(*request->annotations));
    json_object_foreach((json_t *)annotations, key, value)
    {
        annotation_entry *entry = xcalloc(1, sizeof(*entry));
        opensandbox__committer__v1__run_pod_request__annotations_entry__init(entry);
        entry->key = xstrdup(key);
        entry->value = xstrdup(json_string_value(value));
        request->annotations[request->n_annotations++] = entry;
    }
}

/* ---- what a scheduler would have looked at ---- */

static const char *architecture(const char *machine)
{
    static const char *const names[][2] = {
        {"x86_64", "amd64"},
        {"aarch64", "arm64"},
        {"armv7l", "arm"},
        {"i686", "386"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(machine, names[i][0]) == 0)
            return names[i][1];
    return machine;
}

static int check_selector(const json_t *pod, struct error *err)
{
    const char *key;
    json_t *value;
    struct utsname host;

    (void)uname(&host); /* fails only for a bad pointer */
    json_object_foreach(json_path(pod, "spec.nodeSelector"), key, value)
    {
        const char *wanted = json_string_value(value), *found = NULL;
        if (strcmp(key, "kubernetes.io/os") == 0)
            found = "linux";
        else if (strcmp(key, "kubernetes.io/arch") == 0)
            found = architecture(host.machine);
        else if (strcmp(key, "kubernetes.io/hostname") == 0)
            found = json_path_string(pod, "spec.nodeName");
        if (!wanted || !found || strcmp(wanted, found) != 0)
            return invalid_pod(err, "spec.nodeSelector: want %.60s=%.60s, but the only node has %s", key,
                               wanted ? wanted : "", found ? found : "no such label");
    }
    return 0;
}

static int check_os(const json_t *pod, struct error *err)
{
    const char *os = json_path_string(pod, "spec.os.name");

    if (!os || strcmp(os, "linux") == 0)
        return 0;
    return invalid_pod(err, "spec.os.name: want linux, got \"%.40s\"", os);
}

/* A container is started once: what the sandbox was must not be mixed with what it is. */
static void check_restart_policy(const json_t *pod, struct json_strings *ignored)
{
    const char *policy = json_path_string(pod, "spec.restartPolicy");

    if (policy && strcmp(policy, "Never") != 0)
        json_strings_add(ignored, "spec.restartPolicy");
}

/* ---- */

struct container_list {
    const char *member; /* of the pod's spec */
    container_message ***messages;
    size_t *count;
};

static int fill_containers(const json_t *pod, const struct volumes *volumes, struct container_list list,
                           struct json_strings *ignored, struct error *err)
{
    const json_t *containers = json_object_get(json_object_get(pod, "spec"), list.member);
    size_t i;
    json_t *container;

    *list.messages = xcalloc(json_array_size(containers) + 1, sizeof(**list.messages));
    json_array_foreach(containers, i, container)
    {
        SCOPED(string) char *what = xasprintf("spec.%s[%zu]", list.member, i);
        container_message *message = xcalloc(1, sizeof(*message));
        opensandbox__committer__v1__container_spec__init(message);
        (*list.messages)[(*list.count)++] = message;
        if (container_request_fill(pod, container, what, volumes, message, ignored, err) < 0)
            return -1;
    }
    return 0;
}

int pod_request_build(const json_t *pod, const struct volumes *volumes, run_pod_request **ret_request,
                      struct json_strings *ignored, struct error *err)
{
    SCOPED(pod_request) run_pod_request *request = xcalloc(1, sizeof(*request));
    const struct container_list inits = {"initContainers", &request->init_containers,
                                         &request->n_init_containers};
    const struct container_list others = {"containers", &request->containers, &request->n_containers};

    opensandbox__committer__v1__run_pod_request__init(request);
    fill_ref(pod, request);
    request->hostname = hostname_of(pod);
    fill_labels(json_path(pod, "metadata.labels"), request);
    fill_annotations(json_path(pod, "metadata.annotations"), request);
    if (members_check(json_object_get(pod, "spec"), MEMBERS_OF_SPEC, "spec", ignored, err) < 0 ||
        check_selector(pod, err) < 0 || check_os(pod, err) < 0 ||
        fill_containers(pod, volumes, inits, ignored, err) < 0 ||
        fill_containers(pod, volumes, others, ignored, err) < 0)
        return -1;
    check_restart_policy(pod, ignored);
    *ret_request = TAKE(request);
    return 0;
}

void pod_request_adopt_secret(run_pod_request *request, void *bytes, size_t length)
{
    request->pull_secrets =
        xrealloc_array(request->pull_secrets, request->n_pull_secrets + 1, sizeof(*request->pull_secrets));
    request->pull_secrets[request->n_pull_secrets++] = (ProtobufCBinaryData){.data = bytes, .len = length};
}

void pod_request_free(run_pod_request *request)
{
    if (!request)
        return;
    for (size_t i = 0; i < request->n_pull_secrets; i++)
        explicit_bzero(request->pull_secrets[i].data, request->pull_secrets[i].len);
    protobuf_c_message_free_unpacked(&request->base, NULL);
}
