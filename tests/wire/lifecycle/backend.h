/* backend.h - what runs in a sandbox, played by the test itself, word by word: it accepts, hears and speaks raw bytes.
 * All calls fail the test when 10 s were not enough. */
#pragma once

#include <stdbool.h>

#include "shared/base/strbuf.h"
#include "tests/wire/lifecycle/stand.h"

struct backend {
    int listen_fd, port; /* on 127.0.0.1 */
};

void backend_open(struct backend *backend);
void backend_close(struct backend *backend);
/* Puts a running sandbox "web" there, whose ports are ours. */
void backend_is_web(struct stand *stand);
int backend_accept(const struct backend *backend);

/* A client of the REST door that says: "<method> /v1/sandboxes/web/proxy/<port><rest> HTTP/1.1", Host, then `more`. */
int ask_web(const struct stand *stand, const struct backend *backend, const char *method, const char *rest,
            const char *more);

void speak(int fd, const char *text);
/* Reads on until what was heard (the bytes that are there already count) has `text` in it. */
void hear(int fd, struct strbuf *heard, const char *text);
/* Reads until the other side closes or resets. */
void hear_end(int fd, struct strbuf *heard);
