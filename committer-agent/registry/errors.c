/* What a registry's refusal means for the caller, told with the registry, the repository and what to do. */
#include <stdio.h>
#include <string.h>

#include "committer-agent/registry/registry_priv.h"
#include "shared/json/json.h"

struct complaint {
    char code[64], message[128]; /* printable, cut: the registry's words are outside text */
};

static void copy_printable(char *into, size_t size, const char *text)
{
    size_t used = 0;
    for (; text && *text && used + 1 < size; text++)
        if ((unsigned char)*text >= ' ' && (unsigned char)*text < 0x7f)
            into[used++] = *text;
    into[used] = '\0';
}

/* {"errors": [{"code": "DIGEST_INVALID", "message": "..."}]}: the first of them, empty when there is none. */
static struct complaint read_complaint(const struct http_response *response)
{
    SCOPED(json) json_t *doc = NULL;
    struct complaint complaint = {0};
    struct error unreadable;

    if (json_parse(strbuf_text(&response->body), response->body.length, "answer", &doc, &unreadable) < 0)
        return complaint; /* proxies answer in HTML; the status says enough */
    const json_t *first = json_array_get(json_object_get(doc, "errors"), 0);
    copy_printable(complaint.code, sizeof(complaint.code), json_string_value(json_object_get(first, "code")));
    copy_printable(complaint.message, sizeof(complaint.message),
                   json_string_value(json_object_get(first, "message")));
    return complaint;
}

static const struct {
    int status;
    enum error_code code;
    const char *reason, *advice;
} meanings[] = {
    {401, ERR_DENIED, "RegistryUnauthorized", "the credentials are missing or refused"},
    {403, ERR_DENIED, "RegistryDenied", "the credentials may not do this"},
    {404, ERR_NOT_FOUND, "RegistryError", "there is no such thing"},
    {405, ERR_UNSUPPORTED, "RegistryError", "the registry does not support this, is it read-only?"},
    {413, ERR_INVALID, "RegistryError",
     "a request is too large for the registry or its proxy: raise its body size"},
    {429, ERR_UNAVAILABLE, "RegistryError", "too many requests"},
};

int registry_wrap(const struct registry *registry, const char *repository, struct error *err)
{
    return error_wrap(err, "registry %.100s, repository %.100s", registry->host, repository);
}

int registry_refusal(const struct http_response *response, struct error *err)
{
    struct complaint complaint = read_complaint(response);
    enum error_code code = response->status >= 500 || response->status == 408 ? ERR_UNAVAILABLE : ERR_INVALID;
    const char *reason = "RegistryError", *advice = "unexpected answer";

    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].status != response->status)
            continue;
        code = meanings[i].code;
        reason = meanings[i].reason;
        advice = meanings[i].advice;
    }
    if (strcmp(complaint.code, "DIGEST_INVALID") == 0) {
        code = ERR_CORRUPT;
        reason = "BlobDigestMismatch";
        advice = "the registry counted another digest";
    }
    (void)error_set(err, code, "HTTP %d %s%s(%s)%s%s", response->status, complaint.code,
                    *complaint.code ? " " : "", advice, *complaint.message ? ": " : "", complaint.message);
    return error_reason(err, reason);
}

int registry_no_answer(struct error *err)
{
    if (err->code == ERR_CANCELLED)
        return -1;
    if (err->code == ERR_DENIED)
        (void)error_wrap(
            err, "its TLS certificate is not trusted; give its CA, or pass --snapshot-registry-insecure");
    else
        (void)error_wrap(err, "no answer");
    return error_reason(err, "RegistryUnreachable");
}

int registry_check_digest(const struct http_response *response, const struct digest *digest, const char *what,
                          struct error *err)
{
    const char *counted = http_response_header(response, "docker-content-digest");
    if (!counted || strcmp(counted, digest->text) == 0)
        return 0;
    (void)error_set(err, ERR_CORRUPT, "%s: the registry counted %.80s, we %s", what, counted, digest->text);
    return error_reason(err, "BlobDigestMismatch");
}
