#include "snapshot-svc/secret/docker_secret.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"
#include "shared/base/base64.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "shared/json/secret.h"

#define DOCKER_CONFIG_KEY ".dockerconfigjson"

void docker_secret_done(struct docker_secret *secret)
{
    if (secret->config.bytes)
        explicit_bzero(secret->config.bytes, secret->config.capacity);
    strbuf_done(&secret->config);
    free(secret->type);
    *secret = (struct docker_secret){0};
}

/* Empty when it is no base64: the caller sees the same as where the key is missing. */
static void decode(const char *text, struct strbuf *config)
{
    const size_t length = strlen(text);
    unsigned char *plain = xcalloc(BASE64_PLAIN_SIZE(length), 1);
    size_t plain_length = 0;

    if (base64_decode(text, length, plain, &plain_length) && plain_length > 0) {
        config->bytes = (char *)plain; /* one copy only, for whoever wipes it */
        config->capacity = BASE64_PLAIN_SIZE(length);
        config->length = plain_length;
        return;
    }
    explicit_bzero(plain, BASE64_PLAIN_SIZE(length));
    free(plain);
}

int docker_secret_read(struct cluster *cluster, const char *ns, const char *name,
                       struct docker_secret *ret_secret, struct error *err)
{
    SCOPED(json_secret) json_t *secret = NULL;

    if (cluster_get(cluster, KIND_SECRET, ns, name, &secret, err) < 0)
        return -1;
    const char *type = json_path_string(secret, "type");
    if (!type)
        return error_set(err, ERR_INVALID, "Secret %s: want a type", name);
    const char *encoded =
        json_string_value(json_object_get(json_object_get(secret, "data"), DOCKER_CONFIG_KEY));
    ret_secret->type = xstrdup(type);
    if (encoded && strcmp(type, SECRET_TYPE_DOCKER) == 0)
        decode(encoded, &ret_secret->config);
    return 0;
}

/* ---- which registry ---- */

/* The host of a key of "auths" or of a reference: no scheme, no path; *ret_length is its length. */
static const char *host_of(const char *text, size_t *ret_length)
{
    static const char *const hub_names[] = {"index.docker.io", "registry-1.docker.io"};

    if (strncasecmp(text, "https://", 8) == 0)
        text += 8;
    else if (strncasecmp(text, "http://", 7) == 0)
        text += 7;
    *ret_length = strcspn(text, "/");
    for (size_t i = 0; i < sizeof(hub_names) / sizeof(*hub_names); i++)
        if (*ret_length == strlen(hub_names[i]) && strncasecmp(text, hub_names[i], *ret_length) == 0) {
            *ret_length = strlen("docker.io");
            return "docker.io";
        }
    return text;
}

static size_t without_port(const char *host, size_t length)
{
    size_t at = length;

    while (at > 0 && host[at - 1] >= '0' && host[at - 1] <= '9')
        at--;
    return at > 1 && at < length && host[at - 1] == ':' ? at - 1 : length;
}

/* A key without port serves every port of its host. */
static bool serves(const char *key, const char *reference)
{
    size_t key_length, length;
    const char *key_host = host_of(key, &key_length);
    const char *host = host_of(reference, &length);

    if (without_port(key_host, key_length) == key_length)
        length = without_port(host, length);
    return key_length == length && strncasecmp(key_host, host, length) == 0;
}

int docker_config_has_registry(const struct strbuf *config, const char *reference, struct error *err)
{
    SCOPED(json_secret) json_t *document = NULL;
    struct error refusal = {0}; /* not passed on: it may quote */
    const char *key;
    json_t *entry;

    if (json_parse(strbuf_text(config), config->length, DOCKER_CONFIG_KEY, &document, &refusal) < 0 ||
        !json_is_object(json_object_get(document, "auths")))
        return error_set(err, ERR_INVALID, "%s: want an object with \"auths\"", DOCKER_CONFIG_KEY);
    json_object_foreach(json_object_get(document, "auths"), key, entry)
    {
        if (json_is_object(entry) && serves(key, reference))
            return 1;
    }
    return 0;
}
