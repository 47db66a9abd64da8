#include "lifecycle-svc/rest/create_json.h"

#include <stddef.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/json/json.h"
#include "shared/json/secret.h"

/* A backend's only member lies where the backend lies: host.path is volume.host_path. */
static const struct json_field host_fields[] = {
    {"path", JSON_STR, 0, JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

// clang-format off
#define AT(member) offsetof(struct volume_claim, member)
static const struct json_field claim_fields[] = {
    {"claimName",         JSON_STR,      AT(name),             JSON_REQUIRED, NULL, 0},
    {"createIfNotExists", JSON_TRISTATE, AT(create_if_absent), JSON_OPTIONAL, NULL, 0},
    {"storageClass",      JSON_STR,      AT(storage_class),    JSON_OPTIONAL, NULL, 0},
    {"storage",           JSON_STR,      AT(storage),          JSON_OPTIONAL, NULL, 0},
    {"accessModes",       JSON_STR_LIST, AT(access_modes),     JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};
#undef AT

static const struct json_field volume_fields[] = {
    {"name",      JSON_STR,        offsetof(struct volume, name),       JSON_REQUIRED, NULL, 0},
    {"mountPath", JSON_STR,        offsetof(struct volume, mount_path), JSON_REQUIRED, NULL, 0},
    {"subPath",   JSON_STR,        offsetof(struct volume, sub_path),   JSON_OPTIONAL, NULL, 0},
    {"readOnly",  JSON_BOOL,       offsetof(struct volume, read_only),  JSON_OPTIONAL, NULL, 0},
    {"host",      JSON_STRUCT,     offsetof(struct volume, host_path),  JSON_OPTIONAL, host_fields, 0},
    {"pvc",       JSON_STRUCT,     offsetof(struct volume, claim),      JSON_OPTIONAL, claim_fields, 0},
    {"ossfs",     JSON_ANY_OBJECT, offsetof(struct volume, ossfs),      JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field auth_fields[] = {
    {"username", JSON_STR, offsetof(struct image_auth, username), JSON_REQUIRED, NULL, 0},
    {"password", JSON_STR, offsetof(struct image_auth, password), JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field image_fields[] = {
    {"uri",  JSON_STR,    offsetof(struct image_source, uri),  JSON_REQUIRED, NULL, 0},
    {"auth", JSON_STRUCT, offsetof(struct image_source, auth), JSON_OPTIONAL, auth_fields, 0},
    JSON_FIELDS_END,
};

static const struct json_field platform_fields[] = {
    {"os",   JSON_STR, offsetof(struct platform_choice, os),   JSON_REQUIRED, NULL, 0},
    {"arch", JSON_STR, offsetof(struct platform_choice, arch), JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field proxy_fields[] = {
    {"enabled", JSON_BOOL, offsetof(struct credential_proxy, enabled), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

#define AT(member) offsetof(struct create_request, member)
static const struct json_field request_fields[] = {
    {"image",            JSON_STRUCT,     AT(image),             JSON_OPTIONAL, image_fields, 0},
    {"snapshotId",       JSON_STR,        AT(snapshot_id),       JSON_OPTIONAL, NULL, 0},
    {"entrypoint",       JSON_STR_LIST,   AT(entrypoint),        JSON_OPTIONAL, NULL, 0},
    {"resourceLimits",   JSON_STR_MAP,    AT(resource_limits),   JSON_OPTIONAL, NULL, 0},
    {"resourceRequests", JSON_STR_MAP,    AT(resource_requests), JSON_OPTIONAL, NULL, 0},
    {"timeout",          JSON_INT64,      AT(timeout_s),         JSON_OPTIONAL, NULL, 0},
    {"env",              JSON_STR_MAP,    AT(env),               JSON_NULLABLE_VALUES, NULL, 0},
    {"metadata",         JSON_STR_MAP,    AT(metadata),          JSON_OPTIONAL, NULL, 0},
    {"platform",         JSON_STRUCT,     AT(platform),          JSON_OPTIONAL, platform_fields, 0},
    {"volumes",          JSON_LIST,       AT(volumes),           JSON_OPTIONAL, volume_fields, sizeof(struct volume)},
    {"extensions",       JSON_STR_MAP,    AT(extensions),        JSON_OPTIONAL, NULL, 0},
    {"secureAccess",     JSON_BOOL,       AT(secure_access),     JSON_OPTIONAL, NULL, 0},
    {"networkPolicy",    JSON_ANY_OBJECT, AT(network_policy),    JSON_OPTIONAL, NULL, 0},
    {"credentialProxy",  JSON_STRUCT,     AT(credential_proxy),  JSON_OPTIONAL, proxy_fields, 0},
    JSON_FIELDS_END,
};
#undef AT
// clang-format on

static bool is_given(const json_t *document, const char *member)
{
    const json_t *value = json_object_get(document, member);

    return value && !json_is_null(value);
}

int create_json_read(const char *body, size_t length, struct create_request *ret_request, struct error *err)
{
    SCOPED(json_secret)
    json_t *document = NULL; /* image.auth, env; of networkPolicy and ossfs it only
                                                    * counts that they are there */

    if (json_parse(body, length, "body", &document, err) < 0 ||
        json_read(document, request_fields, "", ret_request, err) < 0)
        return refuse_as(err, CODE_INVALID_PARAMETER);
    ret_request->entrypoint_given = is_given(document, "entrypoint");
    ret_request->limits_given = is_given(document, "resourceLimits");
    ret_request->timeout_given = is_given(document, "timeout");
    if (create_request_settle(ret_request, err) < 0) {
        create_request_done(ret_request);
        return -1;
    }
    return 0;
}
