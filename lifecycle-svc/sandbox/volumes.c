#include "lifecycle-svc/sandbox/volumes.h"

#include <stdbool.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/create_request.h"
#include "lifecycle-svc/sandbox/labels.h"

enum { MAX_VOLUME_NAME = 63, MAX_CLAIM_NAME = 253 };

static int check_name(const struct volume *volumes, size_t at, struct error *err)
{
    const char *name = volumes[at].name;

    if (!is_dns_label(name, MAX_VOLUME_NAME))
        return refuse(
            err, CODE_VOLUME_INVALID_NAME,
            "volumes[%zu].name: want at most %d of a-z, 0-9 and '-', with a letter or digit at both ends", at,
            MAX_VOLUME_NAME);
    if (strcmp(name, INTERNAL_VOLUME) == 0)
        return refuse(err, CODE_INVALID_PARAMETER, "volumes[%zu].name: %s is the server's own", at,
                      INTERNAL_VOLUME);
    for (size_t i = 0; i < at; i++)
        if (strcmp(volumes[i].name, name) == 0)
            return refuse(err, CODE_VOLUME_DUPLICATE_NAME, "volumes[%zu].name: \"%s\" is used twice", at,
                          name);
    return 0;
}

static bool has_parent_component(const char *path)
{
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0'))
            return true;
    }
    return false;
}

static int check_paths(const struct volume *volume, size_t at, struct error *err)
{
    if (volume->mount_path[0] != '/')
        return refuse(err, CODE_VOLUME_INVALID_MOUNT_PATH, "volumes[%zu].mountPath: want an absolute path",
                      at);
    if (volume->sub_path && (volume->sub_path[0] == '/' || has_parent_component(volume->sub_path)))
        return refuse(err, CODE_VOLUME_INVALID_SUB_PATH,
                      "volumes[%zu].subPath: want a relative path without \"..\"", at);
    return 0;
}

static bool is_plain_absolute(const char *path)
{
    size_t length = strlen(path);

    return path[0] == '/' && !strstr(path, "//") && !strstr(path, "/..") &&
           (length == 1 || path[length - 1] != '/');
}

static bool is_under(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);

    while (length > 1 && prefix[length - 1] == '/')
        length--;
    if (length == 1 && prefix[0] == '/')
        return true;
    return strncmp(path, prefix, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int check_host_path(const char *path, const struct json_strings *allowed, size_t at, struct error *err)
{
    if (!is_plain_absolute(path))
        return refuse(
            err, CODE_VOLUME_INVALID_HOST_PATH,
            "volumes[%zu].host.path: want an absolute path without \"..\", \"//\" and a trailing slash", at);
    for (size_t i = 0; i < allowed->count; i++)
        if (is_under(path, allowed->items[i]))
            return 0;
    return refuse(err, CODE_VOLUME_HOST_PATH_NOT_ALLOWED,
                  "volumes[%zu].host.path: not under a path that the server allows (--allowed-host-paths)",
                  at);
}

static int check_backend(const struct volume *volume, const struct json_strings *allowed, size_t at,
                         struct error *err)
{
    if (volume->ossfs)
        return refuse(err, CODE_INVALID_PARAMETER, "volumes[%zu].ossfs: not supported by this server", at);
    if (volume->host_path)
        return check_host_path(volume->host_path, allowed, at, err);
    if (!is_dns_label(volume->claim.name, MAX_CLAIM_NAME))
        return refuse(err, CODE_VOLUME_INVALID_PVC_NAME, "volumes[%zu].pvc.claimName: want a-z, 0-9 and '-'",
                      at);
    return 0;
}

int volumes_check(const struct json_list *volumes, const struct json_strings *host_paths, struct error *err)
{
    const struct volume *items = volumes->items;

    for (size_t i = 0; i < volumes->count; i++)
        if (check_name(items, i, err) < 0 || check_paths(&items[i], i, err) < 0 ||
            check_backend(&items[i], host_paths, i, err) < 0)
            return -1;
    return 0;
}
