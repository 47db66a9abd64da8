/* base64: what decodes encodes back to the same text, and any bytes survive the round. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/base64.h"

static void decode_then_encode(const char *text, size_t length)
{
    SCOPED(memory) unsigned char *plain = malloc(BASE64_PLAIN_SIZE(length));
    size_t plain_length = 0;

    if (!base64_decode(text, length, plain, &plain_length))
        return;
    SCOPED(memory) char *again = malloc(BASE64_SIZE(plain_length));
    base64_encode(plain, plain_length, again);
    FUZZ_CHECK(strlen(again) == length && (length == 0 || memcmp(again, text, length) == 0));
}

static void encode_then_decode(const uint8_t *bytes, size_t length)
{
    SCOPED(memory) char *text = malloc(BASE64_SIZE(length));
    base64_encode(bytes, length, text);
    SCOPED(memory) unsigned char *again = malloc(BASE64_PLAIN_SIZE(strlen(text)));
    size_t again_length = 0;

    FUZZ_CHECK(base64_decode(text, strlen(text), again, &again_length));
    FUZZ_CHECK(again_length == length && (length == 0 || memcmp(again, bytes, length) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_then_encode((const char *)data, size);
    encode_then_decode(data, size);
    return 0;
}
