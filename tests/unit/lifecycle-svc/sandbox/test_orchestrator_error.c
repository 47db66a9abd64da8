/* What clients hear of snapshot-svc's refusals: every reason that it has, and every class without one. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/orchestrator_error.h"

struct row {
    enum error_code class;
    const char *reason;
    int status;
    const char *code;
};

static const struct row rows[] = {
    // clang-format off
    {ERR_NOT_FOUND,    "SandboxNotFound",    404, "KUBERNETES::SANDBOX_NOT_FOUND"},
    {ERR_PRECONDITION, "InvalidState",       409, "KUBERNETES::INVALID_STATE"},
    {ERR_PRECONDITION, "NoRunningPod",       409, "KUBERNETES::INVALID_STATE"},
    {ERR_PRECONDITION, "NoExpiry",           409, "DOCKER::INVALID_EXPIRATION"},
    {ERR_EXISTS,       "BeingDeleted",       409, "KUBERNETES::INVALID_STATE"},
    {ERR_EXISTS,       "RequestMismatch",    400, "SANDBOX::INVALID_PARAMETER"},
    {ERR_NOT_FOUND,    "SnapshotNotFound",   404, "SNAPSHOT::NOT_FOUND"},
    {ERR_EXISTS,       "SnapshotConflict",   409, "SNAPSHOT::INVALID_STATE"},
    {ERR_PRECONDITION, "InvalidSourceState", 409, "SNAPSHOT::INVALID_SOURCE_STATE"},
    {ERR_UNAVAILABLE,  "AgentUnreachable",   503, "KUBERNETES::INITIALIZATION_ERROR"},
    /* whatever kept the Secret from being made, the caller did nothing wrong */
    {ERR_DENIED,       "ImageAuthSecret",    500, "KUBERNETES::API_ERROR"},
    {ERR_INVALID,      "ImageAuthSecret",    500, "KUBERNETES::API_ERROR"},
    {ERR_CONFLICT,     "ImageAuthSecret",    500, "KUBERNETES::API_ERROR"},
    {ERR_UNAVAILABLE,  "ImageAuthSecret",    500, "KUBERNETES::API_ERROR"},
    {ERR_NOT_FOUND,    "ImageAuthSecret",    500, "KUBERNETES::API_ERROR"},

    {ERR_NOT_FOUND,    "", 404, "KUBERNETES::SANDBOX_NOT_FOUND"},
    {ERR_PRECONDITION, "", 409, "KUBERNETES::INVALID_STATE"},
    {ERR_CONFLICT,     "", 409, "KUBERNETES::INVALID_STATE"},
    {ERR_INVALID,      "", 400, "SANDBOX::INVALID_PARAMETER"},
    {ERR_UNSUPPORTED,  "", 501, "SANDBOX::API_NOT_SUPPORTED"},
    {ERR_UNAVAILABLE,  "", 503, "KUBERNETES::INITIALIZATION_ERROR"},
    {ERR_TIMEOUT,      "", 503, "KUBERNETES::INITIALIZATION_ERROR"},
    {ERR_EXISTS,       "", 500, "KUBERNETES::API_ERROR"},
    {ERR_DENIED,       "", 500, "KUBERNETES::API_ERROR"},
    {ERR_INTERNAL,     "", 500, "KUBERNETES::API_ERROR"},
    {ERR_INTERNAL,     "NobodyKnowsThis", 500, "KUBERNETES::API_ERROR"},
    // clang-format on
};

static void every_refusal_has_the_contracts_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        (void)error_set(&err, rows[i].class, "as it was said");
        (void)error_reason(&err, rows[i].reason);
        assert_int_equal(orchestrator_error(&err, "web"), -1);
        if (http_status_of(&err) == rows[i].status && strcmp(contract_code_of(&err), rows[i].code) == 0)
            continue;
        fail_msg("class %d, reason \"%s\": want %d %s, got %d %s", (int)rows[i].class, rows[i].reason,
                 rows[i].status, rows[i].code, http_status_of(&err), contract_code_of(&err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_has_the_contracts_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
