/* Cleaned text is UTF-8, and cleaning it again changes nothing. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/utf8.h"

static void check_is_utf8(const struct strbuf *text)
{
    for (size_t at = 0; at < text->length;) {
        size_t length = utf8_char_length(text->bytes + at, text->length - at);
        FUZZ_CHECK(length >= 1 && length <= text->length - at);
        at += length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_STRBUF struct strbuf clean = STRBUF_INIT, again = STRBUF_INIT;

    FUZZ_CHECK(utf8_cut_length((const char *)data, size) <= size);
    utf8_append_clean(&clean, (const char *)data, size);
    check_is_utf8(&clean);
    utf8_append_clean(&again, strbuf_text(&clean), clean.length);
    FUZZ_CHECK(again.length == clean.length && strcmp(strbuf_text(&again), strbuf_text(&clean)) == 0);
    FUZZ_CHECK(utf8_cut_length(strbuf_text(&clean), clean.length) == clean.length);
    return 0;
}
