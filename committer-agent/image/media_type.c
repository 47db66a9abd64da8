#include "committer-agent/image/media_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum role { ROLE_NONE, ROLE_INDEX, ROLE_MANIFEST, ROLE_CONFIG, ROLE_LAYER };

/* clang-format off */
static const struct {
    const char *text;
    enum role role;
    enum media_type oci;
} types[] = {
    [MEDIA_UNKNOWN]           = {"", ROLE_NONE, MEDIA_UNKNOWN},
    [MEDIA_OCI_INDEX]         = {"application/vnd.oci.image.index.v1+json", ROLE_INDEX, MEDIA_OCI_INDEX},
    [MEDIA_OCI_MANIFEST]      = {"application/vnd.oci.image.manifest.v1+json", ROLE_MANIFEST, MEDIA_OCI_MANIFEST},
    [MEDIA_OCI_CONFIG]        = {"application/vnd.oci.image.config.v1+json", ROLE_CONFIG, MEDIA_OCI_CONFIG},
    [MEDIA_OCI_LAYER_TAR]     = {"application/vnd.oci.image.layer.v1.tar", ROLE_LAYER, MEDIA_OCI_LAYER_TAR},
    [MEDIA_OCI_LAYER_GZIP]    = {"application/vnd.oci.image.layer.v1.tar+gzip", ROLE_LAYER, MEDIA_OCI_LAYER_GZIP},
    [MEDIA_OCI_LAYER_ZSTD]    = {"application/vnd.oci.image.layer.v1.tar+zstd", ROLE_LAYER, MEDIA_OCI_LAYER_ZSTD},
    [MEDIA_DOCKER_LIST]       = {"application/vnd.docker.distribution.manifest.list.v2+json", ROLE_INDEX, MEDIA_OCI_INDEX},
    [MEDIA_DOCKER_MANIFEST]   = {"application/vnd.docker.distribution.manifest.v2+json", ROLE_MANIFEST, MEDIA_OCI_MANIFEST},
    [MEDIA_DOCKER_CONFIG]     = {"application/vnd.docker.container.image.v1+json", ROLE_CONFIG, MEDIA_OCI_CONFIG},
    [MEDIA_DOCKER_LAYER_TAR]  = {"application/vnd.docker.image.rootfs.diff.tar", ROLE_LAYER, MEDIA_OCI_LAYER_TAR},
    [MEDIA_DOCKER_LAYER_GZIP] = {"application/vnd.docker.image.rootfs.diff.tar.gzip", ROLE_LAYER, MEDIA_OCI_LAYER_GZIP},
    [MEDIA_DOCKER_LAYER_ZSTD] = {"application/vnd.docker.image.rootfs.diff.tar.zstd", ROLE_LAYER, MEDIA_OCI_LAYER_ZSTD},
};
/* clang-format on */
_Static_assert(sizeof(types) / sizeof(types[0]) == MEDIA_MAX, "every media type has a row");

const char *media_type_text(enum media_type type)
{
    return types[type].text;
}

enum media_type media_type_parse(const char *text)
{
    if (!text)
        return MEDIA_UNKNOWN;
    size_t length = strcspn(text, "; \t");
    for (enum media_type type = MEDIA_UNKNOWN + 1; type < MEDIA_MAX; type++)
        if (strlen(types[type].text) == length && strncasecmp(types[type].text, text, length) == 0)
            return type;
    return MEDIA_UNKNOWN;
}

enum media_type media_type_to_oci(enum media_type type)
{
    return types[type].oci;
}

bool media_type_is_index(enum media_type type)
{
    return types[type].role == ROLE_INDEX;
}

bool media_type_is_manifest(enum media_type type)
{
    return types[type].role == ROLE_MANIFEST;
}

bool media_type_is_config(enum media_type type)
{
    return types[type].role == ROLE_CONFIG;
}

bool media_type_is_layer(enum media_type type)
{
    return types[type].role == ROLE_LAYER;
}
