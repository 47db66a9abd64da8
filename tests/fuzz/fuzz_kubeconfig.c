/* A kubeconfig: what is accepted is usable, and no refusal quotes more than names of it. The input is the file; paths in it
 * lead into a folder that does not exist. */
#include "tests/fuzz/fuzz.h"

#include "snapshot-svc/cluster/kube/login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(login) struct login *login = NULL;
    struct error err = {0};

    if (login_from_kubeconfig_text(size ? (const char *)data : "", size, "config", "/nonexistent/stasis",
                                   &login, &err) < 0) {
        FUZZ_CHECK(err.code == ERR_INVALID || err.code == ERR_UNSUPPORTED || err.code == ERR_NOT_FOUND ||
                   err.code == ERR_DENIED || err.code == ERR_UNAVAILABLE || err.code == ERR_EXHAUSTED ||
                   err.code == ERR_INTERNAL);
        FUZZ_CHECK(*err.text);
        return 0;
    }
    FUZZ_CHECK(strncmp(login->server, "https://", 8) == 0 || strncmp(login->server, "http://", 7) == 0);
    FUZZ_CHECK(login->server[strlen(login->server) - 1] != '/' || strlen(login->server) < 8);
    FUZZ_CHECK(!login->cert.bytes == !login->key.bytes);
    FUZZ_CHECK(!login->insecure_tls || !login->ca.bytes);
    FUZZ_CHECK(!login->tls_name || *login->tls_name);
    return 0;
}
