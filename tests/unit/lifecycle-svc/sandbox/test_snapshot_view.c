/* A public snapshot as clients see it. Contract rest-api.md §12, the table of outcomes. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/snapshot_view.h"

enum { CREATED_MS = 1000, HAPPENED_MS = 5000 };

typedef Opensandbox__Orchestrator__V1__SnapshotContainer orch_container;

static orch_condition condition_of(const char *type, const char *status, const char *reason,
                                   const char *message)
{
    orch_condition condition = OPENSANDBOX__ORCHESTRATOR__V1__CONDITION__INIT;

    condition.type = (char *)type;
    condition.status = (char *)status;
    condition.reason = (char *)reason;
    condition.message = (char *)message;
    condition.last_transition_unix_ms = HAPPENED_MS;
    return condition;
}

static orch_snapshot snapshot_in(const char *phase)
{
    orch_snapshot snapshot = OPENSANDBOX__ORCHESTRATOR__V1__SNAPSHOT__INIT;

    snapshot.id = (char *)"5e0c0e6e-6f0a-4c39-9a67-5b9d4e1ad3b1";
    snapshot.sandbox = (char *)"web";
    snapshot.phase = (char *)phase;
    snapshot.created_at_unix_ms = CREATED_MS;
    return snapshot;
}

static void every_row_of_the_contracts_table_is_told(void **state)
{
    static const struct {
        const char *phase, *restore_image;
        uint32_t containers;
        bool deleting;
        const char *condition; /* True, with the reason and message below */
        const char *state, *reason, *message;
        int64_t transition_ms;
    } rows[] = {
        // clang-format off
        {"",           "",      0, false, NULL,     "Creating", "snapshot_runtime_in_progress",     "being created",       CREATED_MS},
        {"Pending",    "",      0, false, NULL,     "Creating", "snapshot_runtime_in_progress",     "being created",       CREATED_MS},
        {"Committing", "",      1, false, NULL,     "Creating", "snapshot_runtime_in_progress",     "being created",       CREATED_MS},
        {"Unheard-of", "",      0, false, NULL,     "Creating", "snapshot_runtime_in_progress",     "being created",       CREATED_MS},
        {"Succeed",    "r@sha", 1, false, "Ready",  "Ready",    "snapshot_runtime_ready",           "Snapshot is ready",   HAPPENED_MS},
        {"Succeed",    "r@sha", 3, false, NULL,     "Ready",    "snapshot_runtime_ready",           "Snapshot is ready",   CREATED_MS},
        {"Succeed",    "",      0, false, "Ready",  "Failed",   "snapshot_runtime_missing_image",   "holds no image",      HAPPENED_MS},
        {"Succeed",    "",      1, false, "Ready",  "Failed",   "snapshot_runtime_missing_image",   "holds no image",      HAPPENED_MS},
        {"Succeed",    "",      2, false, "Ready",  "Failed",   "snapshot_restore_image_ambiguous", "several containers",  HAPPENED_MS},
        {"Failed",     "",      0, false, "Failed", "Failed",   "PodNotFound",                      "there is no pod",     HAPPENED_MS},
        {"Failed",     "",      0, false, NULL,     "Failed",   "snapshot_runtime_failed",          "The snapshot failed", CREATED_MS},
        {"Succeed",    "r@sha", 1, true,  "Ready",  "Deleting", "snapshot_deleting",                "being deleted",       CREATED_MS},
        {"Committing", "",      1, true,  NULL,     "Deleting", "snapshot_deleting",                "being deleted",       CREATED_MS},
        // clang-format on
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        orch_snapshot snapshot = snapshot_in(rows[i].phase);
        orch_condition condition = condition_of(rows[i].condition, "True", "PodNotFound", "there is no pod");
        orch_condition *conditions[] = {&condition};
        SCOPED_SNAPSHOT_VIEW struct snapshot_view view = {0};

        snapshot.restore_image = (char *)rows[i].restore_image;
        snapshot.container_count = rows[i].containers;
        snapshot.deleting = rows[i].deleting;
        snapshot.conditions = conditions;
        snapshot.n_conditions = rows[i].condition != NULL;
        snapshot_view_of(&snapshot, &view);
        assert_string_equal(snapshot_state_name(view.state), rows[i].state);
        assert_string_equal(view.reason, rows[i].reason);
        assert_contains(view.message, rows[i].message);
        assert_int_equal(view.last_transition_unix_ms, rows[i].transition_ms);
        assert_int_equal(snapshot_state_of(&snapshot), view.state);
    }
}

