#include "lifecycle-svc/rest/rest_call.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/cleanup.h"
#include "shared/base/utf8.h"
#include "shared/json/json.h"

static const char JSON_TYPE[] = "application/json";

enum { UNPROCESSABLE = 422 };

int unreadable(struct rest_call *call, const char *place)
{
    call->unreadable = place;
    return -1;
}

static void on_client_gone(void *door, void (*fn)(void *self), void *self)
{
    http_on_client_gone(door, fn, self);
}

struct sandbox_caller rest_caller(struct rest_call *call)
{
    return (struct sandbox_caller){.request_id = call->own_request_id,
                                   .door = call->exchange,
                                   .on_gone = on_client_gone,
                                   .ms_left = INT64_MAX};
}

json_t *json_clean(const char *text)
{
    SCOPED_STRBUF struct strbuf clean = STRBUF_INIT;

    utf8_append_clean(&clean, text, strlen(text));
    return json_string(strbuf_text(&clean));
}

int answer_json(struct rest_call *call, int status, json_t *body)
{
    SCOPED(string) char *text = json_text(body);

    http_answer(call->exchange, status, JSON_TYPE, text, strlen(text));
    json_decref(body);
    return 0;
}

int answer_empty(struct rest_call *call, int status)
{
    http_answer(call->exchange, status, NULL, NULL, 0);
    return 0;
}

/* "volumes[0].host" of "volumes[0].host: want ...": where a text that begins with a path names it; else 0. */
static size_t path_length(const char *text)
{
    size_t length = strcspn(text, ": \"");

    return text[length] == ':' ? length : 0;
}

static void append_step(json_t *loc, const char *step, size_t length)
{
    const char *bracket = memchr(step, '[', length);
    size_t name = bracket ? (size_t)(bracket - step) : length;

    if (name)
        (void)json_array_append_new(loc, json_stringn(step, name));
    if (bracket)
        (void)json_array_append_new(loc, json_integer(strtol(bracket + 1, NULL, 10)));
}

/* ["body","volumes",0,"host"]: the shape that clients of the original server know. */
static json_t *location_of(const char *place, const char *text)
{
    json_t *loc = json_pack("[s]", place);
    size_t end = path_length(text);

    for (size_t at = 0; at < end;) {
        size_t length = strcspn(text + at, ".:");
        append_step(loc, text + at, length);
        at += length + 1;
    }
    return loc;
}

void answer_error(struct rest_call *call, const struct error *err)
{
    const char *message = err->text[0] ? err->text : "The request failed.";
    int status = call->unreadable ? UNPROCESSABLE : http_status_of(err);
    json_t *body = json_object();

    (void)json_object_set_new(body, "code", json_clean(contract_code_of(err)));
    (void)json_object_set_new(body, "message", json_clean(message));
    if (call->unreadable)
        (void)json_object_set_new(body, "detail",
                                  json_pack("[{s:s, s:o, s:o}]", "type", "value_error", "loc",
                                            location_of(call->unreadable, message), "msg",
                                            json_clean(message)));
    (void)answer_json(call, status, body);
}
