#include "lifecycle-svc/sandbox/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/volumes.h"
#include "shared/base/alloc.h"
#include "shared/json/secret.h"

#define BIN_FOLDER "/opt/opensandbox"
#define BOOTSTRAP  BIN_FOLDER "/bootstrap.sh"
#define EXECD      BIN_FOLDER "/execd"
#define INSTALL_EXECD                                                                                        \
    "cp ./execd " EXECD " && cp ./bootstrap.sh " BOOTSTRAP " && chmod +x " EXECD " " BOOTSTRAP

const char *const LABEL_ID = "opensandbox.io/id";
const char *const LABEL_SNAPSHOT_ID = "opensandbox.io/snapshot-id";

static const char EXTENSION_PREFIX[] = "opensandbox.extensions.";

static void put(json_t *object, const char *key, const char *value)
{
    (void)json_object_set_new(object, key, json_string(value)); /* jansson checked the text when it came in */
}

static json_t *object_of(const struct json_map *map)
{
    json_t *object = json_object();

    for (size_t i = 0; i < map->count; i++)
        put(object, map->pairs[i].key, map->pairs[i].value);
    return object;
}

static void add_labels(struct json_map *labels, const struct create_request *request, const char *id)
{
    json_map_set(labels, LABEL_ID, id);
    if (request->timeout_s == 0)
        json_map_set(labels, "opensandbox.io/manual-cleanup", "true");
    if (request->snapshot_id)
        json_map_set(labels, LABEL_SNAPSHOT_ID, request->snapshot_id);
    for (size_t i = 0; i < request->metadata.count; i++)
        json_map_set(labels, request->metadata.pairs[i].key, request->metadata.pairs[i].value);
}

static void add_annotations(struct json_map *annotations, const struct create_request *request)
{
    const char *renew_s = json_map_get(&request->extensions, EXTENSION_RENEW_SECONDS);

    if (renew_s)
        json_map_set(annotations, "opensandbox.io/access-renew-extend-seconds", renew_s);
    for (size_t i = 0; i < request->extensions.count; i++) {
        const struct json_pair *pair = &request->extensions.pairs[i];
        size_t prefix = sizeof(EXTENSION_PREFIX) - 1;

        if (strncmp(pair->key, EXTENSION_PREFIX, prefix) != 0 || !pair->key[prefix])
            continue;
        char *key = xasprintf("opensandbox.io/extensions.%s", pair->key + prefix);
        json_map_set(annotations, key, pair->value);
        free(key);
    }
}

static json_t *command_of(const struct create_request *request, bool with_execd)
{
    json_t *command = json_array();

    if (with_execd)
        (void)json_array_append_new(command, json_string(BOOTSTRAP));
    for (size_t i = 0; i < request->entrypoint.count; i++)
        (void)json_array_append_new(command, json_string(request->entrypoint.items[i]));
    return command;
}

static void add_variable(json_t *env, const char *name, const char *value)
{
    json_t *variable = json_object();

    put(variable, "name", name);
    if (value)
        put(variable, "value", value);
    (void)json_array_append_new(env, variable);
}

static json_t *env_of(const struct create_request *request, bool with_execd)
{
    json_t *env = json_array();

    for (size_t i = 0; i < request->env.count; i++)
        add_variable(env, request->env.pairs[i].key, request->env.pairs[i].value);
    if (with_execd)
        add_variable(env, "EXECD", EXECD);
    return env;
}

/* "gpu" is OpenSandbox's short name; a count that is none is dropped, as there. */
static json_t *resources_of(const struct json_map *map)
{
    json_t *resources = json_object();

    for (size_t i = 0; i < map->count; i++) {
        const char *name = map->pairs[i].key, *value = map->pairs[i].value;

        if (strcmp(name, "gpu") != 0)
            put(resources, name, value);
        else if (strspn(value, "0123456789") == strlen(value) && strtol(value, NULL, 10) > 0)
            put(resources, "nvidia.com/gpu", value);
    }
    return resources;
}

static void add_resources(json_t *container, const struct create_request *request)
{
    json_t *limits = resources_of(&request->resource_limits);
    json_t *requests = resources_of(request->resource_requests.count ? &request->resource_requests
                                                                     : &request->resource_limits);
    json_t *resources = json_object();

    if (json_object_size(limits))
        (void)json_object_set(resources, "limits", limits);
    if (json_object_size(requests))
        (void)json_object_set(resources, "requests", requests);
    if (json_object_size(resources))
        (void)json_object_set(container, "resources", resources);
    json_decref(limits);
    json_decref(requests);
    json_decref(resources);
}

static json_t *bin_mount(void)
{
    return json_pack("{s:s, s:s}", "name", INTERNAL_VOLUME, "mountPath", BIN_FOLDER);
}

const char *manifest_volume_name(const struct json_list *volumes, size_t at)
{
    const struct volume *items = volumes->items;

    for (size_t i = 0; items[at].claim.name && i < at; i++)
        if (items[i].claim.name && strcmp(items[i].claim.name, items[at].claim.name) == 0)
            return items[i].name;
    return items[at].name;
}

