#include "snapshot-svc/api/image_auth.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/base64.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "shared/json/secret.h"
#include "shared/log/log.h"
#include "snapshot-svc/model/meta.h"
#include "snapshot-svc/model/names.h"

#define DOCKER_CONFIG_TYPE "kubernetes.io/dockerconfigjson"
#define DOCKER_CONFIG_KEY  ".dockerconfigjson"

static json_t *base64_of(const ProtobufCBinaryData *bytes)
{
    size_t size = BASE64_SIZE(bytes->len);
    char *text = xcalloc(size, 1);

    base64_encode(bytes->data, bytes->len, text);
    json_t *value = json_string(text);
    explicit_bzero(text, size);
    free(text);
    return value;
}

static json_t *secret_of(const char *name, const char *sandbox_id, const ProtobufCBinaryData *docker_config)
{
    SCOPED(string) char *id = name_label_value(sandbox_id);

    return json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:s, s:{s:o}}", "apiVersion", "v1", "kind", "Secret",
                     "metadata", "name", name, "labels", LABEL_SANDBOX_ID, id, "type", DOCKER_CONFIG_TYPE,
                     "data", DOCKER_CONFIG_KEY, base64_of(docker_config));
}

static const char *name_of(const struct image_auth *auth)
{
    return json_path_string(auth->secret, "metadata.name");
}

static int refuse(struct error *err, const char *what)
{
    (void)error_wrap(err, "%s the Secret of the image credentials", what);
    return error_reason(err, "ImageAuthSecret");
}

static int create(struct image_auth *auth, struct error *err)
{
    SCOPED(json_secret) json_t *created = NULL;

    if (cluster_create(auth->cluster, KIND_SECRET, auth->ns, auth->secret, &created, err) < 0)
        return -1;
    free(auth->uid);
    free(auth->version);
    auth->uid = xstrdup(json_path_string(created, "metadata.uid"));
    auth->version = xstrdup(json_path_string(created, "metadata.resourceVersion"));
    return 0;
}

int image_auth_make(struct image_auth *auth, const char *name, const char *sandbox_id,
                    const ProtobufCBinaryData *docker_config, struct error *err)
{
    if (name[0] == '\0')
        return 0;
    auth->secret = secret_of(name, sandbox_id, docker_config);
    if (!auth->secret)
        return error_set(err, ERR_INVALID, "image_auth_secret: want UTF-8");
    if (create(auth, err) < 0 && err->code != ERR_EXISTS)
        return refuse(err, "making");
    error_clear(err); /* an earlier try of this request left it; what it holds is put right by the gift */
    return 0;
}

static void set_owner(json_t *secret, const json_t *sandbox)
{
    json_object_set_new(json_object_get(secret, "metadata"), "ownerReferences",
                        json_pack("[{s:s, s:s, s:s, s:s, s:b, s:b}]", "apiVersion", SANDBOX_API_VERSION,
                                  "kind", "BatchSandbox", "name", json_path_string(sandbox, "metadata.name"),
                                  "uid", json_path_string(sandbox, "metadata.uid"), "controller", 0,
                                  "blockOwnerDeletion", 0));
}

int image_auth_give(struct image_auth *auth, const json_t *sandbox, struct error *err)
{
    if (!auth->secret)
        return 0;
    set_owner(auth->secret, sandbox);
    SCOPED(json)
    json_t *patch = json_pack("{s:{s:O}, s:O}", "metadata", "ownerReferences",
                              json_path(auth->secret, "metadata.ownerReferences"), "data",
                              json_object_get(auth->secret, "data"));
    if (cluster_patch(auth->cluster, KIND_SECRET, auth->ns, name_of(auth), patch, NULL, NULL, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return refuse(err, "giving the sandbox");
    error_clear(err);
    if (create(auth, err) < 0 && err->code != ERR_EXISTS)
        return refuse(err, "making");
    error_clear(err); /* the other caller of this request was as quick */
    return 0;
}

void image_auth_drop(struct image_auth *auth)
{
    struct error err = {0};

    if (!auth->uid || cluster_remove_version(auth->cluster, KIND_SECRET, auth->ns, name_of(auth), auth->uid,
                                             auth->version, -1, &err) == 0)
        return;
    if (err.code != ERR_NOT_FOUND && err.code != ERR_CONFLICT)
        log_failure(LOG_WARN, "a failed create left the Secret of its image credentials behind", &err,
                    log_str("secret", name_of(auth)));
}

void image_auth_done(struct image_auth *auth)
{
    json_secret_free(TAKE(auth->secret));
    free(TAKE(auth->uid));
    free(TAKE(auth->version));
}
