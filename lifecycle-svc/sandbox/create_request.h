/* create_request.h - what a client asks for when it creates a sandbox, from either door.
 * Spec: contract rest-api.md §3.1, §3.2. Plain data: one owner, one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

struct volume_claim {
    char *name;           /* NULL: not a claim */
    int create_if_absent; /* -1 not said, which means yes; 0; 1 */
    char *storage_class;  /* NULL: the cluster's default */
    char *storage;        /* quantity; NULL: the server's default */
    struct json_strings access_modes;
};

struct volume {
    char *name;
    char *mount_path;
    char *sub_path; /* NULL or "": none */
    bool read_only;
    char *host_path; /* exactly one of these three is set */
    struct volume_claim claim;
    json_t *ossfs;
};

struct image_auth {
    char *username, *password; /* both or none */
};

struct image_source {
    char *uri; /* NULL: no image */
    struct image_auth auth;
};

struct platform_choice {
    char *os, *arch; /* both or none */
};

struct credential_proxy {
    bool enabled;
};

struct create_request {
    struct image_source image;
    char *snapshot_id;     /* NULL: none */
    bool entrypoint_given; /* tells [] from absent */
    struct json_strings entrypoint;
    bool limits_given; /* tells {} from absent */
    struct json_map resource_limits;
    struct json_map resource_requests; /* empty: as the limits */
    bool timeout_given;
    int64_t timeout_s;   /* 0 when not given: never expires */
    struct json_map env; /* values may be NULL */
    struct json_map metadata;
    struct platform_choice platform;
    struct json_list volumes; /* of struct volume */
    struct json_map extensions;
    bool secure_access;
    json_t *network_policy; /* NULL, or an object */
    struct credential_proxy credential_proxy;
};

/* Frees the contents and wipes what is secret; the struct may be used again. */
void create_request_done(struct create_request *request);
#define SCOPED_CREATE_REQUEST __attribute__((cleanup(create_request_done)))

/* The last step at each door, after reading: trims, lowers, turns blanks into absences, then applies the
 * cross-field rules. ERR_INVALID (SANDBOX::INVALID_PARAMETER, "timeout: want at least 60, got 10"): the text
 * starts with the member's path. */
int create_request_settle(struct create_request *request, struct error *err);

/* Is this quantity one that a claim may ask for: "1.5Gi", "1073741824"? */
bool is_storage_size(const char *text);

/* The Pool that was asked for; NULL in normal mode. Borrowed. Of a settled request. */
const char *create_request_pool(const struct create_request *request);

extern const char *const EXTENSION_RENEW_SECONDS; /* "access.renew.extend.seconds" */
