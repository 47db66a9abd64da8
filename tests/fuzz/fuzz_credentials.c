/* .dockerconfigjson: the registry on the first line, the document behind it. An answer always carries a name or a
 * token, and a refusal quotes nothing of the document. */
#include "tests/fuzz/fuzz.h"

#include "committer-agent/registry/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    SCOPED_CREDENTIALS struct credentials found = {0};
    struct error err = {0};

    if (!newline)
        return 0;
    size_t host_length = (size_t)(newline - data);
    SCOPED(string) char *host = fuzz_text(data, host_length);
    int result =
        credentials_find((const char *)newline + 1, size - host_length - 1, host, "team/app", &found, &err);

    if (result == 1)
        FUZZ_CHECK(found.identity_token || (found.username && found.password));
    else
        FUZZ_CHECK(!found.identity_token && !found.username && !found.password);
    if (result < 0)
        FUZZ_CHECK(err.code == ERR_INVALID && strcmp(err.reason, "RegistryUnauthorized") == 0);
    return 0;
}
