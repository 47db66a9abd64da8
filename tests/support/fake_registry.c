#include "tests/support/fake_registry.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/strbuf.h"

enum { STEPS_MAX = 64, HEAD_MAX = 32 << 10 };

struct fake_registry {
    int listener;
    char host[32];
    pthread_t thread;

    pthread_mutex_t lock; /* guards everything below */
    struct fake_step steps[STEPS_MAX];
    size_t step_count, played;
    const char *ping_challenge;
    struct strbuf blob;
    char mismatch[1024]; /* the first thing that was not in the script */
};

struct fake_request {
    char head[HEAD_MAX];
    char method[16], target[1024];
    char *early_body; /* what came along with the head */
    size_t early_length, body_length;
};

static const char *header_of(const struct fake_request *request, const char *name, char into[1024])
{
    size_t length = strlen(name);
    for (const char *line = strstr(request->head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) != 0 || line[2 + length] != ':')
            continue;
        const char *value = line + 3 + length;
        value += strspn(value, " ");
        (void)snprintf(into, 1024, "%.*s", (int)strcspn(value, "\r"), value);
        return into;
    }
    return NULL;
}

/* Reads the head; false: closed, or somebody tries TLS. */
static bool read_head(int fd, struct fake_request *request)
{
    size_t used = 0;
    char *end = NULL;

    while (!end) {
        ssize_t got = recv(fd, request->head + used, HEAD_MAX - 1 - used, 0);
        if (got <= 0 || (used == 0 && request->head[0] == 0x16))
            return false;
        used += (size_t)got;
        request->head[used] = '\0';
        end = strstr(request->head, "\r\n\r\n");
    }
    request->early_body = end + 4;
    request->early_length = used - (size_t)(request->early_body - request->head);
    end[2] = '\0'; /* the line end stays: each header line ends in one */
    if (sscanf(request->head, "%15s %1023s", request->method, request->target) != 2)
        return false;
    char text[1024];
    request->body_length = header_of(request, "content-length", text) ? (size_t)atol(text) : 0;
    return true;
}

static void read_body(int fd, const struct fake_request *request, size_t at_most, struct strbuf *body)
{
    char buffer[16 << 10];
    size_t want = request->body_length < at_most ? request->body_length : at_most;

    (void)strbuf_append(body, request->early_body,
                        request->early_length < want ? request->early_length : want);
    while (body->length < want) {
        size_t room = want - body->length < sizeof(buffer) ? want - body->length : sizeof(buffer);
        ssize_t got = recv(fd, buffer, room, 0);
        if (got <= 0)
            return;
        (void)strbuf_append(body, buffer, (size_t)got);
    }
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void add_header(struct strbuf *into, const char *name, const char *value)
{
    if (value)
        (void)strbuf_addf(into, "%s: %s\r\n", name, value);
}

static void send_reply(int fd, const struct fake_reply *reply, bool head_only)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    size_t length = reply->body_length ? reply->body_length : reply->body ? strlen(reply->body) : 0;

    (void)strbuf_addf(&out, "HTTP/1.1 %d Scripted\r\nConnection: close\r\n", reply->status);
    if (reply->status != 204)
        (void)strbuf_addf(&out, "Content-Length: %zu\r\n", length);
    add_header(&out, "Location", reply->location);
    add_header(&out, "Range", reply->range);
    add_header(&out, "WWW-Authenticate", reply->challenge);
    add_header(&out, "Retry-After", reply->retry_after);
    add_header(&out, "Docker-Content-Digest", reply->digest);
    add_header(&out, "Content-Type", reply->content_type);
    add_header(&out, "OCI-Chunk-Min-Length", reply->min_chunk);
    (void)strbuf_adds(&out, "\r\n");
    if (length && !head_only)
        (void)strbuf_append(&out, reply->body,
                            reply->truncate_after && reply->truncate_after < length ? reply->truncate_after
                                                                                    : length);
    send_all(fd, out.bytes, out.length);
}

static void differs(struct fake_registry *reg, const struct fake_request *request, const char *what,
                    const char *wanted, const char *got)
{
    if (!*reg->mismatch)
        (void)snprintf(reg->mismatch, sizeof(reg->mismatch),
                       "request %zu, %s %.200s: %s: want \"%.200s\", got \"%.200s\"", reg->played,
                       request->method, request->target, what, wanted, got);
}

static void check_header(struct fake_registry *reg, const struct fake_request *request, const char *name,
                         const char *wanted)
{
    char text[1024];
    const char *got = header_of(request, name, text);

    if (wanted && strcmp(wanted, got ? got : "") != 0)
        differs(reg, request, name, wanted, got ? got : "(absent)");
}

