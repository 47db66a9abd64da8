#include "snapshot-svc/node/volumes.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "snapshot-svc/node/members.h"

enum { OPEN_FOLDERS_MAX = 16 };

/* ---- reading ---- */

static int read_empty_dir(const json_t *empty_dir, const struct volume_places *places, struct volume *volume,
                          struct json_strings *ignored, struct error *err)
{
    const char *medium = json_string_value(json_object_get(empty_dir, "medium"));

    if (medium && *medium)
        return invalid_pod(err, "volume %s: emptyDir.medium %.40s is not supported by the local backend",
                           volume->name, medium);
    if (json_object_get(empty_dir, "sizeLimit")) {
        SCOPED(string) char *path = xasprintf("spec.volumes[%s].emptyDir.sizeLimit", volume->name);
        json_strings_add(ignored, path);
    }
    volume->path = xasprintf("%s/%s/%s", places->volumes_dir, places->pod_uid, volume->name);
    return 0;
}

static int read_host_path(const json_t *host_path, struct volume *volume, struct error *err)
{
    static const char *const types[] = {"", "Directory", "DirectoryOrCreate", "File", "Socket"};
    const char *path = json_string_value(json_object_get(host_path, "path"));
    const char *type = json_string_value(json_object_get(host_path, "type"));

    if (!path || path[0] != '/' || strstr(path, "/.."))
        return invalid_pod(err, "volume %s: hostPath.path: want an absolute path without '..'", volume->name);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (strcmp(type ? type : "", types[i]) == 0) {
            volume->path = xstrdup(path);
            volume->type = xstrdup(types[i]);
            return 0;
        }
    return invalid_pod(
        err, "volume %s: hostPath.type: want Directory, DirectoryOrCreate, File or Socket, got %.40s",
        volume->name, type);
}

/* The name becomes part of a path. */
static bool is_label(const char *name)
{
    size_t length = name ? strlen(name) : 0;

    return length > 0 && length <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length &&
           name[0] != '-' && name[length - 1] != '-';
}

/* An RFC 1123 subdomain: no name leads out of its folder. */
static bool is_subdomain(const char *name)
{
    size_t length = name ? strlen(name) : 0;

    return length > 0 && length <= 253 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == length &&
           name[0] != '-' && name[0] != '.' && name[length - 1] != '-' && name[length - 1] != '.' &&
           !strstr(name, "..");
}

static int read_claim(const json_t *source, const struct volume_places *places, struct volume *volume,
                      struct error *err)
{
    const char *claim = json_string_value(json_object_get(source, "claimName"));

    if (!is_subdomain(claim))
        return invalid_pod(err,
                           "volume %s: persistentVolumeClaim.claimName: want the name of a claim (RFC 1123)",
                           volume->name);
    volume->claim = xstrdup(claim);
    volume->read_only = json_is_true(json_object_get(source, "readOnly"));
    volume->path = xasprintf("%s/%s/%s", places->claims_dir, places->ns, claim);
    return 0;
}

static const char *kind_of(const json_t *volume)
{
    const char *member;
    json_t *value;

    json_object_foreach((json_t *)volume, member, value)
    {
        if (strcmp(member, "name") != 0 && !json_is_null(value))
            return member;
    }
    return "emptyDir"; /* the API server's default */
}

static int read_volume(const json_t *json, const struct volume_places *places, struct volume *volume,
                       struct json_strings *ignored, struct error *err)
{
    const char *name = json_string_value(json_object_get(json, "name")), *kind = kind_of(json);

    if (!is_label(name))
        return invalid_pod(err, "spec.volumes: want each to have an RFC 1123 label as its name");
    volume->name = xstrdup(name);
    if (strcmp(kind, "emptyDir") == 0)
        return read_empty_dir(json_object_get(json, kind), places, volume, ignored, err);
    if (strcmp(kind, "hostPath") == 0)
        return read_host_path(json_object_get(json, kind), volume, err);
    if (strcmp(kind, "persistentVolumeClaim") == 0)
        return read_claim(json_object_get(json, kind), places, volume, err);
    return invalid_pod(err,
                       "volume %s: %.60s is not supported by the local backend, only emptyDir, hostPath and "
                       "persistentVolumeClaim",
                       name, kind);
}

