/* test_intents.c - PauseSandbox and ResumeSandbox: who is let in, and what is written.
 * Spec: contract/rest-api.md §7. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "tests/unit/snapshot-svc/api/api_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)

/* ---- the two calls ---- */

static int ask(struct stage *stage, const char *method, const char *name, struct error *err)
{
    Opensandbox__Orchestrator__V1__PauseSandboxRequest pause =
        OPENSANDBOX__ORCHESTRATOR__V1__PAUSE_SANDBOX_REQUEST__INIT;
    Opensandbox__Orchestrator__V1__ResumeSandboxRequest resume =
        OPENSANDBOX__ORCHESTRATOR__V1__RESUME_SANDBOX_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    bool pauses = strcmp(method, "PauseSandbox") == 0;

    pause.name = resume.name = (char *)name;
    int done = rpc_unary(stage->channel, ORCHESTRATOR, method, pauses ? &pause.base : &resume.base, &answer,
                         NULL, err);
    if (done == 0)
        protobuf_c_message_free_unpacked(answer, NULL);
    return done;
}

static const char *pause_of(struct stage *stage, const char *name, json_int_t *ret_generation)
{
    SCOPED(json) json_t *sandbox = stage_get(stage, KIND_BATCH_SANDBOX, name);
    const json_t *pause = json_path(sandbox, "spec.pause");

    *ret_generation = json_integer_value(json_path(sandbox, "metadata.generation"));
    return !pause ? "absent" : json_is_true(pause) ? "true" : "false";
}

/* ---- the contract's table ---- */

static const struct row {
    const char *method;
    struct api_given given;
    const char *refusal; /* part of its text; NULL: let in */
    int generations;     /* raised by: 1 a patch, 2 the bridge */
} rows[] = {
    // clang-format off
    {"PauseSandbox",  {"Succeed",  NULL,           NULL},    NULL, 1},
    {"PauseSandbox",  {"Succeed",  NULL,           "false"}, NULL, 1},
    {"PauseSandbox",  {"Succeed",  "PauseFailed",  "true"},  NULL, 2},
    {"PauseSandbox",  {"Succeed",  NULL,           "true"},  NULL, 2},
    {"PauseSandbox",  {"Paused",   NULL,           "true"},  "already paused", 0},
    {"PauseSandbox",  {"Pausing",  NULL,           "true"},  "operation in progress", 0},
    {"PauseSandbox",  {"Resuming", NULL,           "false"}, "operation in progress", 0},
    {"PauseSandbox",  {"Pending",  NULL,           NULL},    "being created", 0},
    {"PauseSandbox",  {"Failed",   NULL,           NULL},    "not available", 0},
    {"PauseSandbox",  {"Failed",   "PauseFailed",  "true"},  "pause caused pod loss", 0},
    {"ResumeSandbox", {"Paused",   NULL,           "true"},  NULL, 1},
    {"ResumeSandbox", {"Paused",   "ResumeFailed", "false"}, NULL, 2},
    {"ResumeSandbox", {"Succeed",  NULL,           NULL},    "expected Paused", 0},
    {"ResumeSandbox", {"Succeed",  "PauseFailed",  "true"},  "expected Paused", 0},
    {"ResumeSandbox", {"Pausing",  NULL,           "true"},  "operation in progress", 0},
    {"ResumeSandbox", {"Resuming", NULL,           "false"}, "operation in progress", 0},
    {"ResumeSandbox", {"Pending",  NULL,           NULL},    "being created", 0},
    {"ResumeSandbox", {"Failed",   "ResumeFailed", "false"}, "resume caused pod start failure", 0},
    // clang-format on
};

static void check_row(struct stage *stage, const struct row *row, size_t index)
{
    SCOPED(string) char *name = xasprintf("box-%zu", index);
    bool pauses = strcmp(row->method, "PauseSandbox") == 0;
    struct error err = {0};
    json_int_t generation;

    api_give_sandbox(stage, name, row->given);
    int done = ask(stage, row->method, name, &err);
    const char *pause = pause_of(stage, name, &generation);
    if (generation != 1 + row->generations)
        fail_msg("row %zu: want %d writes of the spec, got %d (%s)", index, row->generations,
                 (int)generation - 1, err.text);
    if (row->refusal) {
        assert_int_equal(done, -1);
        assert_int_equal(err.code, ERR_PRECONDITION);
        assert_text_has(err.text, row->refusal);
    } else {
        assert_ok(done);
        assert_string_equal(pause, pauses ? "true" : "false");
    }
}

