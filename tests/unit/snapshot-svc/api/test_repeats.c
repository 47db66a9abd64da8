/* test_repeats.c - a pause or a resume with a request id that is asked for more than once. */
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
#include "tests/unit/snapshot-svc/api/meddled_cluster.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#include <opensandbox/orchestrator/v1/orchestrator.pb-c.h>

#define ORCHESTRATOR (&opensandbox__orchestrator__v1__orchestrator__descriptor)
#define LAST_WISH    "stasis.opensandbox.io/last-wish"

static const struct api_given running = {.phase = "Succeed"}, failed_to_pause = {.phase = "Succeed",
                                                                                 .condition = "PauseFailed",
                                                                                 .pause = "true"};

static int pause_by(struct rpc_channel *channel, const char *id, int64_t *ret_generation, struct error *err)
{
    Opensandbox__Orchestrator__V1__PauseSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__PAUSE_SANDBOX_REQUEST__INIT;
    Opensandbox__Orchestrator__V1__PauseSandboxResponse *answer = NULL;

    error_clear(err);
    request.name = "web";
    request.request_id = (char *)id;
    if (rpc_unary(channel, ORCHESTRATOR, "PauseSandbox", &request.base, &answer, NULL, err) < 0)
        return -1;
    *ret_generation = answer->generation;
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    return 0;
}

static int resume(struct stage *stage, const char *id, struct error *err)
{
    Opensandbox__Orchestrator__V1__ResumeSandboxRequest request =
        OPENSANDBOX__ORCHESTRATOR__V1__RESUME_SANDBOX_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;

    error_clear(err);
    request.name = "web";
    request.request_id = (char *)id;
    if (rpc_unary(stage->channel, ORCHESTRATOR, "ResumeSandbox", &request.base, &answer, NULL, err) < 0)
        return -1;
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

static int64_t generation_of(struct stage *stage)
{
    SCOPED(json) json_t *sandbox = stage_get(stage, KIND_BATCH_SANDBOX, "web");
    return json_integer_value(json_path(sandbox, "metadata.generation"));
}

static char *last_wish(struct stage *stage)
{
    SCOPED(json) json_t *sandbox = stage_get(stage, KIND_BATCH_SANDBOX, "web");
    const char *text =
        json_string_value(json_object_get(json_path(sandbox, "metadata.annotations"), LAST_WISH));
    return text ? xstrdup(text) : NULL;
}

static void set_phase(struct stage *stage, const char *phase)
{
    SCOPED(json) json_t *patch = quotedf("{'status': {" COUNTERS ", 'phase': '%s'}}", phase);
    struct error err = {0};
    assert_ok(cluster_patch_status(stage->kit->cluster, KIND_BATCH_SANDBOX, "test", "web", patch, NULL, NULL,
                                   &err));
}

/* ---- one caller ---- */

static void a_repeat_answers_with_the_generation_of_the_first_and_writes_nothing(void **state)
{
    struct stage *stage = *state;
    int64_t first = 0, again = 0;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    assert_ok(pause_by(stage->channel, "id-1", &first, &err));
    assert_int_equal(first, 2);
    assert_ok(pause_by(stage->channel, "id-1", &again, &err));
    assert_int_equal(again, first);
    assert_int_equal(generation_of(stage), 2);
}

static void a_repeat_answers_so_whatever_became_of_it(void **state)
{
    struct stage *stage = *state;
    static const char *const phases[] = {"Pausing", "Paused", "Failed"};
    int64_t first = 0, again = 0;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    assert_ok(pause_by(stage->channel, "id-1", &first, &err));
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        set_phase(stage, phases[i]);
        assert_ok(pause_by(stage->channel, "id-1", &again, &err));
        assert_int_equal(again, first);
    }
}

static void another_id_and_no_id_follow_the_table(void **state)
{
    struct stage *stage = *state;
    int64_t generation = 0;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    assert_ok(pause_by(stage->channel, "id-1", &generation, &err));
    assert_refused(pause_by(stage->channel, "id-2", &generation, &err), ERR_PRECONDITION);
    assert_refused(pause_by(stage->channel, "id-", &generation, &err), ERR_PRECONDITION);
    assert_refused(pause_by(stage->channel, "", &generation, &err), ERR_PRECONDITION);
}

static void the_id_of_a_pause_does_not_answer_for_a_resume(void **state)
{
    struct stage *stage = *state;
    int64_t generation = 0;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    assert_ok(pause_by(stage->channel, "id-1", &generation, &err));
    assert_refused(resume(stage, "id-1", &err), ERR_PRECONDITION);
    set_phase(stage, "Paused");
    api_acknowledge(stage, "web");
    assert_ok(resume(stage, "id-1", &err));
    assert_refused(pause_by(stage->channel, "id-1", &generation, &err), ERR_PRECONDITION);
}

