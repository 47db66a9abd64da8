/* request_id.h - what makes a repeated request the same request: names that are made of the client's request id, and
 * the fingerprint by which two creates with one request id are compared. Pure; any thread. */
#pragma once

#include "lifecycle-svc/sandbox/create_request.h"
#include "shared/base/ids.h"

/* A UUID (version 4 bits set) of SHA-256("<verb>\0<request_id>"): the same one for every try. */
void request_uuid(const char *verb, const char *request_id, char out[UUID_SIZE]);

#define FINGERPRINT_SIZE 65

/* SHA-256 in hex of all that a settled request asks for, whatever the order of its maps. The password of image.auth
 * does not count: the fingerprint is stored where readers of the object see it, and a password may be weak. */
void request_fingerprint(const struct create_request *request, char out[FINGERPRINT_SIZE]);
