/* image/media_type.h - the media types an image is made of; an unknown one is refused, never guessed. */
#pragma once

#include <stdbool.h>

enum media_type {
    MEDIA_UNKNOWN,
    MEDIA_OCI_INDEX,
    MEDIA_OCI_MANIFEST,
    MEDIA_OCI_CONFIG,
    MEDIA_OCI_LAYER_TAR,
    MEDIA_OCI_LAYER_GZIP,
    MEDIA_OCI_LAYER_ZSTD,
    MEDIA_DOCKER_LIST,
    MEDIA_DOCKER_MANIFEST,
    MEDIA_DOCKER_CONFIG,
    MEDIA_DOCKER_LAYER_TAR,
    MEDIA_DOCKER_LAYER_GZIP,
    MEDIA_DOCKER_LAYER_ZSTD, /* never standardised, but containerd and buildkit write it */
    MEDIA_MAX
};

/* "application/vnd.oci.image.manifest.v1+json"; "" for MEDIA_UNKNOWN. */
const char *media_type_text(enum media_type type);
/* Ignores parameters ("; charset=utf-8") and case. MEDIA_UNKNOWN for all others, NULL included. */
enum media_type media_type_parse(const char *text);
/* The OCI type for the same bytes; OCI types stay. */
enum media_type media_type_to_oci(enum media_type type);

bool media_type_is_index(enum media_type type);
bool media_type_is_manifest(enum media_type type); /* of one platform */
bool media_type_is_config(enum media_type type);
bool media_type_is_layer(enum media_type type);
