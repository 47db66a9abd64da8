#include "shared/rpc/credentials_priv.h"

#include <grpc/grpc_security.h>
#include <string.h>

bool rpc_address_is_local(const char *address)
{
    static const char *const local[] = {"unix:", "127.0.0.1:", "[::1]:", "localhost:"};

    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        if (strncmp(address, local[i], strlen(local[i])) == 0)
            return true;
    return false;
}

static int require_local(const char *address, struct error *err)
{
    if (rpc_address_is_local(address))
        return 0;
    return error_set(
        err, ERR_UNSUPPORTED,
        "%s would be plaintext beyond this machine: use unix:/path, 127.0.0.1, [::1] or localhost", address);
}

int rpc_client_credentials(const char *target, grpc_channel_credentials **ret_credentials, struct error *err)
{
    if (require_local(target, err) < 0)
        return -1;
    *ret_credentials = grpc_insecure_credentials_create();
    return 0;
}

int rpc_server_credentials(const char *address, grpc_server_credentials **ret_credentials, struct error *err)
{
    if (require_local(address, err) < 0)
        return -1;
    *ret_credentials = grpc_insecure_server_credentials_create();
    return 0;
}
