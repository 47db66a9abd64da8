/* image_auth.h - the credentials of one image as the kubelet reads them. Pure; any thread.
 * Spec: contract rest-api.md §4.3; Kubernetes, "Pull an Image from a Private Registry" (dockerconfigjson). */
#pragma once

#include "lifecycle-svc/sandbox/create_request.h"

/* The Secret's .dockerconfigjson; wiped when it is done with. */
struct docker_config {
    char *bytes;
    size_t length;
};
void docker_config_done(struct docker_config *config);
#define SCOPED_DOCKER_CONFIG __attribute__((cleanup(docker_config_done)))

/* Of an image that has credentials. */
void docker_config_of(const struct image_source *image, struct docker_config *ret_config);

/* "opensandbox-image-auth-<id>" as a new string. */
char *image_auth_secret_name(const char *id);

/* The key of the image's registry in `auths`: its host, with a port if it has one; of Docker Hub the address that
 * Docker has always used for it. A new string. */
char *image_registry_key(const char *uri);
