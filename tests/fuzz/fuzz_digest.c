/* digest_parse: the text that is accepted is the text that is kept. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    struct digest digest = {0}, again = {0};
    struct error err = {0};

    if (digest_parse(text, &digest, &err) == 0) {
        FUZZ_CHECK(strcmp(digest.text, text) == 0);
        FUZZ_CHECK(digest_parse(digest.text, &again, &err) == 0 && digest_equal(&digest, &again));
    } else {
        FUZZ_CHECK(err.code == ERR_INVALID && !digest_is_set(&digest));
    }
    return 0;
}
