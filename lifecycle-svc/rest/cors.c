#include "lifecycle-svc/rest/cors.h"

#include <string.h>

void cors_allow(struct http_exchange *exchange)
{
    const char *origin = http_header_get(exchange, "Origin");

    if (!origin)
        return;
    http_answer_header(exchange, "Access-Control-Allow-Origin",
                       origin); /* "*" is not legal with credentials */
    http_answer_header(exchange, "Access-Control-Allow-Credentials", "true");
    http_answer_header(exchange, "Access-Control-Expose-Headers", "X-Request-ID, Location");
    http_answer_header(exchange, "Vary", "Origin");
}

bool cors_is_preflight(const struct http_exchange *exchange)
{
    return strcmp(http_method(exchange), "OPTIONS") == 0 && http_header_get(exchange, "Origin") &&
           http_header_get(exchange, "Access-Control-Request-Method");
}

void cors_answer_preflight(struct http_exchange *exchange)
{
    const char *headers = http_header_get(exchange, "Access-Control-Request-Headers");

    http_answer_header(exchange, "Access-Control-Allow-Methods",
                       "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS");
    if (headers)
        http_answer_header(exchange, "Access-Control-Allow-Headers", headers);
    http_answer_header(exchange, "Access-Control-Max-Age", "600");
    http_answer(exchange, 200, "text/plain", "OK", 2);
}
