/* docker_secret.h - registry credentials from a Secret of type kubernetes.io/dockerconfigjson, read at use.
 * Spec: Kubernetes docs, "Pull an Image from a Private Registry". The bytes are in one buffer, which is wiped
 * when it is done. Threads: none of its own. */
#pragma once

#include <stdbool.h>

#include "shared/base/error.h"
#include "shared/base/strbuf.h"
#include "snapshot-svc/cluster/cluster.h"

#define SECRET_TYPE_DOCKER "kubernetes.io/dockerconfigjson"

struct docker_secret {
    char *type;           /* of the Secret, whatever it is; owned */
    struct strbuf config; /* .dockerconfigjson, decoded; length 0: no such key, or it is no base64 */
};

/* Fills the zeroed struct; of a Secret of another type `config` stays empty.
 * ERR_NOT_FOUND: no such Secret. ERR_INVALID: not an object with a type. */
int docker_secret_read(struct cluster *cluster, const char *ns, const char *name,
                       struct docker_secret *ret_secret, struct error *err);
void docker_secret_done(struct docker_secret *secret);
#define SCOPED_DOCKER_SECRET __attribute__((cleanup(docker_secret_done)))

/* Does the document hold an entry for the registry of the reference "host[:port]/path"? 1, 0, or -1 ERR_INVALID: it is
 * no such document (its text quotes nothing of it). Names are compared as containerd and Docker do: without scheme and
 * path, docker.io also being index.docker.io. */
int docker_config_has_registry(const struct strbuf *config, const char *reference, struct error *err);
