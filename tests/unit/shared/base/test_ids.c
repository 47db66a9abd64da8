#include "shared/base/ids.h"
#include "tests/unit/testing.h"

static void a_uuid_is_version_4_of_rfc_4122(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        char id[UUID_SIZE];
        uuid_v4(id);
        assert_int_equal(strlen(id), 36);
        for (size_t i = 0; i < 36; i++)
            assert_non_null(
                strchr(i == 8 || i == 13 || i == 18 || i == 23 ? "-" : "0123456789abcdef", id[i]));
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
    }
}

static void a_hex_id_is_32_lowercase_digits(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        char id[HEX_ID_SIZE];
        hex_id(id);
        assert_int_equal(strspn(id, "0123456789abcdef"), 32);
        assert_int_equal(strlen(id), 32);
    }
}

static void no_two_are_alike(void **state)
{
    char uuids[200][UUID_SIZE], hexes[200][HEX_ID_SIZE];
    (void)state;

    for (size_t i = 0; i < 200; i++) {
        uuid_v4(uuids[i]);
        hex_id(hexes[i]);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(uuids[i], uuids[j]);
            assert_string_not_equal(hexes[i], hexes[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uuid_is_version_4_of_rfc_4122),
        cmocka_unit_test(a_hex_id_is_32_lowercase_digits),
        cmocka_unit_test(no_two_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
