#include "committer-agent/node/pull.h"

#include <string.h>

#include "committer-agent/image/reference.h"
#include "committer-agent/registry/credentials.h"
#include "shared/base/alloc.h"

/* With an address containerd gives the credentials to that host alone, also after a redirect to another
 * registry. Docker Hub answers under another name than its references have, so there the address stays away.
 */
static char *address_for(const struct reference *reference)
{
    return strcmp(reference->host, "docker.io") == 0 ? xstrdup("") : xasprintf("https://%s", reference->host);
}

static int pull_with(struct cri *cri, const char *image, const struct reference *reference,
                     const struct credentials *credentials, struct rpc_call *parent, struct error *err)
{
    Runtime__V1__AuthConfig auth = RUNTIME__V1__AUTH_CONFIG__INIT;
    SCOPED(string) char *address = address_for(reference);

    if (credentials->username)
        auth.username = credentials->username;
    if (credentials->password)
        auth.password = credentials->password;
    if (credentials->identity_token)
        auth.identity_token = credentials->identity_token;
    auth.server_address = address;
    return cri_pull_image(cri, image, &auth, parent, err);
}

/* 1 pulled, 0 this secret has nothing for the registry, -1. */
static int pull_with_secret(struct cri *cri, const char *image, const struct reference *reference,
                            const ProtobufCBinaryData *secret, struct rpc_call *parent, struct error *err)
{
    SCOPED_CREDENTIALS struct credentials credentials = {0};
    int found = credentials_find((const char *)secret->data, secret->len, reference->host,
                                 reference->repository, &credentials, err);
    if (found <= 0)
        return found;
    return pull_with(cri, image, reference, &credentials, parent, err) < 0 ? -1 : 1;
}

/* As the kubelet does it: each fitting secret in turn, the last error counts; anonymously only when none
 * fits. */
static int pull(struct cri *cri, const char *image, const ProtobufCBinaryData *secrets, size_t secret_count,
                struct rpc_call *parent, struct error *err)
{
    struct reference reference;
    bool tried = false;

    if (reference_parse(image, &reference, err) < 0)
        return -1;
    for (size_t i = 0; i < secret_count; i++) {
        struct error failure = {0};
        int got = pull_with_secret(cri, image, &reference, &secrets[i], parent, &failure);
        if (got > 0)
            return 0;
        if (got < 0) {
            tried = true;
            *err = failure;
            if (err->code == ERR_CANCELLED || err->code == ERR_TIMEOUT)
                return -1;
        }
    }
    return tried ? -1 : cri_pull_image(cri, image, NULL, parent, err);
}

/* Outside the pod's life there is one word for all of it, whatever the innermost reason was. */
static int pull_failed(struct error *err, const char *image)
{
    err->reason[0] = '\0';
    (void)error_reason(err, "ErrImagePull");
    return error_wrap(err, "image %s", image);
}

/* CRI hears of images that others make (one that was kept on this node alone) a moment later. */
static bool appeared(struct cri *cri, const char *image, const char *policy)
{
    struct error ignored; /* why it could not be pulled is what counts */

    return strcmp(policy, "Always") != 0 && cri_has_image(cri, image, &ignored) > 0;
}

int pull_image(struct cri *cri, const char *image, const char *policy, const ProtobufCBinaryData *secrets,
               size_t secret_count, struct rpc_call *parent, struct error *err)
{
    if (strcmp(policy, "Always") != 0) {
        int present = cri_has_image(cri, image, err);
        if (present < 0)
            return pull_failed(err, image);
        if (present)
            return 0;
        if (strcmp(policy, "Never") == 0) {
            (void)error_set(err, ERR_NOT_FOUND, "it is not on this node, and image_pull_policy is Never");
            return pull_failed(err, image);
        }
    }
    if (pull(cri, image, secrets, secret_count, parent, err) < 0 && !appeared(cri, image, policy))
        return pull_failed(err, image);
    return 0;
}
