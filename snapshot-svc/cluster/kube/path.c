#include "snapshot-svc/cluster/kube/path.h"

#include <string.h>

enum { LABEL_MAX = 63, SUBDOMAIN_MAX = 253 };

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 1123, lowercase, as Kubernetes wants it: [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_label(const char *text, size_t length, size_t max_length)
{
    if (length == 0 || length > max_length || !is_lower_alnum(text[0]) || !is_lower_alnum(text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_lower_alnum(text[i]) && text[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(const char *text)
{
    if (strlen(text) > SUBDOMAIN_MAX)
        return false;
    for (;;) {
        size_t length = strcspn(text, ".");
        if (!is_label(text, length, SUBDOMAIN_MAX)) /* parts may be longer than 63 there */
            return false;
        if (!text[length])
            return true;
        text += length + 1;
    }
}

static int check_names(const char *ns, const char *name, struct error *err)
{
    if (ns && !is_label(ns, strlen(ns), LABEL_MAX))
        return error_set(err, ERR_INVALID, "metadata.namespace: want a DNS label of at most %d characters",
                         LABEL_MAX);
    if (name && !is_subdomain(name))
        return error_set(err, ERR_INVALID, "metadata.name: want a DNS subdomain of at most %d characters",
                         SUBDOMAIN_MAX);
    return 0;
}

int path_append(struct strbuf *url, enum cluster_kind kind, const char *ns, const char *name,
                const char *subresource, struct error *err)
{
    const struct cluster_kind_info *info = cluster_kind_info(kind);

    if (check_names(ns, name, err) < 0)
        return -1;
    /* The core group is older than groups are, and has a place of its own. */
    (void)strbuf_addf(url, "%s/%s", strchr(info->api_version, '/') ? "/apis" : "/api", info->api_version);
    if (ns)
        (void)strbuf_addf(url, "/namespaces/%s", ns);
    (void)strbuf_addf(url, "/%s", info->plural);
    if (name)
        (void)strbuf_addf(url, "/%s", name);
    if (subresource)
        (void)strbuf_addf(url, "/%s", subresource);
    return 0;
}

void path_append_query(struct strbuf *url, const char *name, const char *value)
{
    (void)strbuf_addf(url, "%c%s=", strchr(strbuf_text(url), '?') ? '&' : '?', name);
    for (const char *c = value; *c; c++) {
        if (is_lower_alnum(*c) || (*c >= 'A' && *c <= 'Z') || strchr("-_.~", *c))
            (void)strbuf_addc(url, *c);
        else
            (void)strbuf_addf(url, "%%%02X", (unsigned char)*c);
    }
}