static json_t *mounts_of(const struct create_request *request, bool with_execd)
{
    const struct volume *volumes = request->volumes.items;
    json_t *mounts = json_array();

    if (with_execd)
        (void)json_array_append_new(mounts, bin_mount());
    for (size_t i = 0; i < request->volumes.count; i++) {
        json_t *mount = json_pack("{s:s, s:s, s:b}", "name", manifest_volume_name(&request->volumes, i),
                                  "mountPath", volumes[i].mount_path, "readOnly", volumes[i].read_only);
        if (volumes[i].sub_path && *volumes[i].sub_path)
            put(mount, "subPath", volumes[i].sub_path);
        (void)json_array_append_new(mounts, mount);
    }
    return mounts;
}

static json_t *volume_of(const struct volume *volume)
{
    if (volume->claim.name)
        return json_pack("{s:s, s:{s:s}}", "name", volume->name, "persistentVolumeClaim", "claimName",
                         volume->claim.name);
    return json_pack("{s:s, s:{s:s, s:s}}", "name", volume->name, "hostPath", "path", volume->host_path,
                     "type", "DirectoryOrCreate");
}

static json_t *volumes_of(const struct create_request *request, bool with_execd)
{
    const struct volume *items = request->volumes.items;
    json_t *volumes = json_array();

    if (with_execd)
        (void)json_array_append_new(volumes, json_pack("{s:s, s:{}}", "name", INTERNAL_VOLUME, "emptyDir"));
    for (size_t i = 0; i < request->volumes.count; i++)
        if (strcmp(manifest_volume_name(&request->volumes, i), items[i].name) == 0)
            (void)json_array_append_new(volumes, volume_of(&items[i]));
    return volumes;
}

/* Takes `list`; an empty one leaves no trace. */
static void put_list(json_t *object, const char *key, json_t *list)
{
    if (json_array_size(list))
        (void)json_object_set(object, key, list);
    json_decref(list);
}

static json_t *sandbox_container(const struct create_request *request, const char *image,
                                 const struct manifest_settings *settings, bool with_execd)
{
    json_t *container = json_object();

    put(container, "name", "sandbox");
    put(container, "image", image);
    put(container, "imagePullPolicy", settings->image_pull_policy);
    put_list(container, "command", command_of(request, with_execd));
    put_list(container, "env", env_of(request, with_execd));
    add_resources(container, request);
    put_list(container, "volumeMounts", mounts_of(request, with_execd));
    return container;
}

static json_t *execd_installer(const struct manifest_settings *settings)
{
    json_t *installer =
        json_pack("{s:s, s:s, s:s, s:[s, s], s:[s], s:[o]}", "name", "execd-installer", "image",
                  settings->execd_image, "imagePullPolicy", settings->image_pull_policy, "command", "/bin/sh",
                  "-c", "args", INSTALL_EXECD, "volumeMounts", bin_mount());
    if (settings->execd_resources)
        (void)json_object_set_new(installer, "resources", json_deep_copy(settings->execd_resources));
    return installer;
}

static json_t *pod_spec(const struct create_request *request, const struct manifest_subject *subject,
                        const struct manifest_settings *settings)
{
    bool with_execd = settings->execd_image && *settings->execd_image;
    json_t *spec = json_object();

    if (with_execd)
        (void)json_object_set_new(spec, "initContainers", json_pack("[o]", execd_installer(settings)));
    (void)json_object_set_new(
        spec, "containers",
        json_pack("[o]", sandbox_container(request, subject->image, settings, with_execd)));
    put_list(spec, "volumes", volumes_of(request, with_execd));
    if (subject->pull_secret)
        (void)json_object_set_new(spec, "imagePullSecrets",
                                  json_pack("[{s:s}]", "name", subject->pull_secret));
    if (request->platform.os)
        (void)json_object_set_new(spec, "nodeSelector",
                                  json_pack("{s:s, s:s}", "kubernetes.io/os", request->platform.os,
                                            "kubernetes.io/arch", request->platform.arch));
    return spec;
}

void manifest_build(const struct create_request *request, const struct manifest_subject *subject,
                    const struct manifest_settings *settings, int64_t now_ms, struct manifest *ret_manifest)
{
    *ret_manifest = (struct manifest){0};
    add_labels(&ret_manifest->labels, request, subject->id);
    add_annotations(&ret_manifest->annotations, request);
    if (request->timeout_s)
        ret_manifest->expire_time_unix_ms = (now_ms / 1000 + request->timeout_s) * 1000;

    json_t *metadata = json_object();
    (void)json_object_set_new(metadata, "labels", object_of(&ret_manifest->labels));
    if (ret_manifest->annotations.count)
        (void)json_object_set_new(metadata, "annotations", object_of(&ret_manifest->annotations));
    json_t *pod = json_pack("{s:o, s:o}", "metadata", metadata, "spec", pod_spec(request, subject, settings));
    sandbox_template_fill(settings->template, pod);
    ret_manifest->template_json = json_text(pod);
    json_secret_free(pod);
    sandbox_template_label(settings->template, &ret_manifest->labels, &ret_manifest->annotations);
}

void manifest_done(struct manifest *manifest)
{
    json_map_free(&manifest->labels);
    json_map_free(&manifest->annotations);
    if (manifest->template_json)
        explicit_bzero(manifest->template_json, strlen(manifest->template_json));
    free(manifest->template_json);
    *manifest = (struct manifest){0};
}
