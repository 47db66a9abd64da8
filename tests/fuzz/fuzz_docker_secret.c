/* Which registries a .dockerconfigjson knows: the reference on the first line, the document behind it. */
#include "tests/fuzz/fuzz.h"

#include "snapshot-svc/secret/docker_secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    SCOPED_STRBUF struct strbuf config = STRBUF_INIT;
    struct error err = {0};

    if (!newline)
        return 0;
    size_t reference_length = (size_t)(newline - data);
    SCOPED(string) char *reference = fuzz_text(data, reference_length);
    (void)strbuf_append(&config, newline + 1, size - reference_length - 1);
    int result = docker_config_has_registry(&config, reference, &err);
    FUZZ_CHECK(result >= 0 || err.code == ERR_INVALID);
    return 0;
}
