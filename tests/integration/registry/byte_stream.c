#include "tests/integration/registry/byte_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct byte_tls {
    SSL_CTX *server, *client;
};

struct byte_stream {
    int fd;
    SSL *ssl; /* NULL: plain */
};

struct byte_tls *byte_tls_new(const char *certificate_path, const char *key_path)
{
    struct byte_tls *tls = calloc(1, sizeof(*tls));

    if (!tls)
        return NULL;
    tls->server = SSL_CTX_new(TLS_server_method());
    tls->client = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_use_certificate_file(tls->server, certificate_path, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_use_PrivateKey_file(tls->server, key_path, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_load_verify_locations(tls->client, certificate_path, NULL) == 1) {
        SSL_CTX_set_verify(tls->client, SSL_VERIFY_PEER, NULL);
        return tls;
    }
    byte_tls_free(tls);
    return NULL;
}

void byte_tls_free(struct byte_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->server);
    SSL_CTX_free(tls->client);
    free(tls);
}

static struct byte_stream *new_stream(int fd, SSL_CTX *context)
{
    struct byte_stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        abort();
    stream->fd = fd;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1},
                     sizeof(int)); /* heads and bodies are written apart */
    if (context) {
        stream->ssl = SSL_new(context);
        SSL_set_fd(stream->ssl, fd);
    }
    return stream;
}

/* What is left unread would reset the connection before the answer is read. */
static void refuse_http(int fd)
{
    static const char refusal[] =
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    char rest[4096];

    (void)recv(fd, rest, sizeof(rest), MSG_DONTWAIT);
    (void)send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL);
}

struct byte_stream *byte_stream_accept(int fd, struct byte_tls *tls)
{
    struct byte_stream *stream = new_stream(fd, tls ? tls->server : NULL);

    ERR_clear_error();
    if (!tls || SSL_accept(stream->ssl) == 1)
        return stream;
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
        refuse_http(fd);
    byte_stream_close(stream);
    return NULL;
}

struct byte_stream *byte_stream_connect(unsigned port, struct byte_tls *tls)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct byte_stream *stream = new_stream(fd, tls ? tls->client : NULL);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        (!tls || SSL_connect(stream->ssl) == 1))
        return stream;
    byte_stream_close(stream);
    return NULL;
}

long byte_stream_read(struct byte_stream *stream, char *into, size_t room)
{
    if (stream->ssl)
        return SSL_read(stream->ssl, into, (int)room);
    return recv(stream->fd, into, room, 0);
}

bool byte_stream_write(struct byte_stream *stream, const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        long sent = stream->ssl ? SSL_write(stream->ssl, bytes + at, (int)(length - at))
                                : send(stream->fd, bytes + at, length - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    return true;
}

void byte_stream_close(struct byte_stream *stream)
{
    if (!stream)
        return;
    SSL_free(stream->ssl);
    (void)close(stream->fd);
    free(stream);
}