int volumes_read(const json_t *pod_spec, const struct volume_places *places, struct volumes *ret_volumes,
                 struct json_strings *ignored, struct error *err)
{
    const json_t *list = json_object_get(pod_spec, "volumes");
    size_t i;
    json_t *json;

    if (!is_label(places->pod_uid))
        return invalid_pod(err, "metadata.uid: want lowercase letters, digits and '-'");
    ret_volumes->items = xcalloc(json_array_size(list) + 1, sizeof(*ret_volumes->items));
    json_array_foreach(list, i, json)
    {
        if (read_volume(json, places, &ret_volumes->items[ret_volumes->count++], ignored, err) < 0) {
            volumes_done(ret_volumes);
            return -1;
        }
    }
    return 0;
}

void volumes_done(struct volumes *volumes)
{
    for (size_t i = 0; i < volumes->count; i++) {
        free(volumes->items[i].name);
        free(volumes->items[i].path);
        free(volumes->items[i].type);
        free(volumes->items[i].claim);
    }
    free(volumes->items);
    *volumes = (struct volumes){0};
}

const struct volume *volumes_get(const struct volumes *volumes, const char *name)
{
    for (size_t i = 0; i < volumes->count; i++)
        if (strcmp(volumes->items[i].name, name) == 0)
            return &volumes->items[i];
    return NULL;
}

/* ---- on the disk ---- */

static int check_type(const struct volume *volume, struct error *err)
{
    struct stat st;
    bool fits;

    if (!*volume->type)
        return 0;
    if (stat(volume->path, &st) < 0)
        return error_sys(err, errno, "volume %s: %s", volume->name, volume->path);
    if (strcmp(volume->type, "File") == 0)
        fits = S_ISREG(st.st_mode);
    else if (strcmp(volume->type, "Socket") == 0)
        fits = S_ISSOCK(st.st_mode);
    else
        fits = S_ISDIR(st.st_mode);
    if (!fits)
        return error_set(err, ERR_PRECONDITION, "volume %s: %s is no %s", volume->name, volume->path,
                         volume->type);
    return 0;
}

/* 0777 as the kubelet makes it: the container's user need not be root. The way there is for nobody else. */
static int make_folder(const struct volume *volume, struct error *err)
{
    SCOPED(string) char *parent = xstrndup(volume->path, (size_t)(strrchr(volume->path, '/') - volume->path));

    if (dir_ensure(parent, 0750, err) < 0 || dir_ensure(volume->path, 0777, err) < 0)
        return error_wrap(err, "making volume %s", volume->name);
    return 0;
}

static int prepare(const struct volume *volume, struct error *err)
{
    if (!volume->type)
        return make_folder(volume, err);
    if (strcmp(volume->type, "DirectoryOrCreate") == 0 && dir_ensure(volume->path, 0755, err) < 0)
        return error_wrap(err, "making volume %s", volume->name);
    return check_type(volume, err);
}

int volumes_prepare(const struct volumes *volumes, struct error *err)
{
    for (size_t i = 0; i < volumes->count; i++)
        if (prepare(&volumes->items[i], err) < 0)
            return error_reason(err, "FailedMount");
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int volumes_remove(const char *volumes_dir, const char *pod_uid, struct error *err)
{
    SCOPED(string) char *path = NULL;

    if (!is_label(pod_uid))
        return 0; /* such a pod was never given any */
    path = xasprintf("%s/%s", volumes_dir, pod_uid);
    if (nftw(path, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT)
        return 0;
    return error_sys(err, errno, "removing the volumes in %s", path);
}