static void a_condition_that_is_not_true_has_no_words(void **state)
{
    orch_snapshot snapshot = snapshot_in("Failed");
    orch_condition condition = condition_of("Failed", "False", "Old", "an old story");
    orch_condition *conditions[] = {&condition};
    SCOPED_SNAPSHOT_VIEW struct snapshot_view view = {0};

    (void)state;
    snapshot.conditions = conditions;
    snapshot.n_conditions = 1;
    snapshot_view_of(&snapshot, &view);
    assert_string_equal(view.reason, "snapshot_runtime_failed");
    assert_int_equal(view.last_transition_unix_ms, CREATED_MS);
}

static void a_failure_without_words_gets_the_contracts(void **state)
{
    orch_snapshot snapshot = snapshot_in("Failed");
    orch_condition condition = condition_of("Failed", "True", "", "");
    orch_condition *conditions[] = {&condition};
    SCOPED_SNAPSHOT_VIEW struct snapshot_view view = {0};

    (void)state;
    snapshot.conditions = conditions;
    snapshot.n_conditions = 1;
    snapshot_view_of(&snapshot, &view);
    assert_string_equal(view.reason, "snapshot_runtime_failed");
    assert_string_equal(view.message, "The snapshot failed");
    assert_int_equal(view.last_transition_unix_ms, HAPPENED_MS);
}

static void a_name_that_was_not_given_is_none(void **state)
{
    orch_snapshot snapshot = snapshot_in("Pending");
    SCOPED_SNAPSHOT_VIEW struct snapshot_view nameless = {0}, named = {0};

    (void)state;
    snapshot_view_of(&snapshot, &nameless);
    assert_null(nameless.name);
    snapshot.display_name = (char *)"before the upgrade";
    snapshot_view_of(&snapshot, &named);
    assert_string_equal(named.name, "before the upgrade");
    assert_string_equal(named.sandbox_id, "web");
}

static void images_are_told_and_progress_only_while_it_works(void **state)
{
    Opensandbox__Orchestrator__V1__SnapshotProgress progress =
        OPENSANDBOX__ORCHESTRATOR__V1__SNAPSHOT_PROGRESS__INIT;
    orch_container container = OPENSANDBOX__ORCHESTRATOR__V1__SNAPSHOT_CONTAINER__INIT;
    orch_container *containers[] = {&container};
    orch_snapshot snapshot = snapshot_in("Committing");
    SCOPED_SNAPSHOT_VIEW struct snapshot_view working = {0}, failed = {0};

    (void)state;
    container.container = (char *)"sandbox";
    container.image_uri = (char *)"registry/web-sandbox:snap-1";
    progress.phase = (char *)"Capturing";
    progress.bytes_read = 7;
    snapshot.containers = containers;
    snapshot.n_containers = 1;
    snapshot.progress = &progress;
    snapshot_view_of(&snapshot, &working);
    assert_int_equal(working.image_count, 1);
    assert_string_equal(working.images[0].uri, "registry/web-sandbox:snap-1");
    assert_string_equal(working.images[0].digest, "");
    assert_string_equal(working.work_phase, "Capturing");
    assert_int_equal(working.bytes_read, 7);
    snapshot.phase = (char *)"Failed";
    snapshot_view_of(&snapshot, &failed);
    assert_null(failed.work_phase);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_contracts_table_is_told),
        cmocka_unit_test(a_condition_that_is_not_true_has_no_words),
        cmocka_unit_test(a_failure_without_words_gets_the_contracts),
        cmocka_unit_test(a_name_that_was_not_given_is_none),
        cmocka_unit_test(images_are_told_and_progress_only_while_it_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