static void every_phase_answers_as_the_contract_says(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check_row(*state, &rows[i], i);
}

/* ---- beyond the table ---- */

static void a_missing_sandbox_is_not_found(void **state)
{
    struct error err = {0};

    assert_int_equal(ask(*state, "PauseSandbox", "nobody", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.reason, "SandboxNotFound");
}

static void a_legacy_name_is_found(void **state)
{
    struct error err = {0};
    json_int_t generation;

    api_give_sandbox(*state, "sandbox-old", (struct api_given){.phase = "Succeed"});
    assert_ok(ask(*state, "PauseSandbox", "old", &err));
    assert_string_equal(pause_of(*state, "sandbox-old", &generation), "true");
}

static void a_wish_that_nobody_has_answered_yet_is_an_operation_in_progress(void **state)
{
    struct error err = {0};
    json_int_t generation;

    api_give_sandbox(*state, "web", (struct api_given){.phase = "Succeed"});
    assert_ok(ask(*state, "PauseSandbox", "web", &err));
    assert_int_equal(ask(*state, "PauseSandbox", "web", &err), -1);
    assert_int_equal(err.code, ERR_PRECONDITION);
    assert_text_has(err.text, "operation in progress");
    assert_string_equal(pause_of(*state, "web", &generation), "true");
    assert_int_equal(generation, 2);
}

struct racer {
    struct stage *stage;
    int done;
    struct error err;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->done = ask(racer->stage, "PauseSandbox", "web", &racer->err);
    return NULL;
}

/* A law: however many ask, one is told that its wish was taken. */
static void of_racing_callers_exactly_one_is_let_in(void **state)
{
    enum { RACERS = 8 };
    struct racer racers[RACERS] = {0};
    pthread_t threads[RACERS];
    int winners = 0;

    api_give_sandbox(*state, "web",
                     (struct api_given){.phase = "Succeed", .condition = "PauseFailed", .pause = "true"});
    for (int i = 0; i < RACERS; i++) {
        racers[i].stage = *state;
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        winners += racers[i].done == 0;
        if (racers[i].done < 0)
            assert_int_equal(racers[i].err.code, ERR_PRECONDITION);
    }
    assert_int_equal(winners, 1);
}

/* ---- a controller that writes all the time ---- */

struct writer {
    struct stage *stage;
    int stop; /* atomic */
};

static void *write_status(void *arg)
{
    struct writer *writer = arg;

    for (int i = 1; !__atomic_load_n(&writer->stop, __ATOMIC_ACQUIRE); i++) {
        SCOPED(json) json_t *patch = quotedf("{'status': {'observedGeneration': %d}}", i);
        struct error err = {0};
        (void)cluster_patch_status(writer->stage->kit->cluster, KIND_BATCH_SANDBOX, "test", "web", patch,
                                   NULL, NULL, &err);
    }
    return NULL;
}

/* Its writes move the resourceVersion, but take nothing of the decision away. */
static void a_status_write_in_between_does_not_refuse_a_wish(void **state)
{
    struct writer writer = {.stage = *state};
    struct error err = {0};
    pthread_t thread;

    api_give_sandbox(*state, "web", (struct api_given){.phase = "Succeed"});
    assert_int_equal(pthread_create(&thread, NULL, write_status, &writer), 0);
    for (int i = 0; i < 40 && err.code == ERR_NONE; i++) {
        api_acknowledge(*state, "web");
        (void)ask(*state, "PauseSandbox", "web", &err);
    }
    __atomic_store_n(&writer.stop, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    if (err.code != ERR_NONE)
        fail_msg("%s: %s", error_code_name(err.code), err.text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_phase_answers_as_the_contract_says),
        TEST(a_missing_sandbox_is_not_found),
        TEST(a_legacy_name_is_found),
        TEST(a_wish_that_nobody_has_answered_yet_is_an_operation_in_progress),
        TEST(of_racing_callers_exactly_one_is_let_in),
        TEST(a_status_write_in_between_does_not_refuse_a_wish),
    };

    log_setup("test", LOG_LEVEL_MAX, LOG_FORMAT_JSON);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
