#include "shared/base/utf8.h"
#include "tests/unit/testing.h"

static void every_character_of_unicode_has_its_length(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char t[4];
        size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint8_t first[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
        for (size_t i = length, rest = c; i-- > 0; rest >>= 6)
            t[i] = (char)(i ? 0x80 | (rest & 0x3F) : first[length] | rest);

        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        assert_int_equal(utf8_char_length(t, length), surrogate ? 0 : length);
        if (length > 1)
            assert_int_equal(utf8_char_length(t, length - 1), 0);
    }
}

static void what_is_no_character_is_refused(void **state)
{
    static const char *const rows[] = {
        "\x80",             /* a continuation without a beginning */
        "\xC0\x80",         /* NUL, overlong */
        "\xC1\xBF",         /* ASCII, overlong */
        "\xE0\x9F\xBF",     /* overlong */
        "\xED\xA0\x80",     /* surrogate */
        "\xF0\x8F\xBF\xBF", /* overlong */
        "\xF4\x90\x80\x80", /* above U+10FFFF */
        "\xF5\x80\x80\x80",
        "\xFF",
        "\xE2\x82", /* cut */
        "\xE2\x82"
        "A",
        "\xF0\x9F\x98"
        "A",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(utf8_char_length(rows[i], strlen(rows[i])), 0);
}

static void a_cut_drops_the_character_it_went_through(void **state)
{
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    (void)state;

    for (size_t length = 0; length < sizeof(text); length++)
        assert_int_equal(utf8_cut_length(text, length), kept[length]);
}

static void each_byte_of_no_character_is_replaced(void **state)
{
    SCOPED_STRBUF struct strbuf out = STRBUF_INIT;
    (void)state;

    utf8_append_clean(&out, "ok \xC3\xA9 \xFF\xE2\x82 end", 13);
    assert_string_equal(out.bytes, "ok \xC3\xA9 \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD end");
}

/* Seeded bytes: the result is always text, and cleaning text changes nothing. */
static void cleaning_twice_is_cleaning_once(void **state)
{
    (void)state;
    srand(7396);
    for (int round = 0; round < 5000; round++) {
        char bytes[24];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)(rand() % 3 ? 0x80 | rand() : rand());
        SCOPED_STRBUF struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
        utf8_append_clean(&once, bytes, sizeof(bytes));
        utf8_append_clean(&twice, once.bytes, once.length);
        assert_int_equal(once.length, twice.length);
        assert_memory_equal(once.bytes, twice.bytes, once.length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_of_unicode_has_its_length),
        cmocka_unit_test(what_is_no_character_is_refused),
        cmocka_unit_test(a_cut_drops_the_character_it_went_through),
        cmocka_unit_test(each_byte_of_no_character_is_replaced),
        cmocka_unit_test(cleaning_twice_is_cleaning_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
