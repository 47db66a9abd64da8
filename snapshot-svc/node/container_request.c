#include "snapshot-svc/node/container_request.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "snapshot-svc/model/quantity.h"
#include "snapshot-svc/node/expand.h"
#include "snapshot-svc/node/members.h"

typedef Opensandbox__Committer__V1__EnvVar env_message;
typedef Opensandbox__Committer__V1__Mount mount_message;

/* What the table gives a container: its own text, or "" when absent. *field belongs to the message. */
static int take_string(const json_t *container, const char *member, const char *what, char **field,
                       struct error *err)
{
    const json_t *value = json_object_get(container, member);

    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return invalid_pod(err, "%s.%s: want a string", what, member);
    *field = xstrdup(json_string_value(value));
    return 0;
}

/* ---- environment ---- */

static const struct field {
    const char *name, *path;
} fields[] = {
    {"metadata.name", "metadata.name"},
    {"metadata.namespace", "metadata.namespace"},
    {"metadata.uid", "metadata.uid"},
    {"spec.nodeName", "spec.nodeName"},
};

/* The downward API, as far as it does not change while the pod runs. NULL: another source. */
static const char *value_from(const json_t *pod, const json_t *source)
{
    const char *wanted = json_path_string(source, "fieldRef.fieldPath");

    for (size_t i = 0; wanted && i < sizeof(fields) / sizeof(*fields); i++)
        if (strcmp(wanted, fields[i].name) == 0) {
            const char *value = json_path_string(pod, fields[i].path);
            return value ? value : "";
        }
    return NULL;
}

static int read_variable(const json_t *pod, const json_t *json, const char *what, struct json_map *env,
                         struct error *err)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *value = json_string_value(json_object_get(json, "value"));
    const json_t *source = json_object_get(json, "valueFrom");

    if (!name || !*name)
        return invalid_pod(err, "%s.env: want each variable to have a name", what);
    if (json_is_object(source)) {
        value = value_from(pod, source);
        if (!value)
            return invalid_pod(err,
                               "%s.env[%.60s].valueFrom: the local backend knows fieldRef metadata.name, "
                               "metadata.namespace, metadata.uid and spec.nodeName only",
                               what, name);
        json_map_set(env, name, value);
        return 0;
    }
    SCOPED(string) char *expanded = expand(value ? value : "", env); /* by those before it */
    json_map_set(env, name, expanded);
    return 0;
}

static int read_env(const json_t *pod, const json_t *container, const char *what, struct json_map *env,
                    struct error *err)
{
    size_t i;
    json_t *json;

    json_array_foreach(json_object_get(container, "env"), i, json)
    {
        if (read_variable(pod, json, what, env, err) < 0)
            return -1;
    }
    return 0;
}

static void fill_env(const struct json_map *env, container_message *out)
{
    out->env = xcalloc(env->count + 1, sizeof(*out->env));
    for (size_t i = 0; i < env->count; i++) {
        env_message *message = xcalloc(1, sizeof(*message));
        opensandbox__committer__v1__env_var__init(message);
        message->name = xstrdup(env->pairs[i].key);
        message->value = xstrdup(env->pairs[i].value);
        out->env[out->n_env++] = message;
    }
}

/* ---- command ---- */

static int fill_words(const json_t *container, const char *member, const char *what,
                      const struct json_map *env, char ***words, size_t *count, struct error *err)
{
    const json_t *list = json_object_get(container, member);
    size_t i;
    json_t *word;

    *words = xcalloc(json_array_size(list) + 1, sizeof(**words));
    json_array_foreach(list, i, word)
    {
        if (!json_is_string(word))
            return invalid_pod(err, "%s.%s[%zu]: want a string", what, member, i);
        (*words)[(*count)++] = expand(json_string_value(word), env);
    }
    return 0;
}

/* ---- mounts ---- */

static bool leads_up(const char *path)
{
    for (const char *at = path; (at = strstr(at, "..")); at += 2)
        if ((at == path || at[-1] == '/') && (at[2] == '/' || !at[2]))
            return true;
    return false;
}

