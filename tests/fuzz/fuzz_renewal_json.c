/* POST /sandboxes/{id}/renew-expiration: a body is refused with a code of the contract, or names a time that is written and
 * read back the same. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/rest/edits_json.h"
#include "shared/base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[RFC3339_SIZE];
    int64_t wanted_ms = 0, again_ms = 0;
    struct error err = {0};

    if (renewal_json_read((const char *)data, size, &wanted_ms, &err) < 0) {
        FUZZ_CHECK(err.code == ERR_INVALID && *err.reason && *err.text);
        return 0;
    }
    FUZZ_CHECK(rfc3339_parse(rfc3339_format_ms(wanted_ms, text), &again_ms, &err) == 0 &&
               again_ms == wanted_ms);
    return 0;
}
