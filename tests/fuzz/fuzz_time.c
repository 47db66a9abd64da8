/* RFC 3339 times and Go durations: a time that is written reads back as itself; a duration is never negative. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/clock.h"

static void check_time(const char *text)
{
    char written[RFC3339_SIZE];
    int64_t unix_ms, again_ms;
    struct error err = {0};

    if (rfc3339_parse(text, &unix_ms, &err) < 0)
        return;
    FUZZ_CHECK(rfc3339_parse(rfc3339_format_ms(unix_ms, written), &again_ms, &err) == 0);
    FUZZ_CHECK(again_ms == unix_ms);
}

/* Any number is written as a time that reads back. */
static void check_number(const uint8_t *data, size_t size)
{
    char written[RFC3339_SIZE];
    int64_t unix_ms = 0, again_ms;
    struct error err = {0};

    memcpy(&unix_ms, data, size < sizeof(unix_ms) ? size : sizeof(unix_ms));
    FUZZ_CHECK(rfc3339_parse(rfc3339_format(unix_ms, written), &again_ms, &err) == 0);
    FUZZ_CHECK(rfc3339_parse(rfc3339_format_ms(unix_ms, written), &again_ms, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    struct error err = {0};
    int64_t duration_ms;

    check_time(text);
    if (size)
        check_number(data, size);
    if (duration_parse(text, &duration_ms, &err) == 0)
        FUZZ_CHECK(duration_ms >= 0);
    return 0;
}
