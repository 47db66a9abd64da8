/* Metadata, "key=value": what passes is a Kubernetes label, and none of the reserved ones. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/sandbox/labels.h"

#define LABEL_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

static void check_accepted(const char *key, const char *value)
{
    const char *slash = strchr(key, '/'), *name = slash ? slash + 1 : key;

    FUZZ_CHECK(strncmp(key, RESERVED_LABEL_PREFIX, strlen(RESERVED_LABEL_PREFIX)) != 0);
    FUZZ_CHECK(*name && strlen(name) <= 63 && strspn(name, LABEL_CHARS) == strlen(name));
    FUZZ_CHECK(!slash || (slash != key && slash - key <= 253));
    FUZZ_CHECK(strlen(value) <= 63 && strspn(value, LABEL_CHARS) == strlen(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *key = fuzz_text(data, size);
    struct json_map metadata = {0};
    struct error err = {0};
    char *value = strchr(key, '=');

    if (!value)
        return 0;
    *value++ = '\0';
    json_map_set(&metadata, key, value);
    if (metadata_check(&metadata, &err) == 0)
        check_accepted(key, value);
    else
        FUZZ_CHECK(strcmp(err.reason, "SANDBOX::INVALID_METADATA_LABEL") == 0);
    json_map_free(&metadata);
    FUZZ_CHECK(!is_dns_label(key, 63) || (*key && strlen(key) <= 63));
    return 0;
}
