/* image/reference.h - an image reference: [host[:port]/]repository[:tag][@sha256:...].
 *
 * Docker's rules: the first segment is a host when it has a '.' or a ':' or is "localhost"; without a host it
 * is docker.io; a docker.io repository of one segment lives in library/; index.docker.io is docker.io. No tag
 * is ever invented. Spec: OCI distribution-spec "Pulling manifests"; github.com/distribution/reference. Plain
 * values: nothing to free. */
#pragma once

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/strbuf.h"

#define REFERENCE_NAME_MAX 255 /* host and repository together, as docker counts */
#define REFERENCE_TAG_MAX  128

struct reference {
    char host[REFERENCE_NAME_MAX + 1];       /* "docker.io", "registry:5000", "[::1]:5000" */
    char repository[REFERENCE_NAME_MAX + 1]; /* "library/busybox", "team/app" */
    char tag[REFERENCE_TAG_MAX + 1];         /* "" when there is none */
    struct digest digest;                    /* unset when there is none */
};

/* ERR_INVALID, reason InvalidImageReference: the text names the reference and the rule it breaks. */
int reference_parse(const char *text, struct reference *ret_reference, struct error *err);

/* The full spelling, which parses to an equal reference: "docker.io/library/busybox:1.36@sha256:...". The
 * caller frees. */
char *reference_text(const struct reference *reference);

/* What goes behind /v2/<repository>/manifests/: the digest when there is one, else the tag, else NULL.
 * Borrowed. */
const char *reference_target(const struct reference *reference);