static int fill_mount(const json_t *json, const char *what, const struct volumes *volumes, mount_message *out,
                      struct error *err)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *path = json_string_value(json_object_get(json, "mountPath"));
    const char *sub_path = json_string_value(json_object_get(json, "subPath"));
    const struct volume *volume = name ? volumes_get(volumes, name) : NULL;

    if (!volume)
        return invalid_pod(err, "%s.name: spec.volumes has no volume named \"%.63s\"", what,
                           name ? name : "");
    if (!path || path[0] != '/')
        return invalid_pod(err, "%s.mountPath: want an absolute path", what);
    if (sub_path && (sub_path[0] == '/' || leads_up(sub_path)))
        return invalid_pod(err, "%s.subPath: want a relative path without '..'", what);
    out->host_path = xstrdup(volume->path);
    out->sub_path = xstrdup(sub_path ? sub_path : "");
    out->container_path = xstrdup(path);
    out->read_only = volume->read_only || json_is_true(json_object_get(json, "readOnly"));
    return 0;
}

static int fill_mounts(const json_t *container, const char *what, const struct volumes *volumes,
                       container_message *out, struct json_strings *ignored, struct error *err)
{
    const json_t *list = json_object_get(container, "volumeMounts");
    size_t i;
    json_t *json;

    out->mounts = xcalloc(json_array_size(list) + 1, sizeof(*out->mounts));
    json_array_foreach(list, i, json)
    {
        SCOPED(string) char *where = xasprintf("%s.volumeMounts[%zu]", what, i);
        mount_message *mount = xcalloc(1, sizeof(*mount));
        opensandbox__committer__v1__mount__init(mount);
        out->mounts[out->n_mounts++] = mount;
        if (members_check(json, MEMBERS_OF_MOUNT, where, ignored, err) < 0 ||
            fill_mount(json, where, volumes, mount, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- resources ---- */

typedef int quantity_fn(const json_t *value, int64_t *ret, struct error *err);

static int take_quantity(const json_t *resources, const char *list, const char *name, const char *what,
                         quantity_fn *read, int64_t *field, struct error *err)
{
    const json_t *value = json_object_get(json_object_get(resources, list), name);

    if (!value || json_is_null(value) || read(value, field, err) == 0)
        return 0;
    (void)error_wrap(err, "%s.resources.%s.%s", what, list, name);
    return error_reason(err, "InvalidPod");
}

/* Disk is counted by nobody here; devices and huge pages would be missed by the program. */
static int check_resource_names(const json_t *resources, const char *list, const char *what,
                                struct json_strings *ignored, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(resources, list), name, value)
    {
        if (strcmp(name, "cpu") == 0 || strcmp(name, "memory") == 0)
            continue;
        if (strcmp(name, "ephemeral-storage") != 0)
            return invalid_pod(err, "%s.resources.%s: this node has no %.60s", what, list, name);
        SCOPED(string) char *path = xasprintf("%s.resources.%s.%s", what, list, name);
        json_strings_add(ignored, path);
    }
    return 0;
}

static int fill_resources(const json_t *container, const char *what, container_message *out,
                          struct json_strings *ignored, struct error *err)
{
    const json_t *resources = json_object_get(container, "resources");

    if (check_resource_names(resources, "limits", what, ignored, err) < 0 ||
        check_resource_names(resources, "requests", what, ignored, err) < 0)
        return -1;
    if (take_quantity(resources, "limits", "cpu", what, quantity_millis, &out->cpu_limit_millis, err) < 0 ||
        take_quantity(resources, "limits", "memory", what, quantity_units, &out->memory_limit_bytes, err) < 0)
        return -1;
    return take_quantity(resources, "requests", "cpu", what, quantity_millis, &out->cpu_request_millis, err);
}

/* ---- */

int container_request_fill(const json_t *pod, const json_t *container, const char *what,
                           const struct volumes *volumes, container_message *out,
                           struct json_strings *ignored, struct error *err)
{
    struct json_map env = {0};
    int done = -1;

    if (members_check(container, MEMBERS_OF_CONTAINER, what, ignored, err) == 0 &&
        take_string(container, "name", what, &out->name, err) == 0 &&
        take_string(container, "image", what, &out->image, err) == 0 &&
        take_string(container, "workingDir", what, &out->working_dir, err) == 0 &&
        take_string(container, "imagePullPolicy", what, &out->image_pull_policy, err) == 0 &&
        read_env(pod, container, what, &env, err) == 0 &&
        fill_words(container, "command", what, &env, &out->command, &out->n_command, err) == 0 &&
        fill_words(container, "args", what, &env, &out->args, &out->n_args, err) == 0 &&
        fill_mounts(container, what, volumes, out, ignored, err) == 0)
        done = fill_resources(container, what, out, ignored, err);
    if (done == 0)
        fill_env(&env, out);
    json_map_free(&env);
    return done;
}
