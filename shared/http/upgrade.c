/* upgrade.c - connections that leave HTTP: 101, then a tunnel on a thread of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/http/server_priv.h"

enum {
    TUNNEL_STACK_BYTES = 256 << 10,
    LAST_WORDS_MS = 500, /* for what a client said before it left to get through TLS */
};

struct passage {
    struct http_server *server;
    const struct http_tunnel *tunnel;
    void *self;
    struct MHD_UpgradeResponseHandle *handle;
    int fd;
    char *early;
    size_t early_length;

    /* TLS: libmicrohttpd carries the bytes, and does not tell the plaintext side when the client leaves. We do. */
    bool tls;
    uint64_t hangup_number;
    struct pace last_words; /* of fd */
};

static void client_left(void *self)
{
    struct passage *passage = self;

    pace_within(passage->server->pacer, &passage->last_words, LAST_WORDS_MS);
}

static void watch_client(struct passage *passage, int client_fd)
{
    pace_begin(passage->server->pacer, &passage->last_words, passage->fd);
    passage->hangup_number = hangup_watch(passage->server->hangups, client_fd, client_left, passage);
}

static void watch_no_more(struct passage *passage)
{
    hangup_forget(passage->server->hangups, passage->hangup_number);
    pace_end(passage->server->pacer, &passage->last_words);
}

static void passage_over(struct passage *passage)
{
    struct http_server *server = passage->server;

    if (passage->tls)
        watch_no_more(passage);
    (void)MHD_upgrade_action(passage->handle, MHD_UPGRADE_ACTION_CLOSE); /* the handle is gone after it */
    passage->tunnel->ended(passage->self);
    free(passage->early);
    free(passage);
    pthread_mutex_lock(&server->lock);
    server->tunnels--;
    pthread_cond_broadcast(&server->all_ended);
    pthread_mutex_unlock(&server->lock);
}

static void *run_tunnel(void *arg)
{
    struct passage *passage = arg;

    passage->tunnel->run(passage->self, passage->fd, passage->server->stop_fd, passage->early,
                         passage->early_length);
    passage_over(passage);
    return NULL;
}

static int begin_thread(struct passage *passage)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes,
                                PTHREAD_CREATE_DETACHED); /* counted in server->tunnels instead */
    (void)pthread_attr_setstacksize(&attributes, TUNNEL_STACK_BYTES);
    int failed = pthread_create(&thread, &attributes, run_tunnel, passage);
    pthread_attr_destroy(&attributes);
    return failed;
}

/* A MHD_UpgradeHandler: on the connection's thread, which with TLS goes on to carry the bytes. */
static void on_upgraded(void *cls, struct MHD_Connection *connection, void *con_cls, const char *extra_in,
                        size_t extra_in_size, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct http_exchange *exchange = cls;
    struct http_server *server = exchange->server;
    struct passage *passage = xcalloc(1, sizeof(*passage));

    (void)connection;
    (void)con_cls;
    *passage = (struct passage){.server = server,
                                .tunnel = exchange->tunnel,
                                .self = exchange->tunnel_self,
                                .handle = handle,
                                .fd = fd,
                                .early = xcalloc(1, extra_in_size + 1),
                                .early_length = extra_in_size,
                                .tls = http_is_tls(exchange)};
    if (extra_in_size)
        memcpy(passage->early, extra_in, extra_in_size);
    exchange->tunnel = NULL; /* it is the passage's now */
    pace_within(server->pacer, &exchange->client->pace, PACE_FREE);
    if (passage->tls)
        watch_client(passage, exchange->client->pace.fd);
    pthread_mutex_lock(&server->lock);
    server->tunnels++;
    pthread_mutex_unlock(&server->lock);
    if (begin_thread(passage) != 0)
        passage_over(passage);
}

enum MHD_Result exchange_send_upgrade(struct http_exchange *exchange)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgraded, exchange);

    if (!response)
        return MHD_NO;
    exchange_add_headers(exchange, response);
    pace_within(exchange->server->pacer, &exchange->client->pace, server_time_for(exchange->server, 0));
    enum MHD_Result queued = MHD_queue_response(exchange->connection, MHD_HTTP_SWITCHING_PROTOCOLS, response);
    MHD_destroy_response(response);
    return queued;
}
