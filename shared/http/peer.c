#include "shared/http/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "shared/base/alloc.h"
#include "shared/http/client_priv.h"

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    /* A peer that vanished without a word: found out after so long, idle or not. */
    KEEPALIVE_IDLE_S = 20,
    KEEPALIVE_INTERVAL_S = 10,
    UNACKNOWLEDGED_MAX_MS = 30 * 1000,
};

struct http_peer {
    char *user_agent;
    struct curl_slist *connect_to; /* only read by curl: shared by all handles */
    char *ca, *cert, *key;         /* PEM; NULL: none */
    size_t ca_length, cert_length, key_length;
    bool insecure_tls;
    int64_t connect_timeout_ms;
};

static char *copy_pem(const struct http_pem *pem, size_t *ret_length)
{
    *ret_length = pem->length;
    return pem->bytes ? memcpy(xcalloc(1, pem->length + 1), pem->bytes, pem->length) : NULL;
}

/* "::host:port": whatever host and port a URL has. */
static struct curl_slist *connect_to_list(const char *address)
{
    if (!address)
        return NULL;
    SCOPED(string) char *line = xasprintf("::%s", address);
    struct curl_slist *list = curl_slist_append(NULL, line);
    if (!list)
        abort(); /* out of memory, as everywhere */
    return list;
}

struct http_peer *http_peer_new(const struct http_peer_options *options)
{
    struct http_peer *peer = xcalloc(1, sizeof(*peer));

    http_curl_start();
    peer->user_agent = xstrdup(options->user_agent ? options->user_agent : "stasis/" STASIS_VERSION);
    peer->connect_to = connect_to_list(options->connect_to);
    peer->ca = copy_pem(&options->ca, &peer->ca_length);
    peer->cert = copy_pem(&options->cert, &peer->cert_length);
    peer->key = copy_pem(&options->key, &peer->key_length);
    peer->insecure_tls = options->insecure_tls;
    peer->connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    return peer;
}

void http_peer_free(struct http_peer *peer)
{
    if (!peer)
        return;
    if (peer->key)
        explicit_bzero(peer->key, peer->key_length);
    free(peer->key);
    free(peer->cert);
    free(peer->ca);
    curl_slist_free_all(peer->connect_to);
    free(peer->user_agent);
    free(peer);
}

/* The bytes are not copied by curl: the one copy is ours to wipe. */
static void set_pem(CURL *curl, CURLoption option, char *bytes, size_t length)
{
    struct curl_blob blob = {.data = bytes, .len = length, .flags = CURL_BLOB_NOCOPY};
    if (bytes)
        curl_easy_setopt(curl, option, &blob);
}

static void set_tls(const struct http_peer *peer, CURL *curl)
{
    if (peer->insecure_tls) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (peer->ca)
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* or the system's CAs would be trusted beside */
    set_pem(curl, CURLOPT_CAINFO_BLOB, peer->ca, peer->ca_length);
    set_pem(curl, CURLOPT_SSLCERT_BLOB, peer->cert, peer->cert_length);
    set_pem(curl, CURLOPT_SSLKEY_BLOB, peer->key, peer->key_length);
}

static int on_socket(void *self, curl_socket_t fd, curlsocktype purpose)
{
    unsigned max_ms = UNACKNOWLEDGED_MAX_MS;

    (void)self;
    (void)purpose;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &max_ms, sizeof(max_ms)); /* a help, not a need */
    return CURL_SOCKOPT_OK;
}

static void set_connection(const struct http_peer *peer, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* in-cluster traffic must not follow a stray http_proxy */
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, peer->user_agent);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)peer->connect_timeout_ms);
    if (peer->connect_to)
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, peer->connect_to);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
}

static size_t feed_body(char *into, size_t size, size_t count, void *self)
{
    struct http_transfer *transfer = self;
    const struct http_request *request = transfer->request;
    size_t left = request->body_length - transfer->body_sent;
    size_t length = left < size * count ? left : size * count;

    memcpy(into, request->body + transfer->body_sent, length);
    transfer->body_sent += length;
    return length;
}

/* curl sends a request again when a kept connection turns out dead before the answer, although the server may have
 * carried it out. With a body that it can only read forwards (no seek function) it gives up instead. */
static void set_body(CURL *curl, struct http_transfer *transfer)
{
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->request->body_length);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, feed_body);
    curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
}

void http_peer_setup(const struct http_peer *peer, CURL *curl, struct http_transfer *transfer,
                     const struct curl_slist *headers)
{
    const struct http_request *request = transfer->request;

    set_connection(peer, curl);
    set_tls(peer, curl);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->curl_text);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, http_transfer_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_transfer_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    if (request->body)
        set_body(curl, transfer);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    transfer->response->body.limit = request->max_body ? request->max_body : HTTP_BODY_MAX_BYTES;
}
