#include "lifecycle-svc/sandbox/create_request.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"

enum { MIN_TIMEOUT_S = 60 };

static const char POOL_REF[] = "poolRef";
const char *const EXTENSION_RENEW_SECONDS = "access.renew.extend.seconds";

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void auth_done(struct image_auth *auth)
{
    free(auth->username);
    wipe(auth->password);
    *auth = (struct image_auth){0};
}

static void volume_done(struct volume *volume)
{
    free(volume->name);
    free(volume->mount_path);
    free(volume->sub_path);
    free(volume->host_path);
    free(volume->claim.name);
    free(volume->claim.storage_class);
    free(volume->claim.storage);
    json_strings_free(&volume->claim.access_modes);
    json_decref(volume->ossfs);
}

void create_request_done(struct create_request *request)
{
    struct volume *volumes = request->volumes.items;

    for (size_t i = 0; i < request->env.count; i++) /* the usual place for a sandbox's tokens */
        if (request->env.pairs[i].value)
            explicit_bzero(request->env.pairs[i].value, strlen(request->env.pairs[i].value));
    free(request->image.uri);
    auth_done(&request->image.auth);
    free(request->snapshot_id);
    json_strings_free(&request->entrypoint);
    json_map_free(&request->resource_limits);
    json_map_free(&request->resource_requests);
    json_map_free(&request->env);
    json_map_free(&request->metadata);
    free(request->platform.os);
    free(request->platform.arch);
    for (size_t i = 0; i < request->volumes.count; i++)
        volume_done(&volumes[i]);
    free(volumes);
    json_map_free(&request->extensions);
    json_decref(request->network_policy);
    memset(request, 0, sizeof(*request));
}

static void trim(char *text)
{
    if (!text)
        return;
    size_t skip = strspn(text, " \t\r\n\v\f");
    size_t length = strlen(text) - skip;

    memmove(text, text + skip, length + 1);
    while (length > 0 && strchr(" \t\r\n\v\f", text[length - 1]))
        text[--length] = '\0';
}

static void trim_and_lower(char *text)
{
    trim(text);
    for (char *c = text; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

/* Given, and nothing in it. */
static bool is_blank(const char *text)
{
    return text && text[strspn(text, " \t\r\n\v\f")] == '\0';
}

/* Trims; a blank text is none. */
static void settle_text(char **text)
{
    trim(*text);
    if (*text && !**text) {
        free(*text);
        *text = NULL;
    }
}

const char *create_request_pool(const struct create_request *request)
{
    const char *pool = json_map_get(&request->extensions, POOL_REF);

    return pool && *pool ? pool : NULL;
}

static void settle_texts(struct create_request *request)
{
    settle_text(&request->image.uri);
    if (!request->image.uri)
        auth_done(&request->image.auth); /* of no image */
    settle_text(&request->snapshot_id);
    trim_and_lower(request->platform.os);
    trim_and_lower(request->platform.arch);
    for (size_t i = 0; i < request->extensions.count; i++)
        if (strcmp(request->extensions.pairs[i].key, POOL_REF) == 0 ||
            strcmp(request->extensions.pairs[i].key, EXTENSION_RENEW_SECONDS) == 0)
            trim(request->extensions.pairs[i].value);
}

static bool wants_network_policy(const struct create_request *request)
{
    return json_object_size(request->network_policy) > 0;
}

static int check_pool_mode(const struct create_request *request, struct error *err)
{
    if (request->snapshot_id)
        return refuse(err, CODE_INVALID_PARAMETER, "snapshotId: cannot be combined with extensions.poolRef");
    if (request->credential_proxy.enabled)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "credentialProxy.enabled: cannot be combined with extensions.poolRef");
    return 0;
}

static int check_normal_mode(const struct create_request *request, struct error *err)
{
    if (!request->image.uri && !request->snapshot_id)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "image: want exactly one of image and snapshotId, got none");
    if (request->image.uri && request->snapshot_id)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "image: want exactly one of image and snapshotId, got both");
    if (request->image.uri && !request->entrypoint_given)
        return refuse(err, CODE_INVALID_PARAMETER, "entrypoint: required with image");
    if (!request->limits_given)
        return refuse(err, CODE_INVALID_PARAMETER, "resourceLimits: required; {} sets no limit");
    if (request->credential_proxy.enabled && !wants_network_policy(request))
        return refuse(err, CODE_INVALID_PARAMETER, "credentialProxy.enabled: needs networkPolicy");
    return 0;
}

bool is_storage_size(const char *text)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    size_t length = strspn(text, "0123456789");

    if (length == 0)
        return false;
    if (text[length] == '.') {
        size_t fraction = strspn(text + length + 1, "0123456789");
        if (fraction == 0)
            return false;
        length += 1 + fraction;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(text + length, units[i]) == 0)
            return true;
    return false;
}

static int check_volumes(const struct create_request *request, struct error *err)
{
    const struct volume *volumes = request->volumes.items;

    for (size_t i = 0; i < request->volumes.count; i++) {
        int backends =
            (volumes[i].host_path != NULL) + (volumes[i].claim.name != NULL) + (volumes[i].ossfs != NULL);
        if (backends != 1)
            return refuse(err, CODE_INVALID_PARAMETER,
                          "volumes[%zu]: want exactly one of host, pvc and ossfs, got %d", i, backends);
        if (volumes[i].claim.storage && !is_storage_size(volumes[i].claim.storage))
            return refuse(err, CODE_INVALID_PARAMETER,
                          "volumes[%zu].pvc.storage: want a size such as 10Gi or 1.5Ti", i);
    }
    return 0;
}

/* A snapshot's files want a sandbox that stays up, whatever its image did. */
static void default_entrypoint(struct create_request *request)
{
    static const char *const words[] = {"tail", "-f", "/dev/null"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        json_strings_add(&request->entrypoint, words[i]);
}

int create_request_settle(struct create_request *request, struct error *err)
{
    settle_texts(request);
    if (request->snapshot_id && !request->entrypoint_given && request->entrypoint.count == 0)
        default_entrypoint(request);
    if (request->entrypoint_given && request->entrypoint.count == 0)
        return refuse(err, CODE_INVALID_PARAMETER, "entrypoint: want at least one item");
    if (request->timeout_given && request->timeout_s < MIN_TIMEOUT_S)
        return refuse(err, CODE_INVALID_PARAMETER, "timeout: want at least %d seconds, got %" PRId64,
                      MIN_TIMEOUT_S, request->timeout_s);
    if (is_blank(request->image.auth.username))
        return refuse(err, CODE_INVALID_PARAMETER, "image.auth.username: want a name");
    if (is_blank(request->image.auth.password))
        return refuse(err, CODE_INVALID_PARAMETER, "image.auth.password: want a password or a token");
    if (check_volumes(request, err) < 0)
        return -1;
    return create_request_pool(request) ? check_pool_mode(request, err) : check_normal_mode(request, err);
}