/* Else the first pause's id would answer for what has come to pass since. */
static void a_wish_without_an_id_in_between_is_one_too(void **state)
{
    struct stage *stage = *state;
    int64_t generation = 0;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    assert_ok(pause_by(stage->channel, "id-1", &generation, &err));
    set_phase(stage, "Paused");
    api_acknowledge(stage, "web");
    assert_ok(resume(stage, "", &err));
    assert_null(last_wish(stage));
    assert_refused(pause_by(stage->channel, "id-1", &generation, &err), ERR_PRECONDITION);
}

static void after_the_bridge_the_last_generation_is_told(void **state)
{
    struct stage *stage = *state;
    int64_t first = 0, again = 0;
    struct error err = {0};

    api_give_sandbox(stage, "web", failed_to_pause);
    assert_ok(pause_by(stage->channel, "id-1", &first, &err));
    assert_int_equal(first, generation_of(stage));
    assert_ok(pause_by(stage->channel, "id-1", &again, &err));
    assert_int_equal(again, first);
}

static void what_is_stored_of_an_id_is_its_hash(void **state)
{
    struct stage *stage = *state;
    int64_t generation = 0;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    assert_ok(pause_by(stage->channel, "abc", &generation, &err));
    SCOPED(string) char *stored = last_wish(stage);
    assert_string_equal(stored, "pause ba7816bf8f01cfea414140de5dae2223 2");
}

static void an_id_may_be_any_text_of_a_kilobyte_and_no_longer(void **state)
{
    struct stage *stage = *state;
    char id[1026];
    int64_t generation = 0;
    struct error err = {0};

    memset(id, '"', sizeof(id));
    id[0] = '\n';
    id[1025] = '\0';
    api_give_sandbox(stage, "web", running);
    assert_refused(pause_by(stage->channel, id, &generation, &err), ERR_INVALID);
    id[1024] = '\0';
    assert_ok(pause_by(stage->channel, id, &generation, &err));
    assert_ok(pause_by(stage->channel, id, &generation, &err));
}

static void a_mark_that_somebody_broke_is_no_repeat(void **state)
{
    struct stage *stage = *state;
    static const char *const marks[] = {"pause", "", "pause ba7816bf8f01cfea414140de5dae2223 ",
                                        "pause ba7816bf8f01cfea414140de5dae2223 -7"};
    int64_t generation = 0;
    struct error err = {0};

    api_give_sandbox(stage, "web", (struct api_given){.phase = "Paused", .pause = "true"});
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        SCOPED(json)
        json_t *patch = quotedf("{'metadata': {'annotations': {'" LAST_WISH "': '%s'}}}", marks[i]);
        assert_ok(
            cluster_patch(stage->kit->cluster, KIND_BATCH_SANDBOX, "test", "web", patch, NULL, NULL, &err));
        assert_refused(pause_by(stage->channel, "abc", &generation, &err), ERR_PRECONDITION);
    }
}

/* ---- callers that race ---- */

struct racer {
    struct rpc_channel *channel;
    const char *id;
    int done;
    int64_t generation;
    struct error err;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    racer->done = pause_by(racer->channel, racer->id, &racer->generation, &racer->err);
    return NULL;
}

enum { RACERS = 8 };

