/* byte_stream.h - one connection on loopback, plain or TLS, read and written by blocking calls.
 * Stands apart from shared/base/error.h, whose names OpenSSL's headers take too. Threads: one per stream. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct byte_tls; /* a certificate that both sides of a test show and trust */
struct byte_stream;

/* PEM files. NULL: they cannot be used. */
struct byte_tls *byte_tls_new(const char *certificate_path, const char *key_path);
void byte_tls_free(struct byte_tls *tls); /* NULL is fine; streams are closed before */

/* Both take the socket; tls NULL: plain. NULL: the handshake failed, and the socket is closed. Who speaks plain HTTP where
 * TLS is expected is told so by a 400, as Go's server does. */
struct byte_stream *byte_stream_accept(int fd, struct byte_tls *tls);
struct byte_stream *byte_stream_connect(unsigned port, struct byte_tls *tls); /* 127.0.0.1 */

long byte_stream_read(struct byte_stream *stream, char *into, size_t room); /* 0 or less: it is over */
bool byte_stream_write(struct byte_stream *stream, const char *bytes, size_t length); /* all of them */
/* Without a goodbye: whatever the other side was about to say is lost. NULL is fine. */
void byte_stream_close(struct byte_stream *stream);
