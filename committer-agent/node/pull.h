/* node/pull.h - an image on this node, by the pull policy, with the first credentials that the registry
 * takes. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "committer-agent/node/cri.h"

/* policy: IfNotPresent ("" too), Always, Never. secrets: .dockerconfigjson contents, tried in order; when
 * none has anything for the image's registry, anonymously. parent may be NULL. ERR_INVALID: no reference;
 * else the code of the pull. The reason is ErrImagePull in each case. */
int pull_image(struct cri *cri, const char *image, const char *policy, const ProtobufCBinaryData *secrets,
               size_t secret_count, struct rpc_call *parent, struct error *err);
