#include "lifecycle-svc/sandbox/image_auth.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/base64.h"
#include "shared/json/secret.h"

static const char DOCKER_HUB[] = "https://index.docker.io/v1/";

void docker_config_done(struct docker_config *config)
{
    if (config->bytes)
        explicit_bzero(config->bytes, config->length);
    free(config->bytes);
    *config = (struct docker_config){0};
}

char *image_auth_secret_name(const char *id)
{
    return xasprintf("opensandbox-image-auth-%s", id);
}

/* Without a slash there is no host: the colon of "busybox:1" begins a tag. */
static bool begins_with_host(const char *uri, size_t first)
{
    static const char local[] = "localhost";

    if (uri[first] != '/')
        return false;
    return memchr(uri, '.', first) || memchr(uri, ':', first) ||
           (first == sizeof(local) - 1 && memcmp(uri, local, first) == 0);
}

char *image_registry_key(const char *uri)
{
    size_t first = strcspn(uri, "/");

    return begins_with_host(uri, first) ? xstrndup(uri, first) : xstrdup(DOCKER_HUB);
}

/* base64("user:password"), to be wiped. */
static char *basic_auth(const struct image_auth *auth)
{
    size_t length = strlen(auth->username) + 1 + strlen(auth->password);
    char *plain = xasprintf("%s:%s", auth->username, auth->password);
    char *encoded = xcalloc(1, BASE64_SIZE(length));

    base64_encode(plain, length, encoded);
    explicit_bzero(plain, length);
    free(plain);
    return encoded;
}

void docker_config_of(const struct image_source *image, struct docker_config *ret_config)
{
    char *key = image_registry_key(image->uri), *basic = basic_auth(&image->auth);
    json_t *document = json_pack("{s:{s:{s:s, s:s, s:s}}}", "auths", key, "username", image->auth.username,
                                 "password", image->auth.password, "auth", basic);

    /* Measured first: a text that grows would leave pieces of the password in freed memory. */
    ret_config->length = json_dumpb(document, NULL, 0, JSON_COMPACT);
    ret_config->bytes = xcalloc(1, ret_config->length + 1);
    (void)json_dumpb(document, ret_config->bytes, ret_config->length, JSON_COMPACT);
    json_secret_free(document);
    explicit_bzero(basic, strlen(basic));
    free(basic);
    free(key);
}
