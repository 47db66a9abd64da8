#include "snapshot-svc/cluster/kube/login.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/base/strbuf.h"

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

enum { FILE_MAX_BYTES = 1 << 20 };

static void bytes_done(struct login_bytes *bytes)
{
    if (bytes->bytes)
        explicit_bzero(bytes->bytes, bytes->length);
    free(bytes->bytes);
    *bytes = (struct login_bytes){0};
}

void login_free(struct login *login)
{
    if (!login)
        return;
    if (login->token)
        explicit_bzero(login->token, strlen(login->token));
    free(login->token);
    free(login->token_file);
    bytes_done(&login->ca);
    bytes_done(&login->cert);
    bytes_done(&login->key);
    free(login->tls_name);
    free(login->server);
    free(login);
}

int login_read_file(const char *path, struct login_bytes *ret_bytes, struct error *err)
{
    struct strbuf content = STRBUF_INIT; /* moves to ret_bytes whole: there is no second copy to wipe */

    if (file_read(path, FILE_MAX_BYTES, &content, err) < 0)
        return -1;
    bytes_done(ret_bytes);
    ret_bytes->length = content.length;
    ret_bytes->bytes = strbuf_take(&content);
    return 0;
}

/* IPv6 addresses stand in brackets in URLs. */
static char *server_url(const char *host, const char *port)
{
    bool is_ipv6 = strchr(host, ':') && *host != '[';
    return xasprintf("https://%s%s%s:%s", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port);
}

int login_from_pod(const char *dir, struct login **ret_login, struct error *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    SCOPED(login) struct login *login = xcalloc(1, sizeof(*login));

    if (!host || !*host || !port || !*port)
        return error_set(err, ERR_NOT_FOUND,
                         "this is no pod (KUBERNETES_SERVICE_HOST and _PORT are not set): name a kubeconfig "
                         "with --kubeconfig");
    dir = dir ? dir : SERVICE_ACCOUNT_DIR;
    SCOPED(string) char *ca_file = xasprintf("%s/ca.crt", dir);
    login->server = server_url(host, port);
    login->token_file = xasprintf("%s/token", dir);
    if (login_read_file(ca_file, &login->ca, err) < 0)
        return error_wrap(err, "CA of the pod's service account (is automountServiceAccountToken off?)");
    *ret_login = TAKE(login);
    return 0;
}
