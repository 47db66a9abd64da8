#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/rpc/status.h"

/* The laws: what we send comes back as it was, and whatever a stranger sends means something. */

static void every_error_code_survives_the_wire(void **state)
{
    (void)state;
    for (enum error_code code = 0; code < ERR_MAX; code++)
        assert_int_equal(rpc_error_code_of(rpc_status_of(code)), code);
}

static void no_two_error_codes_share_a_status(void **state)
{
    (void)state;
    for (enum error_code a = 0; a < ERR_MAX; a++)
        for (enum error_code b = 0; b < a; b++)
            assert_int_not_equal(rpc_status_of(a), rpc_status_of(b));
}

static void every_status_but_ok_is_an_error_and_has_a_name(void **state)
{
    (void)state;
    assert_int_equal(rpc_error_code_of(GRPC_STATUS_OK), ERR_NONE);
    for (int status = 1; status <= GRPC_STATUS_UNAUTHENTICATED; status++) {
        assert_int_not_equal(rpc_error_code_of((grpc_status_code)status), ERR_NONE);
        assert_true(strlen(rpc_status_name((grpc_status_code)status)) > 0);
    }
}

static void codes_out_of_range_are_internal_errors(void **state)
{
    (void)state;
    assert_int_equal(rpc_error_code_of((grpc_status_code)99), ERR_INTERNAL);
    assert_int_equal(rpc_status_of((enum error_code)99), GRPC_STATUS_INTERNAL);
    assert_string_equal(rpc_status_name((grpc_status_code)99), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_code_survives_the_wire),
        cmocka_unit_test(no_two_error_codes_share_a_status),
        cmocka_unit_test(every_status_but_ok_is_an_error_and_has_a_name),
        cmocka_unit_test(codes_out_of_range_are_internal_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
