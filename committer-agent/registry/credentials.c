#include "committer-agent/registry/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"
#include "shared/base/base64.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "shared/json/secret.h"

static void secret_free(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

void credentials_done(struct credentials *credentials)
{
    secret_free(&credentials->username);
    secret_free(&credentials->password);
    secret_free(&credentials->identity_token);
}

/* A key of "auths" or the host we look for, cut into what is compared. */
struct place {
    char host[256];
    char port[8];     /* "" when none is written */
    const char *path; /* "" when it restricts nothing */
};

static bool is_docker_hub(const char *host)
{
    return strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0 ||
           strcmp(host, "registry-1.docker.io") == 0;
}

/* The colon before the port: not one inside an IPv6 address. */
static const char *port_colon(const char *host, size_t length)
{
    for (size_t i = length; i-- > 0;) {
        if (host[i] == ':')
            return host + i;
        if (host[i] == ']')
            return NULL;
    }
    return NULL;
}

static bool place_parse(const char *text, struct place *place)
{
    if (strncasecmp(text, "https://", 8) == 0)
        text += 8;
    else if (strncasecmp(text, "http://", 7) == 0)
        text += 7;
    size_t length = strcspn(text, "/");
    const char *colon = port_colon(text, length);
    size_t host_length = colon ? (size_t)(colon - text) : length;
    size_t port_length = colon ? length - host_length - 1 : 0;

    if (host_length == 0 || host_length >= sizeof(place->host) || port_length >= sizeof(place->port))
        return false;
    (void)snprintf(place->host, sizeof(place->host), "%.*s", (int)host_length, text);
    (void)snprintf(place->port, sizeof(place->port), "%.*s", (int)port_length, colon ? colon + 1 : "");
    for (char *c = place->host; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    if (is_docker_hub(place->host))
        (void)snprintf(place->host, sizeof(place->host), "docker.io");
    place->path = text[length] ? text + length + 1 : "";
    return true;
}

static bool is_api_version(const char *path, size_t length)
{
    return length == 2 && (strncmp(path, "v1", 2) == 0 || strncmp(path, "v2", 2) == 0);
}

/* How many characters of the repository the key's path takes; 0: it restricts nothing; -1: another
 * repository's. */
static int path_match(const char *path, const char *repository)
{
    size_t length = strlen(path);
    while (length && path[length - 1] == '/')
        length--;
    if (length == 0 || is_api_version(path, length))
        return 0;
    if (strncmp(path, repository, length) != 0 || (repository[length] && repository[length] != '/'))
        return -1;
    return length < 1000 ? (int)length : -1;
}

static bool is_default_port(const char *port)
{
    return !*port || strcmp(port, "443") == 0;
}

/* 0: no match; a larger number is a closer one. */
static int place_match(const struct place *key, const struct place *wanted, const char *repository)
{
    int path = path_match(key->path, repository), port = 0;

    if (path < 0 || strcmp(key->host, wanted->host) != 0)
        return 0;
    if (strcmp(key->port, wanted->port) == 0)
        port = 3;
    else if (is_default_port(key->port) && is_default_port(wanted->port))
        port = 2;
    else if (!*key->port)
        port = 1;
    return port ? port * 1000 + path : 0;
}

/* "user:password" in base64; false: it is not. */
static bool decode_auth(const char *auth, struct credentials *credentials)
{
    size_t length = strlen(auth), size = BASE64_PLAIN_SIZE(length), got = 0;
    unsigned char *plain = xcalloc(size, 1);
    const char *colon = base64_decode(auth, length, plain, &got) ? memchr(plain, ':', got) : NULL;

    if (colon) {
        credentials->username = xstrndup((char *)plain, (size_t)(colon - (char *)plain));
        credentials->password = xstrdup(colon + 1);
    }
    explicit_bzero(plain, size);
    free(plain);
    return colon != NULL;
}

static int refuse(struct error *err, const char *key, const char *story)
{
    /* Never quotes what it found, and drops what the parser may have quoted. */
    (void)error_set(err, ERR_INVALID, "registry credentials (.dockerconfigjson)%s%.80s%s: %s",
                    key ? ": auths[\"" : "", key ? key : "", key ? "\"]" : "", story);
    return error_reason(err, "RegistryUnauthorized");
}

static int read_entry(const char *key, const json_t *entry, struct credentials *credentials,
                      struct error *err)
{
    const char *auth = json_string_value(json_object_get(entry, "auth"));
    const char *username = json_string_value(json_object_get(entry, "username"));
    const char *password = json_string_value(json_object_get(entry, "password"));
    const char *token = json_string_value(json_object_get(entry, "identitytoken"));

    if (!json_is_object(entry))
        return refuse(err, key, "want an object");
    if (auth && *auth && !decode_auth(auth, credentials))
        return refuse(err, key, "auth: want base64 of user:password");
    if (!credentials->username && username && *username) {
        credentials->username = xstrdup(username);
        credentials->password = xstrdup(password);
    }
    if (token && *token)
        credentials->identity_token = xstrdup(token);
    return credentials->username || credentials->identity_token ? 1 : 0;
}

static json_t *closest_entry(const json_t *auths, const struct place *wanted, const char *repository,
                             const char **ret_key)
{
    json_t *best = NULL, *entry;
    int best_match = 0;
    const char *key;

    json_object_foreach((json_t *)auths, key, entry)
    {
        struct place place;
        int match = place_parse(key, &place) ? place_match(&place, wanted, repository) : 0;
        if (match > best_match) {
            best_match = match;
            best = entry;
            *ret_key = key;
        }
    }
    return best;
}

int credentials_find(const char *dockerconfigjson, size_t length, const char *host, const char *repository,
                     struct credentials *ret_credentials, struct error *err)
{
    SCOPED(json_secret) json_t *doc = NULL;
    SCOPED_CREDENTIALS struct credentials found = {0};
    struct place wanted;
    const char *key = NULL;

    if (length > DOCKERCONFIG_MAX_BYTES)
        return refuse(err, NULL, "larger than 1 MiB");
    if (json_parse(dockerconfigjson, length, "docker config", &doc, err) < 0 || !json_is_object(doc))
        return refuse(err, NULL, "want a JSON object {\"auths\": {\"<registry>\": {\"auth\": ...}}}");
    const json_t *auths = json_object_get(doc, "auths");
    if (auths && !json_is_null(auths) && !json_is_object(auths))
        return refuse(err, NULL, "auths: want an object");
    if (!auths || !place_parse(host, &wanted))
        return 0;
    const json_t *entry = closest_entry(auths, &wanted, repository, &key);
    int result = entry ? read_entry(key, entry, &found, err) : 0;
    if (result == 1) {
        *ret_credentials = found;
        found = (struct credentials){0};
    }
    return result;
}
