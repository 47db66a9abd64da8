/* kubeconfig: current-context names a context, which names a cluster and a user.
 * Spec: Kubernetes, "Organizing Cluster Access Using kubeconfig Files" (client.config v1). */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/base64.h"
#include "shared/json/json.h"
#include "shared/json/secret.h"
#include "shared/yaml/yaml.h"
#include "snapshot-svc/cluster/kube/login.h"

/* Where we are in the file, for messages: `user "admin"`. */
struct entry {
    const json_t *members; /* borrowed */
    const char *kind, *name;
    const char *folder; /* of the kubeconfig */
};

/* The entry of that name in a list of {name, <member>: {...}}. */
static int find_entry(const json_t *document, const char *list, const char *member, const char *name,
                      struct entry *ret_entry, struct error *err)
{
    size_t i;
    json_t *item;

    json_array_foreach(json_object_get(document, list), i, item)
    {
        const char *item_name = json_path_string(item, "name");
        if (!item_name || strcmp(item_name, name) != 0)
            continue;
        ret_entry->members = json_object_get(item, member);
        ret_entry->kind = member;
        ret_entry->name = item_name;
        if (!json_is_object(ret_entry->members))
            return error_set(err, ERR_INVALID, "%s \"%.60s\": want \"%s:\" with members", list, name, member);
        return 0;
    }
    return error_set(err, ERR_INVALID, "%s: there is no entry \"%.60s\"", list, name);
}

/* NULL: absent or empty. ERR_INVALID by -1: there, but no text. */
static int text_of(const struct entry *entry, const char *member, const char **ret_text, struct error *err)
{
    const json_t *value = json_object_get(entry->members, member);

    *ret_text = NULL;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return error_set(err, ERR_INVALID, "%s \"%.60s\": %s: want a text", entry->kind, entry->name, member);
    if (*json_string_value(value))
        *ret_text = json_string_value(value);
    return 0;
}

static int copy_text(const struct entry *entry, const char *member, char **ret_text, struct error *err)
{
    const char *text;

    if (text_of(entry, member, &text, err) < 0)
        return -1;
    *ret_text = text ? xstrdup(text) : NULL;
    return 0;
}

static char *resolve(const struct entry *entry, const char *path)
{
    return *path == '/' ? xstrdup(path) : xasprintf("%s/%s", entry->folder, path);
}

/* base64 in one line, as kubectl writes it. */
static int decode(const struct entry *entry, const char *member, const char *text,
                  struct login_bytes *ret_bytes, struct error *err)
{
    size_t length = strlen(text);
    char *plain = xcalloc(1, BASE64_PLAIN_SIZE(length));

    if (!base64_decode(text, length, (unsigned char *)plain, &ret_bytes->length)) {
        explicit_bzero(plain, BASE64_PLAIN_SIZE(length));
        free(plain);
        return error_set(err, ERR_INVALID, "%s \"%.60s\": %s: want base64", entry->kind, entry->name, member);
    }
    ret_bytes->bytes = plain;
    return 0;
}

/* "<member>-data" in the file itself, or a file that "<member>" names. The data win, as with kubectl. */
static int read_pem(const struct entry *entry, const char *member, struct login_bytes *ret_bytes,
                    struct error *err)
{
    SCOPED(string) char *data_member = xasprintf("%s-data", member);
    const char *data, *path;

    if (text_of(entry, data_member, &data, err) < 0 || text_of(entry, member, &path, err) < 0)
        return -1;
    if (data)
        return decode(entry, data_member, data, ret_bytes, err);
    if (!path)
        return 0;
    SCOPED(string) char *file = resolve(entry, path);
    if (login_read_file(file, ret_bytes, err) < 0)
        return error_wrap(err, "%s \"%.60s\": %s", entry->kind, entry->name, member);
    return 0;
}

static int refuse_member(const struct entry *entry, const char *member, const char *instead,
                         struct error *err)
{
    const json_t *value = json_object_get(entry->members, member);

    if (!value || json_is_null(value) || (json_is_string(value) && !*json_string_value(value)))
        return 0;
    return error_set(err, ERR_UNSUPPORTED, "%s \"%.60s\": %s is not supported; %s", entry->kind, entry->name,
                     member, instead);
}

/* ---- cluster ---- */

static bool is_server_url(const char *url)
{
    size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
    return scheme > 0 && url[scheme] && url[scheme] != '/' && !strpbrk(url, "?#@ ");
}

static int read_server(const struct entry *entry, struct login *login, struct error *err)
{
    if (copy_text(entry, "server", &login->server, err) < 0)
        return -1;
    if (!login->server || !is_server_url(login->server))
        return error_set(err, ERR_INVALID, "%s \"%.60s\": server: want https://host:port", entry->kind,
                         entry->name);
    size_t length = strlen(login->server);
    while (login->server[length - 1] == '/')
        login->server[--length] = '\0';
    return 0;
}

