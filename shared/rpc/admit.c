#include "shared/rpc/admit_priv.h"

#include <grpc/grpc_security.h>
#include <string.h>

#include "shared/base/strbuf.h"
#include "shared/rpc/server_priv.h"

static bool came_over_tls(const grpc_auth_context *context)
{
    grpc_auth_property_iterator found =
        grpc_auth_context_find_properties_by_name(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
    const grpc_auth_property *type = grpc_auth_property_iterator_next(&found);

    return type && strcmp(type->value, GRPC_SSL_TRANSPORT_SECURITY_TYPE) == 0;
}

static struct rpc_role role_of_peer(const grpc_auth_context *context)
{
    grpc_auth_property_iterator uris =
        grpc_auth_context_find_properties_by_name(context, GRPC_PEER_URI_PROPERTY_NAME);
    grpc_auth_property_iterator names =
        grpc_auth_context_find_properties_by_name(context, GRPC_PEER_DNS_PROPERTY_NAME);
    struct rpc_role role = {.identities = 0};
    const grpc_auth_property *found;

    while ((found = grpc_auth_property_iterator_next(&uris)))
        rpc_role_note_uri(&role, found->value, found->value_length);
    while ((found = grpc_auth_property_iterator_next(&names)))
        rpc_role_note_dns(&role, found->value, found->value_length);
    return role;
}

static bool is_accepted(const struct rpc_role *role, const char *const *accepted)
{
    for (; *accepted; accepted++)
        if (rpc_role_is(role, *accepted))
            return true;
    return false;
}

static int refuse(const struct rpc_role *role, const char *const *accepted, struct error *err)
{
    SCOPED_STRBUF struct strbuf wanted = STRBUF_INIT;
    char found[RPC_TLS_ROLE_MAX + 32];

    for (size_t i = 0; accepted[i]; i++)
        (void)strbuf_addf(&wanted, "%s%s", i ? " or " : "", accepted[i]); /* unbounded: cannot refuse */
    (void)error_set(err, ERR_DENIED, "the client's certificate has %s, want the role %s",
                    rpc_role_text(role, found), strbuf_text(&wanted));
    return error_reason(err, RPC_ROLE_NOT_ALLOWED);
}

/* A server with mutual TLS may have unix sockets too. They need no role, for their file mode is the guard; whatever else
 * is not TLS cannot be, as every TCP address of such a server is. */
static int admit_peer(struct rpc_call *call, const grpc_auth_context *context, struct error *err)
{
    static const char *const nobody[] = {NULL};
    const char *const *accepted = call->server->options.accept_roles;

    accepted = accepted ? accepted : nobody;
    if (!came_over_tls(context))
        return 0;
    struct rpc_role role = role_of_peer(context);
    if (!is_accepted(&role, accepted))
        return refuse(&role, accepted, err);
    call->peer_role = rpc_strdup(call, role.name);
    return 0;
}

int rpc_admit(struct rpc_call *call, struct error *err)
{
    const struct rpc_tls *tls = call->server->options.tls;

    if (!tls || rpc_tls_kind(tls) != RPC_TLS_MUTUAL)
        return 0;
    grpc_auth_context *context = grpc_call_auth_context(call->core);
    int result = admit_peer(call, context, err);
    grpc_auth_context_release(context);
    return result;
}