static void run(struct racer *racers)
{
    pthread_t threads[RACERS];

    for (int i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
}

/* A law: of racing callers of one id each is told the same, and one pause is written; by two replicas, over the bridge. */
static void racing_callers_of_one_id_get_one_pause(void **state)
{
    struct stage *stage = *state;
    struct replica *other = replica_new(stage);
    struct racer racers[RACERS] = {0};

    api_give_sandbox(stage, "web", failed_to_pause);
    for (int i = 0; i < RACERS; i++)
        racers[i] =
            (struct racer){.channel = i % 2 ? stage->channel : replica_channel(other), .id = "same id"};
    run(racers);
    for (int i = 0; i < RACERS; i++) {
        if (racers[i].done < 0)
            fail_msg("%s", racers[i].err.text);
        assert_int_equal(racers[i].generation, generation_of(stage));
    }
    replica_free(other);
}

/* A law: of racing callers with an id each, one is let in. */
static void of_racing_ids_exactly_one_is_let_in(void **state)
{
    struct stage *stage = *state;
    struct replica *other = replica_new(stage);
    struct racer racers[RACERS] = {0};
    static const char *const ids[RACERS] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    int winners = 0;

    api_give_sandbox(stage, "web", failed_to_pause);
    for (int i = 0; i < RACERS; i++)
        racers[i] = (struct racer){.channel = i % 2 ? stage->channel : replica_channel(other), .id = ids[i]};
    run(racers);
    for (int i = 0; i < RACERS; i++) {
        winners += racers[i].done == 0;
        if (racers[i].done < 0)
            assert_int_equal(racers[i].err.code, ERR_PRECONDITION);
    }
    assert_int_equal(winners, 1);
    replica_free(other);
}

/* ---- another replica, at the worst moment ---- */

struct intruder {
    struct stage *stage;
    struct replica *replica;
    const char *id;
    int at; /* before the patch of this number, counted down */
    int64_t generation;
};

static int pause_elsewhere(void *self, const struct meddled_call *call, struct error *unused)
{
    struct intruder *intruder = self;
    struct error err = {0};

    (void)unused;
    if (call->verb == MEDDLED_PATCH && --intruder->at == 0)
        assert_ok(pause_by(replica_channel(intruder->replica), intruder->id, &intruder->generation, &err));
    return 0;
}

static void lose_to(struct stage *stage, struct intruder *intruder, struct meddled_cluster *meddled)
{
    intruder->stage = stage;
    intruder->replica = replica_new(stage);
    meddled_cluster_init(meddled, stage->kit->cluster);
    meddled->before = pause_elsewhere;
    meddled->self = intruder;
    stage->service.cluster = &meddled->cluster;
}

static void a_repeat_that_lost_to_another_replica_gets_its_answer(void **state)
{
    struct stage *stage = *state;
    const struct api_given *given[] = {&running, &failed_to_pause, &failed_to_pause};
    static const int moments[] = {1, 1, 2};
    struct error err = {0};

    for (int i = 0; i < 3; i++) {
        struct intruder intruder = {.id = "same id", .at = moments[i]};
        struct meddled_cluster meddled;
        int64_t generation = 0;
        api_give_sandbox(stage, "web", *given[i]);
        lose_to(stage, &intruder, &meddled);
        assert_ok(pause_by(stage->channel, "same id", &generation, &err));
        assert_int_equal(generation, intruder.generation);
        assert_int_equal(generation, generation_of(stage));
        replica_free(intruder.replica);
        stage_delete(stage, KIND_BATCH_SANDBOX, "web", 0);
    }
}

/* In the middle of the bridge, too: spec.pause says what we want then, but it was not us. */
static void another_id_that_lost_to_another_replica_is_refused(void **state)
{
    struct stage *stage = *state;
    static const char *const ids[] = {"mine", ""};
    struct error err = {0};

    for (int i = 0; i < 4; i++) {
        struct intruder intruder = {.id = "theirs", .at = 1 + i / 2};
        struct meddled_cluster meddled;
        int64_t generation = 0;
        api_give_sandbox(stage, "web", failed_to_pause);
        lose_to(stage, &intruder, &meddled);
        assert_refused(pause_by(stage->channel, ids[i % 2], &generation, &err), ERR_PRECONDITION);
        replica_free(intruder.replica);
        stage_delete(stage, KIND_BATCH_SANDBOX, "web", 0);
    }
}

static int lose_answers(void *self, const struct meddled_call *call, struct error *err)
{
    int *left = self;

    if (call->verb != MEDDLED_PATCH || --*left != 0)
        return 0;
    return error_set(err, ERR_UNAVAILABLE, "the answer was lost");
}

static void a_write_whose_answer_was_lost_is_found_by_the_repeat(void **state)
{
    struct stage *stage = *state;
    struct meddled_cluster meddled;
    int64_t generation = 0;
    int at = 1;
    struct error err = {0};

    api_give_sandbox(stage, "web", running);
    meddled_cluster_init(&meddled, stage->kit->cluster);
    meddled.after = lose_answers;
    meddled.self = &at;
    stage->service.cluster = &meddled.cluster;
    assert_refused(pause_by(stage->channel, "id-1", &generation, &err), ERR_UNAVAILABLE);
    assert_ok(pause_by(stage->channel, "id-1", &generation, &err));
    assert_int_equal(generation, 2);
}

static void the_end_of_a_bridge_whose_answer_was_lost_is_found_at_once(void **state)
{
    struct stage *stage = *state;
    struct meddled_cluster meddled;
    int64_t generation = 0;
    int at = 2;
    struct error err = {0};

    api_give_sandbox(stage, "web", failed_to_pause);
    meddled_cluster_init(&meddled, stage->kit->cluster);
    meddled.after = lose_answers;
    meddled.self = &at;
    stage->service.cluster = &meddled.cluster;
    assert_ok(pause_by(stage->channel, "id-1", &generation, &err));
    assert_int_equal(generation, generation_of(stage));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_repeat_answers_with_the_generation_of_the_first_and_writes_nothing),
        TEST(a_repeat_answers_so_whatever_became_of_it),
        TEST(another_id_and_no_id_follow_the_table),
        TEST(the_id_of_a_pause_does_not_answer_for_a_resume),
        TEST(a_wish_without_an_id_in_between_is_one_too),
        TEST(after_the_bridge_the_last_generation_is_told),
        TEST(what_is_stored_of_an_id_is_its_hash),
        TEST(an_id_may_be_any_text_of_a_kilobyte_and_no_longer),
        TEST(a_mark_that_somebody_broke_is_no_repeat),
        TEST(racing_callers_of_one_id_get_one_pause),
        TEST(of_racing_ids_exactly_one_is_let_in),
        TEST(a_repeat_that_lost_to_another_replica_gets_its_answer),
        TEST(another_id_that_lost_to_another_replica_is_refused),
        TEST(a_write_whose_answer_was_lost_is_found_by_the_repeat),
        TEST(the_end_of_a_bridge_whose_answer_was_lost_is_found_at_once),
    };

    log_setup("test", LOG_LEVEL_MAX, LOG_FORMAT_JSON);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
