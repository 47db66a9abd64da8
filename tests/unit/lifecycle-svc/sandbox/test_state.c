/* From phase, conditions and annotations to the state that clients see. Contract rest-api.md §6, a row each. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/state.h"
#include "shared/base/cleanup.h"

enum { CREATED_MS = 1000, CHANGED_MS = 2000 };

struct row {
    const char *phase, *endpoints;
    int32_t ready, allocated;
    bool deleting;
    const char *condition, *condition_message;
    const char *state, *reason, *message;
};

static const struct row rows[] = {
    // clang-format off
    /* primary: the phase */
    {"Pending",  "", 0, 0, false, NULL, NULL, "Pending",  "CREATING", "Sandbox is being created"},
    {"Succeed",  "", 0, 0, false, NULL, NULL, "Running",  "RUNNING",  "Sandbox is running"},
    {"Running",  "", 0, 0, false, NULL, NULL, "Running",  "RUNNING",  "Sandbox is running"},
    {"Pausing",  "", 0, 0, false, NULL, NULL, "Pausing",  "PAUSING",  "Pausing sandbox"},
    {"Paused",   "", 0, 0, false, NULL, NULL, "Paused",   "PAUSED",   "Sandbox is paused"},
    {"Resuming", "", 0, 0, false, NULL, NULL, "Resuming", "RESUMING", "Resuming sandbox"},
    {"Failed",   "", 0, 0, false, NULL, NULL, "Failed",   "FAILED",   "Operation failed"},
    /* a failure gives its message */
    {"Failed",   "", 0, 0, false, "PodFailed",    "no image", "Failed", "FAILED", "no image"},
    {"Failed",   "", 0, 0, false, "ResumeFailed", "gone",     "Failed", "FAILED", "gone"},
    {"Failed",   "", 0, 0, false, "PauseFailed",  "  ",       "Failed", "FAILED", "Operation failed"},
    {"Failed",   "", 0, 0, false, "Ready",        "x",        "Failed", "FAILED", "Operation failed"},
    /* a failed pause or resume that the state does not show */
    {"Succeed",  "", 0, 0, false, "PauseFailed",  "push: 401", "Running", "RUNNING",
     "Sandbox is running; the last pause failed: push: 401"},
    {"Paused",   "", 0, 0, false, "ResumeFailed", "no node", "Paused", "PAUSED",
     "Sandbox is paused; the last resume failed: no node"},
    {"Pausing",  "", 0, 0, false, "PauseFailed",  "old",     "Pausing", "PAUSING", "Pausing sandbox"},
    {"Succeed",  "", 0, 0, false, "PauseFailed",  "",        "Running", "RUNNING", "Sandbox is running"},
    /* deletion wins from every state */
    {"Succeed",  "[\"10.0.0.1\"]", 1, 1, true, NULL, NULL, "Stopping", "STOPPING", "Sandbox is being deleted"},
    {"Failed",   "", 0, 0, true,  NULL, NULL, "Stopping", "STOPPING", "Sandbox is being deleted"},
    /* fallback: no phase yet, or one we do not know */
    {"",         "[\"10.0.0.1\"]", 1, 1, false, NULL, NULL, "Running",   "POD_READY_WITH_IP",    NULL},
    {"",         "[\"10.0.0.1\"]", 0, 1, false, NULL, NULL, "Allocated", "IP_ASSIGNED",          NULL},
    {"Strange",  "[\"10.0.0.1\"]", 0, 0, false, NULL, NULL, "Allocated", "IP_ASSIGNED",          NULL},
    {"",         "",               0, 1, false, NULL, NULL, "Pending",   "POD_SCHEDULED",        NULL},
    {"",         "",               0, 0, false, NULL, NULL, "Pending",   "BATCHSANDBOX_PENDING", NULL},
    {"",         "[\"\"]",         1, 0, false, NULL, NULL, "Pending",   "BATCHSANDBOX_PENDING", NULL},
    {"",         "[]",             1, 1, false, NULL, NULL, "Pending",   "POD_SCHEDULED",        NULL},
    {"",         "not json",       1, 1, false, NULL, NULL, "Pending",   "POD_SCHEDULED",        NULL},
    {"",         "{\"a\":1}",      1, 0, false, NULL, NULL, "Pending",   "BATCHSANDBOX_PENDING", NULL},
    {"",         "[7]",            1, 0, false, NULL, NULL, "Pending",   "BATCHSANDBOX_PENDING", NULL},
    // clang-format on
};