static int read_insecure(const struct entry *entry, struct login *login, struct error *err)
{
    const char *text;

    if (text_of(entry, "insecure-skip-tls-verify", &text, err) < 0)
        return -1;
    login->insecure_tls = text && strcmp(text, "true") == 0;
    if (text && !login->insecure_tls && strcmp(text, "false") != 0)
        return error_set(err, ERR_INVALID, "%s \"%.60s\": insecure-skip-tls-verify: want true or false",
                         entry->kind, entry->name);
    if (login->insecure_tls && login->ca.bytes)
        return error_set(
            err, ERR_INVALID,
            "%s \"%.60s\": insecure-skip-tls-verify makes certificate-authority useless: remove one",
            entry->kind, entry->name);
    return 0;
}

static int read_cluster(const struct entry *entry, struct login *login, struct error *err)
{
    if (refuse_member(entry, "proxy-url", "connect without a proxy", err) < 0 ||
        read_server(entry, login, err) < 0 || read_pem(entry, "certificate-authority", &login->ca, err) < 0 ||
        copy_text(entry, "tls-server-name", &login->tls_name, err) < 0 ||
        read_insecure(entry, login, err) < 0)
        return -1;
    if (login->tls_name && strpbrk(login->tls_name, "/?#@: []"))
        return error_set(err, ERR_INVALID, "%s \"%.60s\": tls-server-name: want a host name", entry->kind,
                         entry->name);
    return 0;
}

/* ---- user ---- */

#define INSTEAD                                                                                              \
    "use a client certificate, token or tokenFile (for example: kubectl create token ACCOUNT -n "            \
    "NAMESPACE), or "                                                                                        \
    "run inside the cluster"

static int refuse_other_logins(const struct entry *entry, struct error *err)
{
    static const char *const members[] = {"exec", "auth-provider", "username",  "password",
                                          "as",   "as-uid",        "as-groups", "as-user-extra"};

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (refuse_member(entry, members[i], INSTEAD, err) < 0)
            return -1;
    return 0;
}

static int read_user(const struct entry *entry, struct login *login, struct error *err)
{
    const char *token_file;

    if (refuse_other_logins(entry, err) < 0 || read_pem(entry, "client-certificate", &login->cert, err) < 0 ||
        read_pem(entry, "client-key", &login->key, err) < 0 ||
        copy_text(entry, "token", &login->token, err) < 0 ||
        text_of(entry, "tokenFile", &token_file, err) < 0)
        return -1;
    login->token_file = token_file ? resolve(entry, token_file) : NULL;
    if (!login->cert.bytes != !login->key.bytes)
        return error_set(err, ERR_INVALID, "%s \"%.60s\": client-certificate and client-key come together",
                         entry->kind, entry->name);
    return 0;
}

/* ---- the document ---- */

static int read_context(const json_t *document, const char *folder, struct login *login, struct error *err)
{
    const char *current = json_path_string(document, "current-context"), *cluster_name, *user_name;
    struct entry context = {.folder = folder}, cluster = {.folder = folder}, user = {.folder = folder};

    if (!current || !*current)
        return error_set(err, ERR_INVALID,
                         "current-context: want the name of a context (kubectl config use-context)");
    if (find_entry(document, "contexts", "context", current, &context, err) < 0 ||
        text_of(&context, "cluster", &cluster_name, err) < 0 ||
        text_of(&context, "user", &user_name, err) < 0)
        return -1;
    if (!cluster_name)
        return error_set(err, ERR_INVALID, "context \"%.60s\": cluster: missing", current);
    if (find_entry(document, "clusters", "cluster", cluster_name, &cluster, err) < 0 ||
        read_cluster(&cluster, login, err) < 0)
        return -1;
    if (!user_name)
        return 0; /* anonymous */
    return find_entry(document, "users", "user", user_name, &user, err) < 0 ? -1
                                                                            : read_user(&user, login, err);
}

int login_from_kubeconfig_text(const char *text, size_t length, const char *path, const char *folder,
                               struct login **ret_login, struct error *err)
{
    SCOPED(login) struct login *login = xcalloc(1, sizeof(*login));
    json_t *document = NULL;

    if (yaml_parse(text, length, YAML_TEXTS, path, &document, err) < 0)
        return -1;
    int result = read_context(document, folder, login, err);
    json_secret_free(document);
    if (result < 0)
        return error_wrap(err, "kubeconfig %s", path);
    *ret_login = TAKE(login);
    return 0;
}

int login_from_kubeconfig(const char *path, struct login **ret_login, struct error *err)
{
    struct login_bytes file = {0};
    SCOPED(string) char *copy = xstrdup(path); /* dirname() writes into it */

    if (login_read_file(path, &file, err) < 0)
        return error_wrap(err, "kubeconfig");
    int result = login_from_kubeconfig_text(file.bytes, file.length, path, dirname(copy), ret_login, err);
    explicit_bzero(file.bytes, file.length);
    free(file.bytes);
    return result;
}
