/* fake_registry.h - a registry that plays a script, over real HTTP on loopback.
 *
 *   fake_registry_expects(reg, POST, "/v2/team/app/blobs/uploads/", REPLY(202, .location = "/u/1"));
 *   fake_registry_expects(reg, PATCH, "/u/1", HANG_UP_AFTER(2048), .content_range = "0-4095");
 *   ...what the code under test does...
 *   fake_registry_verify(reg);
 *
 * Requests must come in the order of the script. Only GET /v2/ without Authorization is answered by itself,
 * as long as the script does not expect it (with .ping's challenge, if that is set). TLS handshakes are hung
 * up on: it speaks plain HTTP. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fake_registry;

struct fake_reply {
    int status;
    const char *location, *range, *challenge, *retry_after, *digest, *content_type, *min_chunk, *body;
    size_t body_length; /* 0: strlen(body) */
    bool hang_up; /* close the connection after hang_up_after bytes of the request's body, without a word */
    size_t hang_up_after;
    size_t truncate_after; /* send so much of the body, then close the connection; 0: all */
};
#define REPLY(status_, ...)  ((struct fake_reply){.status = (status_), __VA_ARGS__})
#define HANG_UP_AFTER(bytes) ((struct fake_reply){.hang_up = true, .hang_up_after = (bytes)})
#define HANG_UP              HANG_UP_AFTER(0)

struct fake_step {
    const char *method, *target;
    struct fake_reply reply;
    /* Wanted of the request; NULL: anything. "" wants the header to be absent. */
    const char *content_range, *range, *authorization, *content_type, *body;
};
#define fake_registry_expects(reg, method_, target_, ...)                                                    \
    fake_registry_push((reg),                                                                                \
                       &(struct fake_step){.method = #method_, .target = (target_), .reply = __VA_ARGS__})

struct fake_registry *fake_registry_start(void);
void fake_registry_stop(struct fake_registry *reg);
/* "127.0.0.1:34567"; borrowed. */
const char *fake_registry_host(const struct fake_registry *reg);
void fake_registry_push(struct fake_registry *reg, const struct fake_step *step); /* texts are borrowed */
void fake_registry_ping_challenge(struct fake_registry *reg, const char *challenge);
/* What PATCH and PUT bodies left at their Content-Range (at 0 without one), as one blob. */
const char *fake_registry_blob(const struct fake_registry *reg, size_t *ret_length);
/* Fails the test unless exactly the script was played. */
void fake_registry_verify(struct fake_registry *reg);
