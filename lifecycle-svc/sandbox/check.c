#include "lifecycle-svc/sandbox/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/labels.h"
#include "lifecycle-svc/sandbox/quantity.h"
#include "lifecycle-svc/sandbox/volumes.h"

enum { MIN_RENEW_S = 300, MAX_RENEW_S = 86400 };

static const int64_t LAST_REPRESENTABLE_S = 253402300799; /* 9999-12-31T23:59:59Z */

static int check_renewal(const struct create_request *request, struct error *err)
{
    const char *text = json_map_get(&request->extensions, EXTENSION_RENEW_SECONDS);

    if (!text)
        return 0;
    bool decimal = *text && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 9;
    long seconds = decimal ? strtol(text, NULL, 10) : -1;
    if (seconds < MIN_RENEW_S || seconds > MAX_RENEW_S)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "extensions[\"%s\"]: want a whole number of seconds, %d to %d", EXTENSION_RENEW_SECONDS,
                      MIN_RENEW_S, MAX_RENEW_S);
    return 0;
}

int create_request_check_mode(const struct create_request *request, struct error *err)
{
    if (check_renewal(request, err) < 0)
        return -1;
    if (create_request_pool(request))
        return refuse(
            err, CODE_POOL_NOT_SUPPORTED,
            "extensions.poolRef: this server has no pools; create the sandbox from an image or a snapshot");
    return 0;
}

static int check_entrypoint(const struct create_request *request, struct error *err)
{
    const struct json_strings *entrypoint = &request->entrypoint;

    if (entrypoint->count == 0 || strspn(entrypoint->items[0], " \t\r\n") == strlen(entrypoint->items[0]))
        return refuse(err, CODE_INVALID_ENTRYPOINT, "entrypoint: want a command to run, got a blank one");
    return 0;
}

static int check_platform(const struct create_request *request, struct error *err)
{
    const char *os = request->platform.os, *arch = request->platform.arch;

    if (!os)
        return 0;
    if (strcmp(os, "windows") == 0)
        return refuse(err, CODE_INVALID_PARAMETER, "platform.os: windows is not supported, use linux");
    if (strcmp(os, "linux") != 0)
        return refuse(err, CODE_INVALID_PARAMETER, "platform.os: want linux, got \"%.40s\"", os);
    if (strcmp(arch, "amd64") != 0 && strcmp(arch, "arm64") != 0)
        return refuse(err, CODE_INVALID_PARAMETER, "platform.arch: want amd64 or arm64, got \"%.40s\"", arch);
    return 0;
}

static int check_timeout(const struct create_request *request, int64_t max_timeout_s, int64_t now_ms,
                         struct error *err)
{
    if (max_timeout_s && request->timeout_s > max_timeout_s)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "timeout: want at most %" PRId64 " seconds (the server's limit), got %" PRId64,
                      max_timeout_s, request->timeout_s);
    if (request->timeout_s > LAST_REPRESENTABLE_S - now_ms / 1000)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "timeout: %" PRId64
                      " seconds from now is after the year 9999; leave it out for no expiry",
                      request->timeout_s);
    return 0;
}

static int check_out_of_guide(const struct create_request *request, struct error *err)
{
    if (request->secure_access)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "secureAccess: needs gateway ingress, which is not configured");
    if (json_object_size(request->network_policy) > 0)
        return refuse(err, CODE_INVALID_PARAMETER,
                      "networkPolicy: egress policy is not configured on this server");
    return 0;
}

static int check_resources(const struct json_map *resources, const char *member, struct error *err)
{
    for (size_t i = 0; i < resources->count; i++) {
        const char *name = resources->pairs[i].key, *value = resources->pairs[i].value;

        if (strcmp(name, "gpu") == 0) {
            if (strcmp(value, "all") == 0)
                return refuse(err, CODE_INVALID_PARAMETER, "%s.gpu: want a number of devices, not \"all\"",
                              member);
            continue; /* a number that is none is dropped by the manifest, as OpenSandbox does */
        }
        if (!is_quantity(value))
            return refuse(err, CODE_INVALID_PARAMETER,
                          "%s[\"%.60s\"]: want a quantity such as 500m, 2 or 512Mi, got \"%.40s\"", member,
                          name, value);
    }
    return 0;
}

int create_request_check(const struct create_request *request, const struct check_settings *settings,
                         int64_t now_ms, struct error *err)
{
    if (check_entrypoint(request, err) < 0 || metadata_check(&request->metadata, err) < 0 ||
        check_platform(request, err) < 0 ||
        check_timeout(request, settings->max_timeout_s, now_ms, err) < 0 ||
        check_out_of_guide(request, err) < 0 ||
        volumes_check(&request->volumes, settings->host_paths, err) < 0 ||
        sandbox_template_check_platform(settings->template, request->platform.os, request->platform.arch,
                                        err) < 0 ||
        check_resources(&request->resource_limits, "resourceLimits", err) < 0 ||
        check_resources(&request->resource_requests, "resourceRequests", err) < 0)
        return -1;
    return 0;
}
