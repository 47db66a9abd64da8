/* What an API server answers when it refuses: always an error of one clean line, and "not found" only for a Status that
 * says so. The first two bytes are the HTTP status. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/utf8.h"
#include "snapshot-svc/cluster/kube/status.h"

static void check_line(const char *text)
{
    size_t length = strlen(text);

    FUZZ_CHECK(length > 0);
    for (size_t at = 0, step; at < length; at += step) {
        step = utf8_char_length(text + at, length - at);
        FUZZ_CHECK(step > 0 || length - at < 4); /* the error's own bound may cut the last character */
        FUZZ_CHECK((unsigned char)text[at] >= ' ' && text[at] != 0x7f);
        step = step ? step : 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct status_context context = {"patch", KIND_BATCH_SANDBOX, "status"};
    struct error err = {0};

    if (size < 2)
        return 0;
    int http_status = 300 + (data[0] * 256 + data[1]) % 300;
    FUZZ_CHECK(status_error(http_status, (const char *)data + 2, size - 2, &context, &err) == -1);
    FUZZ_CHECK(err.code != ERR_NONE && err.code != ERR_INTERNAL);
    FUZZ_CHECK(err.code != ERR_NOT_FOUND ||
               (http_status == 404 && memmem(data + 2, size - 2, "NotFound", 8)));
    FUZZ_CHECK((err.code == ERR_PRECONDITION) == (strcmp(err.reason, "Expired") == 0));
    check_line(err.text);
    return 0;
}
