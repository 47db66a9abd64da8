/* secrets.h - Secrets as a node mounts them: a folder per Secret, a file per key. Read when asked, kept
 * nowhere. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "shared/base/error.h"

/* *ret_secret: as the API server answers it, data in base64; the caller's, and secret. Type
 * kubernetes.io/dockerconfigjson when there is a key ".dockerconfigjson", else Opaque.
 * ERR_NOT_FOUND: no such folder. ERR_EXHAUSTED: larger than 1 MiB. ERR_DENIED:
 * unreadable. */
int secret_read(const char *secrets_dir, const char *ns, const char *name, json_t **ret_secret,
                struct error *err);

/* Is there such a folder? */
bool secret_is_folder(const char *secrets_dir, const char *name);
