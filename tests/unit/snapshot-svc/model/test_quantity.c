/* test_quantity.c - Kubernetes quantities; the values are those of apimachinery's own parser. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/quantity.h"

enum { REFUSED = -1 };

static const struct row {
    const char *text;
    int64_t units, millis; /* REFUSED: no quantity, or more than an int64 */
} rows[] = {
    // clang-format off
    {"0", 0, 0},
    {"1", 1, 1000},
    {"+1", 1, 1000},
    {"100m", 1, 100},                   /* a tenth of a byte is rounded up */
    {"500m", 1, 500},
    {"1500m", 2, 1500},
    {"0.5", 1, 500},
    {".5", 1, 500},
    {"5.", 5, 5000},
    {"2.0005", 3, 2001},
    {"1u", 1, 1},
    {"1n", 1, 1},
    {"1k", 1000, 1000000},
    {"1M", 1000000, 1000000000},
    {"1Ki", 1024, 1024000},
    {"128Mi", 134217728, 134217728000},
    {"1.5Gi", 1610612736, 1610612736000},
    {"1e3", 1000, 1000000},
    {"1E3", 1000, 1000000},
    {"1E", 1000000000000000000, REFUSED},
    {"25e-1", 3, 2500},
    {"12E-3", 1, 12},
    {"0.000000000000000000000000000000000000000000001", 1, 1},
    {"7Ei", 8070450532247928832, REFUSED},
    {"8Ei", REFUSED, REFUSED},
    {"9223372036854775807", REFUSED, REFUSED}, /* more digits than are read; nobody has so much memory */
    {"999999999999999999", 999999999999999999, REFUSED},
    {"1e40", REFUSED, REFUSED},
    {"1e-40", 1, 1},
    {"1e999999999999", REFUSED, REFUSED},
    {"", REFUSED, REFUSED},
    {"-1", REFUSED, REFUSED},
    {"m", REFUSED, REFUSED},
    {".", REFUSED, REFUSED},
    {"1.2.3", REFUSED, REFUSED},
    {"1K", REFUSED, REFUSED},
    {"1mi", REFUSED, REFUSED},
    {"1e", REFUSED, REFUSED},
    {"1e+", REFUSED, REFUSED},
    {"1e3k", REFUSED, REFUSED},
    {"1 Gi", REFUSED, REFUSED},
    {" 1", REFUSED, REFUSED},
    {"1Gi\n", REFUSED, REFUSED},
    {"0x10", REFUSED, REFUSED},
    {"NaN", REFUSED, REFUSED},
    // clang-format on
};

typedef int quantity_fn(const json_t *value, int64_t *ret, struct error *err);

static void check(const char *text, quantity_fn *read, int64_t wanted)
{
    SCOPED(json) json_t *value = json_string(text);
    struct error err = {0};
    int64_t found = 42;
    int done = read(value, &found, &err);

    if (done < 0 && (err.code != ERR_INVALID || found != 42))
        fail_msg("\"%s\": a refusal with code %s, result %" PRId64, text, error_code_name(err.code), found);
    if ((done < 0 ? REFUSED : found) != wanted)
        fail_msg("\"%s\": want %" PRId64 ", got %" PRId64 " (%s)", text, wanted, done < 0 ? REFUSED : found,
                 err.text);
}

static void each_text_is_its_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        check(rows[i].text, quantity_units, rows[i].units);
        check(rows[i].text, quantity_millis, rows[i].millis);
    }
}

static void json_numbers_are_quantities_too(void **state)
{
    SCOPED(json) json_t *two = json_integer(2);
    SCOPED(json) json_t *half = json_real(0.5);
    SCOPED(json) json_t *less = json_integer(-2);
    SCOPED(json) json_t *list = json_array();
    struct error err = {0};
    int64_t value;

    (void)state;
    assert_int_equal(quantity_millis(two, &value, &err), 0);
    assert_int_equal(value, 2000);
    assert_int_equal(quantity_millis(half, &value, &err), 0);
    assert_int_equal(value, 500);
    assert_int_equal(quantity_millis(less, &value, &err), -1);
    assert_int_equal(quantity_millis(list, &value, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_is_its_number),
        cmocka_unit_test(json_numbers_are_quantities_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
