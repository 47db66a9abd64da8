#include "snapshot-svc/cluster/kube/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"
#include "shared/base/utf8.h"
#include "shared/json/json.h"

enum {
    MESSAGE_MAX = 280, /* what fits into an error beside our own words */
    MESSAGE_HEAD = 120,
    PAGE_TEXT_MAX = 120,
};

/* What we know of the answer; texts are borrowed. */
struct refusal {
    int http_status;
    const char *message; /* cleaned; never NULL */
    const char *reason;  /* "NotFound", "AlreadyExists", ...; "" when there is none */
    const char *name;    /* of the object that the message is about; "" when there is none */
};

/* The beginning says what is wrong, the end why; what stands between may be a whole Go struct. */
static char *shorten(char *message)
{
    size_t length = strlen(message);
    if (length <= MESSAGE_MAX)
        return message;

    const char *tail = message + length - (MESSAGE_MAX - MESSAGE_HEAD);
    while ((*tail & 0xC0) == 0x80) /* inside a character */
        tail++;
    char *shorter = xasprintf("%.*s ... %s", (int)utf8_cut_length(message, MESSAGE_HEAD), message, tail);
    free(message);
    return shorter;
}

/* One line of text without control characters: it goes to logs, conditions and events. */
static char *clean_text(const char *text, size_t length)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;

    utf8_append_clean(&out, text, length);
    for (size_t i = 0; i < out.length; i++)
        if ((unsigned char)out.bytes[i] < ' ' || out.bytes[i] == 0x7f)
            out.bytes[i] = ' ';
    return strbuf_take(&out);
}

/* "pods", "batchsandboxes/status", as RBAC rules name them. */
static const char *resource_text(const struct status_context *context, char *into, size_t size)
{
    (void)snprintf(into, size, "%s%s%s", cluster_kind_info(context->kind)->plural,
                   context->subresource ? "/" : "", context->subresource ? context->subresource : "");
    return into;
}

/* Refused by RBAC, or by admission (quota, webhooks), which has its own words. */
static int forbidden(const struct refusal *refusal, const struct status_context *context, struct error *err)
{
    const char *api_version = cluster_kind_info(context->kind)->api_version,
               *slash = strchr(api_version, '/');
    char resource[80];

    if (!strstr(refusal->message, " is forbidden: User "))
        return error_set(err, ERR_DENIED, "%s", refusal->message);
    return error_set(err, ERR_DENIED, "RBAC must allow %s on %s (API group \"%.*s\"): %s", context->verb,
                     resource_text(context, resource, sizeof(resource)),
                     slash ? (int)(slash - api_version) : 0, api_version, refusal->message);
}

/* Not the object but its kind may be unknown: nobody must take that for "the object is gone". */
static int not_found(const struct refusal *refusal, const struct status_context *context, struct error *err)
{
    const struct cluster_kind_info *info = cluster_kind_info(context->kind);

    if (strcmp(refusal->reason, "NotFound") == 0 && *refusal->name)
        return error_set(err, ERR_NOT_FOUND, "%s", refusal->message);
    return error_set(
        err, ERR_UNAVAILABLE,
        "the API server does not know %s of %s (are the custom resource definitions applied? is it "
        "still starting?): %s",
        info->plural, info->api_version, refusal->message);
}

static int expired(const struct refusal *refusal, struct error *err)
{
    (void)error_set(err, ERR_PRECONDITION, "%s", refusal->message);
    return error_reason(err, "Expired");
}

static int refuse(const struct refusal *refusal, const struct status_context *context, struct error *err)
{
    switch (refusal->http_status) {
    case 401: /* says nothing about what was asked: a token is renewed, an API server that has just started knows nobody */
        return error_set(err, ERR_UNAVAILABLE, "the API server does not accept our credentials: %s",
                         refusal->message);
    case 403:
        return forbidden(refusal, context, err);
    case 404:
        return not_found(refusal, context, err);
    case 409:
        return error_set(err, strcmp(refusal->reason, "AlreadyExists") == 0 ? ERR_EXISTS : ERR_CONFLICT, "%s",
                         refusal->message);
    case 410:
        return expired(refusal, err);
    case 405:
        return error_set(err, ERR_UNSUPPORTED, "%s", refusal->message);
    case 408:
    case 429:
        return error_set(err, ERR_UNAVAILABLE, "the API server is busy: %s", refusal->message);
    default:
        break;
    }
    if (refusal->http_status >= 400 && refusal->http_status < 500)
        return error_set(err, ERR_INVALID, "%s", refusal->message);
    return error_set(err, ERR_UNAVAILABLE, "HTTP %d: %s", refusal->http_status, refusal->message);
}

static const char *string_or_empty(const json_t *object, const char *path)
{
    const char *text = json_path_string(object, path);
    return text ? text : "";
}

static int refuse_by_status(const json_t *status, int http_status, const struct status_context *context,
                            struct error *err)
{
    const char *said = string_or_empty(status, "message");
    SCOPED(string) char *message = shorten(clean_text(said, strlen(said)));
    const struct refusal refusal = {
        .http_status = http_status,
        .message = *message ? message : "no reason given",
        .reason = string_or_empty(status, "reason"),
        .name = string_or_empty(status, "details.name"),
    };
    return refuse(&refusal, context, err);
}

static bool is_status(const json_t *document)
{
    const char *kind = json_path_string(document, "kind");
    return kind && strcmp(kind, "Status") == 0;
}

int status_error(int http_status, const char *body, size_t length, const struct status_context *context,
                 struct error *err)
{
    SCOPED(json) json_t *document = json_loadb(body ? body : "", length, 0, NULL);

    if (document && is_status(document))
        return refuse_by_status(document, http_status, context, err);
    SCOPED(string) char *page = clean_text(body ? body : "", length < PAGE_TEXT_MAX ? length : PAGE_TEXT_MAX);
    const struct refusal refusal = {http_status, *page ? page : "empty answer", "", ""};
    return refuse(&refusal, context, err);
}

int status_object_error(const json_t *status, const struct status_context *context, struct error *err)
{
    json_int_t code = json_integer_value(json_object_get(status, "code"));

    if (!is_status(status) || code < 100 || code > 999)
        return error_set(err, ERR_UNAVAILABLE,
                         "want a Status that tells what went wrong, got something else");
    return refuse_by_status(status, (int)code, context, err);
}
