#include "shared/metrics/operations.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/http/server.h"

struct operations {
    struct operations_options options;
    struct http_server *server;
};

static void answer_text(struct http_exchange *exchange, int status, const char *text)
{
    http_answer(exchange, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void answer_metrics(struct operations *operations, struct http_exchange *exchange)
{
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;

    if (operations->options.refresh)
        operations->options.refresh(operations->options.self);
    metrics_render(operations->options.metrics, &text);
    http_answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", strbuf_text(&text), text.length);
}

static void handle(void *self, struct http_exchange *exchange)
{
    struct operations *operations = self;
    const char *path = http_path(exchange);

    if (strcmp(http_method(exchange), "GET") != 0 && strcmp(http_method(exchange), "HEAD") != 0)
        answer_text(exchange, 405, "want GET\n");
    else if (strcmp(path, "/metrics") == 0)
        answer_metrics(operations, exchange);
    else if (strcmp(path, "/healthz") == 0)
        answer_text(exchange, 200, "ok\n");
    else if (strcmp(path, "/readyz") != 0)
        answer_text(exchange, 404, "want /metrics, /healthz or /readyz\n");
    else if (!operations->options.ready || operations->options.ready(operations->options.self))
        answer_text(exchange, 200, "ok\n");
    else
        answer_text(exchange, 503, "not ready\n");
}

int operations_start(const struct operations_options *options, struct operations **ret_operations,
                     struct error *err)
{
    if (!*options->address || strcmp(options->address, "0") == 0) {
        *ret_operations = NULL;
        return 0;
    }
    struct operations *operations = xcalloc(1, sizeof(*operations));
    operations->options = *options;
    const struct http_server_options server = {
        .address = options->address, .handler = handle, .self = operations, .max_connections = 16};
    if (http_server_start(&server, &operations->server, err) < 0) {
        free(operations);
        return error_wrap(err, "serving metrics and probes");
    }
    *ret_operations = operations;
    return 0;
}

void operations_stop(struct operations *operations)
{
    if (!operations)
        return;
    http_server_free(operations->server);
    free(operations);
}