static void keep_body(struct fake_registry *reg, const struct fake_request *request,
                      const struct strbuf *body)
{
    char text[1024];
    size_t at = header_of(request, "content-range", text) ? (size_t)atol(text) : 0;

    if (body->length == 0 || (strcmp(request->method, "PATCH") != 0 && strcmp(request->method, "PUT") != 0))
        return;
    while (reg->blob.length < at + body->length)
        (void)strbuf_addc(&reg->blob, '?');
    memcpy(reg->blob.bytes + at, body->bytes, body->length);
}

/* The step for this request; .status 0: not in the script. */
static struct fake_step next_step(struct fake_registry *reg, const struct fake_request *request)
{
    struct fake_step none = {0};
    const struct fake_step *step = reg->played < reg->step_count ? &reg->steps[reg->played] : NULL;
    char text[1024];

    bool matches =
        step && strcmp(step->method, request->method) == 0 && strcmp(step->target, request->target) == 0;
    if (!matches && strcmp(request->method, "GET") == 0 && strcmp(request->target, "/v2/") == 0 &&
        !header_of(request, "authorization", text)) {
        none.reply = REPLY(reg->ping_challenge ? 401 : 200, .challenge = reg->ping_challenge);
        return none;
    }
    if (!matches) {
        differs(reg, request, "not in the script", step ? step->target : "(nothing more)", request->target);
        none.reply.hang_up = true;
        return none;
    }
    reg->played++;
    check_header(reg, request, "content-range", step->content_range);
    check_header(reg, request, "range", step->range);
    check_header(reg, request, "authorization", step->authorization);
    check_header(reg, request, "content-type", step->content_type);
    return *step;
}

static void serve(struct fake_registry *reg, int fd)
{
    struct fake_request *request = calloc(1, sizeof(*request));
    SCOPED_STRBUF struct strbuf body = STRBUF_INIT;

    if (request && read_head(fd, request)) {
        pthread_mutex_lock(&reg->lock);
        struct fake_step step = next_step(reg, request);
        pthread_mutex_unlock(&reg->lock);

        read_body(fd, request, step.reply.hang_up ? step.reply.hang_up_after : SIZE_MAX, &body);
        pthread_mutex_lock(&reg->lock);
        if (step.body && strcmp(strbuf_text(&body), step.body) != 0)
            differs(reg, request, "body", step.body, strbuf_text(&body));
        keep_body(reg, request, &body);
        pthread_mutex_unlock(&reg->lock);
        if (!step.reply.hang_up)
            send_reply(fd, &step.reply, strcmp(request->method, "HEAD") == 0);
    }
    free(request);
}

static void *accept_all(void *self)
{
    struct fake_registry *reg = self;
    int fd;

    while ((fd = accept(reg->listener, NULL, NULL)) >= 0) {
        serve(reg, fd);
        close(fd);
    }
    return NULL; /* the listener was shut down */
}

struct fake_registry *fake_registry_start(void)
{
    struct fake_registry *reg = calloc(1, sizeof(*reg));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);

    assert_non_null(reg);
    pthread_mutex_init(&reg->lock, NULL);
    reg->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(reg->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(reg->listener, 16), 0);
    assert_int_equal(getsockname(reg->listener, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(reg->host, sizeof(reg->host), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&reg->thread, NULL, accept_all, reg), 0);
    return reg;
}

void fake_registry_stop(struct fake_registry *reg)
{
    shutdown(reg->listener, SHUT_RDWR);
    pthread_join(reg->thread, NULL);
    close(reg->listener);
    pthread_mutex_destroy(&reg->lock);
    strbuf_done(&reg->blob);
    free(reg);
}

const char *fake_registry_host(const struct fake_registry *reg)
{
    return reg->host;
}

void fake_registry_push(struct fake_registry *reg, const struct fake_step *step)
{
    pthread_mutex_lock(&reg->lock);
    assert_true(reg->step_count < STEPS_MAX);
    reg->steps[reg->step_count++] = *step;
    pthread_mutex_unlock(&reg->lock);
}

void fake_registry_ping_challenge(struct fake_registry *reg, const char *challenge)
{
    pthread_mutex_lock(&reg->lock);
    reg->ping_challenge = challenge;
    pthread_mutex_unlock(&reg->lock);
}

const char *fake_registry_blob(const struct fake_registry *reg, size_t *ret_length)
{
    *ret_length = reg->blob.length;
    return strbuf_text(&reg->blob);
}

void fake_registry_verify(struct fake_registry *reg)
{
    pthread_mutex_lock(&reg->lock);
    char mismatch[sizeof(reg->mismatch)];
    (void)snprintf(mismatch, sizeof(mismatch), "%s", reg->mismatch);
    size_t played = reg->played, steps = reg->step_count;
    pthread_mutex_unlock(&reg->lock);
    if (*mismatch)
        fail_msg("%s", mismatch);
    if (played != steps)
        fail_msg("%zu of %zu expected requests came; next: %s %s", played, steps, reg->steps[played].method,
                 reg->steps[played].target);
}
