/* http/server_priv.h - a server, its connections and their exchanges, as the files of the server share them.
 *
 *   server.c    the daemon, starting and stopping, what libmicrohttpd tells us about a request
 *   exchange.c  what handlers see, and their answers        upgrade.c  connections that leave HTTP
 *   pace.c      slow clients                                server_tls.c  certificates for handshakes */
#pragma once

#include <microhttpd.h>
#include <pthread.h>

#include "shared/http/hangup.h"
#include "shared/http/pace.h"
#include "shared/http/server.h"

struct http_server {
    struct http_server_options options; /* set by http_server_start, defaults filled in */
    int listen_fd;
    unsigned port;
    struct MHD_Daemon *daemon;
    struct hangup_watcher *hangups;
    struct pacer *pacer;
    int stop_fd;  /* readable once tunnels must end */
    bool stopped; /* by the owner's thread */

    pthread_mutex_t lock;
    pthread_cond_t all_ended; /* under lock */
    unsigned running;         /* under lock: handlers at work and answers not yet sent */
    unsigned tunnels;         /* under lock: threads of upgraded connections */
};

/* The socket context of one connection. Its own thread only, but for `pace`. */
struct connection {
    struct http_server *server;
    struct pace pace;
    int64_t body_credit_ms; /* how long the client may still let us wait for its body */
    int64_t waits_since_ms;
};

struct answer_header {
    char *name, *value;
};

enum answer_kind { ANSWER_NONE, ANSWER_WHOLE, ANSWER_STREAMED, ANSWER_UPGRADE };

struct http_exchange {
    struct http_server *server;
    struct connection *client;
    struct MHD_Connection *connection;
    const char *method; /* borrowed from the connection; set before the handler runs */
    const char *version;
    char *path;
    char *query; /* raw; NULL when there is none */
    struct strbuf body;
    size_t body_seen;
    bool begun, too_large, running, handled;

    uint64_t hangup_number; /* 0: nobody asked */

    const struct http_stream_steps *steps; /* NULL: not streamed */
    void *stream;

    enum answer_kind kind;
    int status;
    char *content_type;
    char *answer;
    size_t answer_length;
    int64_t stream_length; /* of a streamed answer; -1: unknown */
    const struct http_tunnel *tunnel;
    void *tunnel_self;
    struct answer_header *headers;
    size_t header_count;
};

/* exchange.c. The caller holds no lock. */
void exchange_free(struct http_exchange *exchange);
/* Queues what the handler said. */
enum MHD_Result exchange_send(struct http_exchange *exchange);
void exchange_add_headers(const struct http_exchange *exchange, struct MHD_Response *response);

/* upgrade.c */
enum MHD_Result exchange_send_upgrade(struct http_exchange *exchange);

/* How long a client may take for so many bytes. */
int64_t server_time_for(const struct http_server *server, int64_t bytes);
