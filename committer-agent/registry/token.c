#include "committer-agent/registry/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/base64.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/http/url.h"
#include "shared/json/json.h"

enum {
    TOKEN_MAX_BYTES = 64 << 10,
    DEFAULT_LIFE_S = 60, /* what the spec says for an absent expires_in */
    LONGEST_LIFE_S = 24 * 3600,
    TOKEN_TIMEOUT_MS = 30 * 1000,
};

void secret_string_free(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

char *basic_header(const struct credentials *credentials)
{
    SCOPED_SECRET char *plain = xasprintf("%s:%s", credentials->username, credentials->password);
    size_t length = strlen(plain);
    char *header = xcalloc(sizeof("Basic ") + BASE64_SIZE(length), 1);

    memcpy(header, "Basic ", 6);
    base64_encode(plain, length, header + 6);
    return header;
}

void token_done(struct token *token)
{
    free(token->scope);
    secret_string_free(&token->header);
    *token = (struct token){0};
}

const char *token_cache_find(const struct token_cache *cache, const char *scope)
{
    for (size_t i = 0; i < sizeof(cache->tokens) / sizeof(cache->tokens[0]); i++) {
        const struct token *token = &cache->tokens[i];
        if (token->header && strcmp(token->scope, scope) == 0 && token->good_until_ms > clock_monotonic_ms())
            return token->header;
    }
    return NULL;
}

void token_cache_drop(struct token_cache *cache, const char *scope)
{
    for (size_t i = 0; i < sizeof(cache->tokens) / sizeof(cache->tokens[0]); i++)
        if (cache->tokens[i].scope && strcmp(cache->tokens[i].scope, scope) == 0)
            token_done(&cache->tokens[i]);
}

void token_cache_adopt(struct token_cache *cache, struct token *token)
{
    token_cache_drop(cache, token->scope);
    struct token *slot = &cache->tokens[cache->next++ % (sizeof(cache->tokens) / sizeof(cache->tokens[0]))];
    token_done(slot);
    *slot = *token;
    *token = (struct token){0};
}

void token_cache_done(struct token_cache *cache)
{
    for (size_t i = 0; i < sizeof(cache->tokens) / sizeof(cache->tokens[0]); i++)
        token_done(&cache->tokens[i]);
}

/* The query (or form) of a token request, added to `start` piece by piece. */
static char *add_pair(char *start, const char *name, const char *value)
{
    char *longer = url_add_query(start, name, value);
    secret_string_free(&start);
    return longer;
}

static char *add_scopes(char *url, const char *scopes)
{
    while (*scopes) {
        size_t length = strcspn(scopes, " ");
        SCOPED(string)
        char *scope = xstrndup(scopes, length);
        if (length)
            url = add_pair(url, "scope", scope);
        scopes += length + (scopes[length] == ' ');
    }
    return url;
}

static int check_realm(const struct challenge *challenge, bool insecure, char **ret_url, struct error *err)
{
    SCOPED(string)
    char *url = NULL;

    if (url_resolve(challenge->realm, challenge->realm, &url, err) < 0) {
        (void)error_wrap(err, "the token server that the registry names");
        return error_reason(err, "RegistryError");
    }
    if (!url_is_https(url) && !insecure) {
        (void)error_set(err, ERR_DENIED,
                        "the token server %.200s speaks plain HTTP: credentials go there only with "
                        "--snapshot-registry-insecure",
                        url);
        return error_reason(err, "RegistryUnauthorized");
    }
    *ret_url = TAKE(url);
    return 0;
}

struct token_doc {
    char *token, *access_token;
    int64_t expires_in;
};
static const struct json_field token_fields[] = {
    {"token", JSON_STR, offsetof(struct token_doc, token), JSON_OPTIONAL, NULL, 0},
    {"access_token", JSON_STR, offsetof(struct token_doc, access_token), JSON_OPTIONAL, NULL, 0},
    {"expires_in", JSON_INT64, offsetof(struct token_doc, expires_in), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static bool is_token_text(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return false;
    return *text != '\0';
}

static void doc_done(struct token_doc *doc)
{
    secret_string_free(&doc->token);
    secret_string_free(&doc->access_token);
}

/* jansson has no wiping free: the copy inside the document is wiped in place. */
static void wipe_member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (json_is_string(value))
        explicit_bzero((char *)json_string_value(value), json_string_length(value));
}

int token_read(const struct strbuf *body, const char *scope, struct token *ret_token, struct error *err)
{
    SCOPED(json)
    json_t *json = NULL;
    __attribute__((cleanup(doc_done))) struct token_doc doc = {0};
    int64_t now_ms = clock_monotonic_ms();

    if (json_parse(strbuf_text(body), body->length, "token", &json, err) < 0 ||
        json_read(json, token_fields, "token", &doc, err) < 0)
        doc = (struct token_doc){0}; /* the parser's story could quote the token: tell our own */
    const char *text = doc.token && *doc.token ? doc.token : doc.access_token;
    if (!text || !is_token_text(text)) {
        (void)error_set(err, ERR_INVALID, "the token server's answer is no JSON with a token");
        return error_reason(err, "RegistryError");
    }
    int64_t life_s = doc.expires_in > 0 && doc.expires_in < LONGEST_LIFE_S ? doc.expires_in : DEFAULT_LIFE_S;
    ret_token->scope = xstrdup(scope);
    ret_token->header = xasprintf("Bearer %s", text);
    ret_token->good_until_ms =
        now_ms + life_s * 900; /* a tenth early: it must still be good when it arrives */
    wipe_member(json, "token");
    wipe_member(json, "access_token");
    return 0;
}

static int judge(const struct http_response *response, const char *url, bool anonymous, struct error *err)
{
    int url_length = (int)strcspn(url, "?");

    if (response->status == 200)
        return 0;
    if (response->status == 401 || response->status == 400) {
        (void)error_set(err, ERR_DENIED, "the token server %.*s refuses %s (HTTP %d)", url_length, url,
                        anonymous ? "an anonymous token: give credentials for this registry"
                                  : "the credentials",
                        response->status);
        return error_reason(err, "RegistryUnauthorized");
    }
    if (response->status == 403) {
        (void)error_set(err, ERR_DENIED, "the token server %.*s gives no token for this (HTTP 403)",
                        url_length, url);
        return error_reason(err, "RegistryDenied");
    }
    bool later = response->status == 408 || response->status == 429 || response->status >= 500;
    (void)error_set(err, later ? ERR_UNAVAILABLE : ERR_INVALID, "the token server %.*s answers HTTP %d",
                    url_length, url, response->status);
    return error_reason(err, "RegistryError");
}

static int ask(struct http_client *http, const struct http_request *request, bool anonymous,
               const char *scope, struct token *ret_token, struct error *err)
{
    SCOPED_HTTP_RESPONSE struct http_response response = {0};

    if (http_do(http, request, &response, err) < 0) {
        (void)error_wrap(err, "asking the token server");
        return err->code == ERR_CANCELLED ? -1 : error_reason(err, "RegistryUnreachable");
    }
    int result = judge(&response, request->url, anonymous, err);
    if (result == 0)
        result = token_read(&response.body, scope, ret_token, err);
    if (response.body.bytes)
        explicit_bzero(response.body.bytes, response.body.capacity);
    return result;
}

static int ask_with_refresh_token(struct http_client *http, const char *url,
                                  const struct challenge *challenge, const char *scope,
                                  const struct credentials *credentials, struct token *ret_token,
                                  struct error *err)
{
    char *form = xstrdup("");
    form = add_pair(form, "grant_type", "refresh_token");
    form = add_pair(form, "client_id", "stasis");
    form = add_pair(form, "service", challenge->service);
    form = add_pair(form, "scope", scope);
    form = add_pair(form, "refresh_token", credentials->identity_token);

    struct http_header headers[] = {{"Content-Type", "application/x-www-form-urlencoded"}};
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = headers,
                                   .header_count = 1,
                                   .body = form + 1, /* behind the '?' */
                                   .body_length = strlen(form + 1),
                                   .max_body = TOKEN_MAX_BYTES,
                                   .timeout_ms = TOKEN_TIMEOUT_MS};
    int result = ask(http, &request, false, scope, ret_token, err);
    secret_string_free(&form);
    return result;
}

static int ask_with_basic(struct http_client *http, const char *realm, const struct challenge *challenge,
                          const char *scope, const struct credentials *credentials, struct token *ret_token,
                          struct error *err)
{
    bool anonymous = !credentials->username;
    SCOPED_SECRET char *basic = anonymous ? NULL : basic_header(credentials);
    char *url = xstrdup(realm);
    if (*challenge->service)
        url = add_pair(url, "service", challenge->service);
    url = add_scopes(url, scope);
    if (!anonymous)
        url = add_pair(url, "account", credentials->username);

    struct http_header headers[] = {{"Authorization", basic ? basic : ""}};
    struct http_request request = {.method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .header_count = anonymous ? 0 : 1,
                                   .max_body = TOKEN_MAX_BYTES,
                                   .timeout_ms = TOKEN_TIMEOUT_MS};
    int result = ask(http, &request, anonymous, scope, ret_token, err);
    free(url);
    return result;
}

int token_fetch(struct http_client *http, const struct challenge *challenge, const char *scope,
                const struct credentials *credentials, bool insecure, struct token *ret_token,
                struct error *err)
{
    SCOPED(string)
    char *url = NULL;

    if (check_realm(challenge, insecure, &url, err) < 0)
        return -1;
    if (credentials->identity_token)
        return ask_with_refresh_token(http, url, challenge, scope, credentials, ret_token, err);
    return ask_with_basic(http, url, challenge, scope, credentials, ret_token, err);
}
