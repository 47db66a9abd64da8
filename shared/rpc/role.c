#include "shared/rpc/role_priv.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static const char SCHEME[] = "spiffe://";
static const char OURS[] = "spiffe://stasis/";
static const char LABEL[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

static bool begins_with(const char *bytes, size_t length, const char *prefix)
{
    return length >= strlen(prefix) && memcmp(bytes, prefix, strlen(prefix)) == 0;
}

static bool is_label(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!memchr(LABEL, bytes[i], sizeof(LABEL) - 1))
            return false;
    return length > 0 && length <= RPC_TLS_ROLE_MAX;
}

void rpc_role_note(struct rpc_role *role, const char *uri, size_t length)
{
    const size_t skip = strlen(OURS);

    if (!begins_with(uri, length, SCHEME))
        return;
    role->identities++;
    if (!begins_with(uri, length, OURS) || !is_label(uri + skip, length - skip))
        return;
    memcpy(role->name, uri + skip, length - skip);
    role->name[length - skip] = '\0';
}

struct rpc_role rpc_role_of(const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct rpc_role role = {.identities = 0};

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) { /* -1 without names */
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI)
            rpc_role_note(&role, (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                          (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier));
    }
    GENERAL_NAMES_free(names);
    return role;
}

bool rpc_role_is(const struct rpc_role *role, const char *name)
{
    return role->identities == 1 && *role->name && strcmp(role->name, name) == 0;
}

const char *rpc_role_text(const struct rpc_role *role, char out[RPC_TLS_ROLE_MAX + 32])
{
    if (role->identities > 1)
        (void)snprintf(out, RPC_TLS_ROLE_MAX + 32, "%u identities", role->identities);
    else if (!*role->name)
        (void)snprintf(out, RPC_TLS_ROLE_MAX + 32, "no role of ours");
    else
        (void)snprintf(out, RPC_TLS_ROLE_MAX + 32, "the role %s", role->name);
    return out;
}