static orch_sandbox sandbox_with(const char *phase, orch_condition **conditions, size_t count)
{
    orch_sandbox sandbox = OPENSANDBOX__ORCHESTRATOR__V1__SANDBOX__INIT;

    sandbox.name = (char *)"web";
    sandbox.phase = (char *)phase;
    sandbox.created_at_unix_ms = CREATED_MS;
    sandbox.conditions = conditions;
    sandbox.n_conditions = count;
    return sandbox;
}

static orch_condition condition_of(const char *type, const char *message)
{
    orch_condition condition = OPENSANDBOX__ORCHESTRATOR__V1__CONDITION__INIT;

    condition.type = (char *)type;
    condition.status = (char *)"True";
    condition.message = (char *)message;
    condition.last_transition_unix_ms = CHANGED_MS;
    return condition;
}

static void every_row_of_the_mapping_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        orch_condition condition = condition_of(rows[i].condition, rows[i].condition_message);
        orch_condition *one[] = {&condition};
        orch_sandbox sandbox = sandbox_with(rows[i].phase, one, rows[i].condition != NULL);
        struct sandbox_status status;

        sandbox.endpoints_json = (char *)rows[i].endpoints;
        sandbox.ready = rows[i].ready;
        sandbox.allocated = rows[i].allocated;
        sandbox.deleting = rows[i].deleting;
        sandbox_status_of(&sandbox, &status);
        assert_string_equal(sandbox_state_name(status.state), rows[i].state);
        assert_int_equal(status.state, sandbox_state_of(&sandbox));
        assert_string_equal(status.reason, rows[i].reason);
        if (rows[i].message)
            assert_string_equal(status.message, rows[i].message);
        assert_true(*status.message);
        free(status.message);
    }
}

static int64_t transition_with(const char *phase, const char *type)
{
    orch_condition condition = condition_of(type, "");
    orch_condition *one[] = {&condition};
    orch_sandbox sandbox = sandbox_with(phase, one, 1);
    struct sandbox_status status;

    sandbox_status_of(&sandbox, &status);
    free(status.message);
    return status.last_transition_unix_ms;
}

static void the_transition_time_is_that_of_the_states_own_condition(void **state)
{
    static const struct {
        const char *phase, *type;
        int64_t ms;
    } cases[] = {
        {"Succeed", "Ready", CHANGED_MS},        {"Succeed", "Paused", CREATED_MS},
        {"Pausing", "Progressing", CHANGED_MS},  {"Pending", "Progressing", CHANGED_MS},
        {"Resuming", "Progressing", CHANGED_MS}, {"Paused", "Paused", CHANGED_MS},
        {"Paused", "Ready", CREATED_MS},         {"Failed", "PodFailed", CHANGED_MS},
        {"Failed", "PauseFailed", CHANGED_MS},   {"Failed", "Ready", CREATED_MS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(transition_with(cases[i].phase, cases[i].type), cases[i].ms);
}

static void the_pods_failure_comes_before_the_resumes_and_the_pauses(void **state)
{
    orch_condition pause = condition_of("PauseFailed", "pause"),
                   resume = condition_of("ResumeFailed", "resume"), pod = condition_of("PodFailed", "pod");
    orch_condition *all[] = {&pause, &resume, &pod};
    orch_sandbox sandbox = sandbox_with("Failed", all, 3);
    struct sandbox_status status;

    (void)state;
    sandbox_status_of(&sandbox, &status);
    assert_string_equal(status.message, "pod");
    free(status.message);
    sandbox.n_conditions = 2;
    sandbox_status_of(&sandbox, &status);
    assert_string_equal(status.message, "resume");
    free(status.message);
}

static void a_condition_that_is_not_true_says_nothing(void **state)
{
    orch_condition failed = condition_of("PauseFailed", "old");
    orch_condition *one[] = {&failed};
    orch_sandbox sandbox = sandbox_with("Succeed", one, 1);

    (void)state;
    assert_non_null(sandbox_hidden_failure(&sandbox));
    failed.status = (char *)"False";
    assert_null(sandbox_hidden_failure(&sandbox));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_mapping_holds),
        cmocka_unit_test(the_transition_time_is_that_of_the_states_own_condition),
        cmocka_unit_test(the_pods_failure_comes_before_the_resumes_and_the_pauses),
        cmocka_unit_test(a_condition_that_is_not_true_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
