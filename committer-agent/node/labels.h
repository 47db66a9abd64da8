/* node/labels.h - the labels by which pods of ours are found again. */
#pragma once

#define LABEL_MANAGED         "stasis.opensandbox.io/managed"    /* "true": this agent runs it */
#define LABEL_CONTAINERS      "stasis.opensandbox.io/containers" /* on the sandbox: "main,sidecar", in order */
#define LABEL_INIT_CONTAINERS "stasis.opensandbox.io/init-containers" /* the same of those that come before */
#define LABEL_IMAGE           "stasis.opensandbox.io/image" /* on a container: as the request named it */
#define LABEL_POD_UID         "io.kubernetes.pod.uid"
#define LABEL_POD_NAMESPACE   "io.kubernetes.pod.namespace"
#define LABEL_POD_NAME        "io.kubernetes.pod.name"
#define LABEL_CONTAINER_NAME  "io.kubernetes.container.name"
