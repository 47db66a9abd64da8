#include "shared/rpc/role_priv.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static const char ANY_URI[] = "spiffe://";
static const char OUR_URI[] = "spiffe://stasis/";
static const char OUR_DOMAIN[] = ".roles.stasis.internal";
static const char LABEL[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

static bool begins_with(const char *bytes, size_t length, const char *prefix)
{
    return length >= strlen(prefix) && memcmp(bytes, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *bytes, size_t length, const char *suffix)
{
    size_t tail = strlen(suffix);

    return length >= tail && memcmp(bytes + length - tail, suffix, tail) == 0;
}

static bool is_label(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!memchr(LABEL, bytes[i], sizeof(LABEL) - 1))
            return false;
    return length > 0 && length <= RPC_TLS_ROLE_MAX;
}

/* The same role in both spellings is one identity. */
static void add_identity(struct rpc_role *role, const char *label, size_t length)
{
    bool is_ours = is_label(label, length);

    if (is_ours && strlen(role->name) == length && memcmp(role->name, label, length) == 0)
        return;
    role->identities++;
    if (!is_ours)
        return;
    memcpy(role->name, label, length);
    role->name[length] = '\0';
}

void rpc_role_note_uri(struct rpc_role *role, const char *uri, size_t length)
{
    if (begins_with(uri, length, OUR_URI))
        add_identity(role, uri + strlen(OUR_URI), length - strlen(OUR_URI));
    else if (begins_with(uri, length, ANY_URI))
        add_identity(role, "", 0); /* of another trust domain */
}

void rpc_role_note_dns(struct rpc_role *role, const char *name, size_t length)
{
    if (ends_with(name, length, OUR_DOMAIN))
        add_identity(role, name, length - strlen(OUR_DOMAIN));
}

static void note(struct rpc_role *role, const GENERAL_NAME *name)
{
    if (name->type == GEN_URI)
        rpc_role_note_uri(role, (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                          (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier));
    else if (name->type == GEN_DNS)
        rpc_role_note_dns(role, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                          (size_t)ASN1_STRING_length(name->d.dNSName));
}

struct rpc_role rpc_role_of(const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct rpc_role role = {.identities = 0};

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) /* -1 without names */
        note(&role, sk_GENERAL_NAME_value(names, i));
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
