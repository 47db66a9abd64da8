/* Contract crds.md §2, §3, §5, §13: the views read what an API server stores, and write what it accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/strbuf.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/batchsandbox.h"
#include "snapshot-svc/model/job.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/model/pod.h"
#include "snapshot-svc/model/sandboxsnapshot.h"

static json_t *json_of(const char *text)
{
    json_error_t where;
    json_t *value = json_loads(text, 0, &where);
    if (!value)
        fail_msg("%s at %d", where.text, where.position);
    return value;
}

static void read_sandbox(const char *text, struct batchsandbox *out)
{
    SCOPED(json) json_t *object = json_of(text);
    struct error err = {0};
    if (batchsandbox_read(object, out, &err) < 0)
        fail_msg("%s", err.text);
}

#define SANDBOX_WITH(spec, status)                                                                           \
    "{\"metadata\":{\"name\":\"demo\",\"generation\":3},\"spec\":" spec ",\"status\":" status "}"

static void pause_has_three_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int pause;
    } rows[] = {
        {"{\"metadata\":{\"name\":\"demo\"}}", PAUSE_ABSENT},
        {SANDBOX_WITH("{}", "{}"), PAUSE_ABSENT},
        {SANDBOX_WITH("{\"pause\":null}", "{}"), PAUSE_ABSENT},
        {SANDBOX_WITH("{\"pause\":false}", "{}"), PAUSE_FALSE},
        {SANDBOX_WITH("{\"pause\":true}", "{}"), PAUSE_TRUE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
        read_sandbox(rows[i].text, &sandbox);
        assert_int_equal(sandbox.spec.pause, rows[i].pause);
        assert_non_null(sandbox.raw_spec);
    }
}

static void a_null_template_is_an_absent_one(void **state)
{
    (void)state;
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};

    read_sandbox(SANDBOX_WITH("{\"template\":null,\"poolRef\":\"warm\"}", "null"), &sandbox);
    assert_null(sandbox.spec.template_);
    assert_true(batchsandbox_is_pooled(&sandbox));
    assert_false(sandbox.has_status);
    assert_false(sandbox.spec.replicas_set);
    assert_int_equal(sandbox.spec.replicas, 1);
}

static void what_cannot_be_read_is_named_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } rows[] = {
        {"{}", "metadata"},
        {"{\"metadata\":{}}", "metadata.name"},
        {SANDBOX_WITH("{\"pause\":\"yes\"}", "{}"), "spec.pause"},
        {SANDBOX_WITH("{\"replicas\":4294967296}", "{}"), "spec.replicas"},
        {SANDBOX_WITH("{\"expireTime\":\"tomorrow\"}", "{}"), "spec.expireTime"},
        {SANDBOX_WITH("7", "{}"), "spec"},
        {SANDBOX_WITH("{}", "{\"conditions\":[{}]}"), "status.conditions[0].type"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(json) json_t *object = json_of(rows[i].text);
        struct batchsandbox sandbox = {0};
        struct error err = {0};
        assert_int_equal(batchsandbox_read(object, &sandbox, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        if (!strstr(err.text, rows[i].place))
            fail_msg("%s: %s", rows[i].place, err.text);
        batchsandbox_done(&sandbox); /* nothing left over, and no harm */
    }
}

static void a_zero_status_writes_all_eight_counters(void **state)
{
    (void)state;
    const struct batchsandbox_status zero = {0};
    SCOPED(json) json_t *written = batchsandbox_status_write(&zero);
    static const char *const counters[] = {"replicas",    "allocated",  "ready",       "taskRunning",
                                           "taskSucceed", "taskFailed", "taskPending", "taskUnknown"};

    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
        assert_true(json_is_integer(json_object_get(written, counters[i])));
    assert_null(json_object_get(written, "phase"));
    assert_null(json_object_get(written, "observedPause"));
}

#define FULL_SANDBOX_STATUS                                                                                  \
    "{\"replicas\":1,\"allocated\":1,\"ready\":1,\"taskRunning\":2,\"taskSucceed\":3,\"taskFailed\":4,"      \
    "\"taskPending\":5,"                                                                                     \
    "\"taskUnknown\":6,\"observedGeneration\":7,\"pauseObservedGeneration\":6,\"phase\":\"Paused\","         \
    "\"observedPause\":"                                                                                     \
    "\"true\",\"observedSpecDigest\":\"sha256:x\",\"conditions\":[{\"type\":\"Paused\",\"status\":\"True\"," \
    "\"reason\":"                                                                                            \
    "\"Paused\",\"message\":\"Sandbox is paused\",\"lastTransitionTime\":\"2029-06-01T10:00:00Z\"}]}"

#define FULL_SNAPSHOT_STATUS                                                                                 \
    "{\"phase\":\"Succeed\",\"sourcePodName\":\"p\",\"sourceNodeName\":\"n\",\"sourcePodUid\":\"u\","        \
    "\"containers\":[{"                                                                                      \
    "\"containerName\":\"main\",\"imageUri\":\"r/"                                                           \
    "a:t\",\"imageDigest\":\"sha256:1\"},{\"containerName\":\"b\","                                          \
    "\"imageUri\":\"r/b:t\"}],\"observedGeneration\":1,\"progress\":{\"phase\":\"Pushing\",\"bytesRead\":1," \
    "\"bytesTotal\":2,\"bytesPushed\":3,\"files\":4},\"startTime\":\"2029-06-01T10:00:00Z\","                \
    "\"completionTime\":"                                                                                    \
    "\"2029-06-01T10:00:09Z\",\"size\":5,\"layers\":6,\"attempts\":1,"                                       \
    "\"path\":\"Hold\",\"pathMessage\":\"cgroup v1\",\"frozenMs\":7,\"keptOnNode\":\"n\"}"

static void a_status_survives_reading_and_writing(void **state)
{
    (void)state;
    SCOPED(json) json_t *sandbox = json_of(FULL_SANDBOX_STATUS), *snapshot = json_of(FULL_SNAPSHOT_STATUS);
    struct batchsandbox_status sandbox_status = {0}, sandbox_copy;
    struct sandboxsnapshot_status snapshot_status = {0}, snapshot_copy;
    struct error err = {0};

    assert_int_equal(batchsandbox_status_read(sandbox, &sandbox_status, &err), 0);
    assert_int_equal(sandboxsnapshot_status_read(snapshot, &snapshot_status, &err), 0);
    batchsandbox_status_copy(&sandbox_status, &sandbox_copy);
    sandboxsnapshot_status_copy(&snapshot_status, &snapshot_copy);
    SCOPED(json) json_t *sandbox_again = batchsandbox_status_write(&sandbox_copy);
    SCOPED(json) json_t *snapshot_again = sandboxsnapshot_status_write(&snapshot_copy);
    assert_true(json_equal(sandbox, sandbox_again));
    assert_true(json_equal(snapshot, snapshot_again));
    batchsandbox_status_done(&sandbox_status);
    batchsandbox_status_done(&sandbox_copy);
    sandboxsnapshot_status_done(&snapshot_status);
    sandboxsnapshot_status_done(&snapshot_copy);
}

static void an_empty_snapshot_status_says_nothing(void **state)
{
    (void)state;
    const struct sandboxsnapshot_status zero = {0};
    SCOPED(json) json_t *written = sandboxsnapshot_status_write(&zero);
    assert_int_equal(json_object_size(written), 0);
}

static void every_phase_has_a_word_and_unknown_words_are_kept(void **state)
{
    (void)state;
    for (int phase = SANDBOX_PHASE_NONE; phase < SANDBOX_PHASE_UNKNOWN; phase++)
        assert_int_equal(sandbox_phase_parse(sandbox_phase_name((enum sandbox_phase)phase)), phase);
    for (int phase = SNAPSHOT_PHASE_NONE; phase < SNAPSHOT_PHASE_UNKNOWN; phase++)
        assert_int_equal(snapshot_phase_parse(snapshot_phase_name((enum snapshot_phase)phase)), phase);
    assert_int_equal(sandbox_phase_parse("Hibernating"), SANDBOX_PHASE_UNKNOWN);
    assert_int_equal(snapshot_phase_parse("Hibernating"), SNAPSHOT_PHASE_UNKNOWN);
    assert_int_equal(sandbox_phase_parse(NULL), SANDBOX_PHASE_NONE);
}

static char *digest_of_spec(const char *spec)
{
    SCOPED(json)
    json_t *object = json_pack("{s:{s:s}, s:o}", "metadata", "name", "demo", "spec", json_of(spec));
    SCOPED_BATCHSANDBOX struct batchsandbox sandbox = {0};
    struct error err = {0};
    assert_int_equal(batchsandbox_read(object, &sandbox, &err), 0);
    return batchsandbox_spec_digest(&sandbox);
}

static void the_spec_digest_ignores_pause_order_and_nulls_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        bool same;
    } rows[] = {
        {"{\"replicas\":1,\"expireTime\":\"2030-01-01T00:00:00Z\"}", true},
        {"{\"expireTime\":\"2030-01-01T00:00:00Z\",\"replicas\":1,\"pause\":true}", true},
        {"{\"expireTime\":\"2030-01-01T00:00:00Z\",\"replicas\":1,\"pause\":false,\"template\":null}", true},
        {"{\"expireTime\":\"2031-01-01T00:00:00Z\",\"replicas\":1}", false},
        {"{\"expireTime\":\"2030-01-01T00:00:00Z\",\"replicas\":2}", false},
        {"{\"expireTime\":\"2030-01-01T00:00:00Z\",\"replicas\":1,\"template\":{\"pause\":true}}", false},
    };
    SCOPED(string) char *first = digest_of_spec(rows[0].spec);

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(string) char *digest = digest_of_spec(rows[i].spec);
        assert_int_equal(strcmp(digest, first) == 0, rows[i].same);
    }
}

static void conditions_keep_their_time_while_they_say_the_same(void **state)
{
    (void)state;
    struct json_list list = {0};

    condition_set(&list, "Ready", "PodsReady", "running", 5999);
    assert_int_equal(condition_find(&list, "Ready")->last_transition_ms, 5000);
    condition_set(&list, "Ready", "PodsReady", "running", 9000);
    assert_int_equal(condition_find(&list, "Ready")->last_transition_ms, 5000);
    condition_set(&list, "Ready", "PodsReady", "still running", 9000);
    assert_int_equal(condition_find(&list, "Ready")->last_transition_ms, 9000);
    condition_set(&list, "Paused", "Paused", "paused", 9000);
    assert_int_equal(list.count, 2);
    condition_remove(&list, "Ready");
    assert_null(condition_find(&list, "Ready"));
    assert_true(condition_is_true(&list, "Paused"));
    condition_remove(&list, "Ready");
    condition_remove(&list, "Paused");
    assert_int_equal(list.count, 0);
    free(list.items);
}

static void only_our_sandbox_as_controller_makes_an_object_ours(void **state)
{
    (void)state;
    static const struct {
        const char *owner;
        bool ours;
    } rows[] = {
        {"{\"apiVersion\":\"sandbox.opensandbox.io/"
         "v1alpha1\",\"kind\":\"BatchSandbox\",\"name\":\"d\",\"uid\":\"u\",\"controller\":true}",
         true},
        {"{\"apiVersion\":\"sandbox.opensandbox.io/"
         "v1beta9\",\"kind\":\"BatchSandbox\",\"name\":\"d\",\"uid\":\"u\",\"controller\":true}",
         true},
        {"{\"apiVersion\":\"sandbox.opensandbox.io/"
         "v1alpha1\",\"kind\":\"BatchSandbox\",\"name\":\"d\",\"uid\":\"u\"}",
         false},
        {"{\"apiVersion\":\"sandbox.opensandbox.io/"
         "v1alpha1\",\"kind\":\"BatchSandbox\",\"name\":\"d\",\"uid\":\"v\",\"controller\":true}",
         false},
        {"{\"apiVersion\":\"sandbox.opensandbox.io/"
         "v1alpha1\",\"kind\":\"Pool\",\"name\":\"d\",\"uid\":\"u\",\"controller\":true}",
         false},
        {"{\"apiVersion\":\"sandbox.opensandbox.io.evil/"
         "v1\",\"kind\":\"BatchSandbox\",\"name\":\"d\",\"uid\":\"u\",\"controller\":true}",
         false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(json)
        json_t *object =
            json_pack("{s:{s:s, s:[o]}}", "metadata", "name", "p", "ownerReferences", json_of(rows[i].owner));
        SCOPED_POD struct pod pod = {0};
        struct error err = {0};
        assert_int_equal(pod_read(object, &pod, &err), 0);
        assert_int_equal(meta_is_controlled_by_sandbox(&pod.meta, "u"), rows[i].ours);
        assert_false(meta_is_controlled_by_sandbox(&pod.meta, NULL));
    }
}

static void a_pod_index_comes_from_the_label_or_the_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *label;
        int index; /* -1: an error that names the pod */
    } rows[] = {{"demo-3", NULL, 3},           {"demo-3", "5", 5},  {"demo", "5", 5},
                {"a-b-12", NULL, 12},          {"demo", NULL, -1},  {"demo-x", NULL, -1},
                {"demo-3", "x", -1},           {"demo-", NULL, -1}, {"demo-3", "", -1},
                {"demo-99999999999", NULL, -1}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(json) json_t *object = json_pack("{s:{s:s}}", "metadata", "name", rows[i].name);
        if (rows[i].label)
            json_object_set_new(json_object_get(object, "metadata"), "labels",
                                json_pack("{s:s}", LABEL_POD_INDEX, rows[i].label));
        SCOPED_POD struct pod pod = {0};
        struct error err = {0};
        int32_t index = -1;
        assert_int_equal(pod_read(object, &pod, &err), 0);
        assert_int_equal(pod_index(&pod, &index, &err), rows[i].index < 0 ? -1 : 0);
        assert_int_equal(index, rows[i].index);
        if (rows[i].index < 0)
            assert_non_null(strstr(err.text, rows[i].name));
    }
}

static void a_pod_is_read_as_far_as_we_look(void **state)
{
    (void)state;
    SCOPED(json)
    json_t *object = json_of("{\"metadata\":{\"name\":\"demo-0\",\"deletionTimestamp\":null},\"spec\":{"
                             "\"nodeName\":\"n\",\"containers\":[{\"name\":"
                             "\"main\",\"image\":\"i\"}]},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0."
                             "0.1\",\"conditions\":[{\"type\":\"Ready\","
                             "\"status\":\"True\",\"lastTransitionTime\":null}],\"containerStatuses\":[{"
                             "\"name\":\"main\",\"state\":{\"running\":{}}}],"
                             "\"initContainerStatuses\":[{\"name\":\"init\",\"state\":{\"terminated\":{"
                             "\"reason\":\"Completed\",\"exitCode\":0}}}]}}");
    SCOPED_POD struct pod pod = {0};
    struct error err = {0};

    assert_int_equal(pod_read(object, &pod, &err), 0);
    assert_true(pod_is_ready(&pod));
    const struct container_status *init = pod.init_container_statuses.items;
    assert_string_equal(init->terminated.reason, "Completed");
    assert_null(init->waiting.reason);
    pod.meta.deleted_ms = 1;
    assert_false(pod_is_ready(&pod)); /* a pod being deleted serves nobody */
    assert_false(pod_is_running(&pod));
}

/* ---- pods that are only objects ---- */

/* Deleted at 10:00:00 with a grace period of 1 s. */
static bool is_only_an_object(const char *restart_policy, const char *statuses)
{
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    (void)strbuf_addf(&text,
                      "{\"metadata\":{\"name\":\"demo-0\",\"deletionTimestamp\":\"2030-01-01T10:00:01Z\","
                      "\"deletionGracePeriodSeconds\":1},\"spec\":{\"restartPolicy\":\"%s\",\"containers\":["
                      "{\"name\":\"main\"},{\"name\":\"side\"}]},\"status\":{\"phase\":\"Running\",%s}}",
                      restart_policy, statuses);
    SCOPED(json) json_t *object = json_of(strbuf_text(&text));
    SCOPED_POD struct pod pod = {0};
    struct error err = {0};

    if (pod_read(object, &pod, &err) < 0)
        fail_msg("%s", err.text);
    bool only = pod_is_only_an_object(&pod);
    pod.meta.deleted_ms = 0;
    assert_false(pod_is_only_an_object(&pod)); /* nobody asked it to go */
    return only;
}

#define ENDED(NAME, AT)                                                                                      \
    "{\"name\":\"" NAME "\",\"state\":{\"terminated\":{\"exitCode\":137,\"finishedAt\":\"2030-01-01T" AT     \
    "Z\"}}}"
#define RUNS(NAME) "{\"name\":\"" NAME "\",\"state\":{\"running\":{\"startedAt\":\"2030-01-01T09:00:00Z\"}}}"
#define FORGOTTEN(NAME, WHEN)                                                                                \
    "{\"name\":\"" NAME "\",\"state\":{\"waiting\":{\"reason\":\"ContainerCreating\"}},\"lastState\":{"      \
    "\"terminated\":{\"exitCode\":137,\"reason\":\"ContainerStatusUnknown\",\"finishedAt\":null,"            \
    "\"message\":\"The container could not be located when the pod was " WHEN "\"}}}"
#define STATUSES(LIST) "\"containerStatuses\":[" LIST "]"

static void a_pod_is_only_an_object_when_no_container_of_it_can_run(void **state)
{
    (void)state;
    static const struct {
        const char *restart_policy, *statuses;
        bool only;
    } rows[] = {
        {"Always", STATUSES(ENDED("main", "10:00:03") "," ENDED("side", "10:00:00")), true},
        {"Always", STATUSES(ENDED("main", "10:00:03") "," ENDED("side", "09:59:59")),
         false}, /* may run again */
        {"OnFailure", STATUSES(ENDED("main", "10:00:03") "," ENDED("side", "09:59:59")), false},
        {"Never", STATUSES(ENDED("main", "10:00:03") "," ENDED("side", "09:59:59")), true},
        {"Never", STATUSES(ENDED("main", "10:00:03") "," RUNS("side")), false},
        {"Always", STATUSES(ENDED("main", "10:00:03") "," FORGOTTEN("side", "deleted")), true},
        {"Always", STATUSES(ENDED("main", "10:00:03") "," FORGOTTEN("side", "terminated")), false},
        {"Always", STATUSES(RUNS("main") "," FORGOTTEN("side", "deleted")), false},
        {"Never", STATUSES(ENDED("main", "10:00:03")), false}, /* nothing is known of side */
        {"Never", STATUSES(""), false},                        /* evicted: not told any more */
        {"Never",
         STATUSES(ENDED("main", "10:00:03") "," ENDED(
             "side", "10:00:03")) ",\"initContainerStatuses\":[" RUNS("init") "]",
         false},
        {"Never",
         STATUSES(ENDED("main", "10:00:03") "," ENDED(
             "side", "10:00:03")) ",\"ephemeralContainerStatuses\":[" RUNS("debug") "]",
         false},
        {"Never",
         STATUSES(ENDED("main", "10:00:03") "," ENDED(
             "side", "10:00:03")) ",\"initContainerStatuses\":[" ENDED("init", "09:00:00") "]",
         true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (is_only_an_object(rows[i].restart_policy, rows[i].statuses) != rows[i].only)
            fail_msg("row %zu", i);
}

/* ---- Jobs ---- */

static void a_job_is_read_as_far_as_we_look(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        bool succeeded, failed;
    } rows[] = {
        {"{}", false, false},
        {"{\"active\":1}", false, false},
        {"{\"succeeded\":1}", true, false},
        {"{\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\"}]}", true, false},
        {"{\"failed\":2}", false, false},
        {"{\"conditions\":[{\"type\":\"Failed\",\"status\":\"False\"}]}", false, false},
        {"{\"conditions\":[{\"type\":\"Failed\",\"status\":\"True\",\"reason\":\"DeadlineExceeded\"}]}",
         false, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
        (void)strbuf_addf(&text, "{\"metadata\":{\"name\":\"j\"},\"status\":%s}", rows[i].status);
        SCOPED(json) json_t *object = json_of(strbuf_text(&text));
        SCOPED_JOB struct job job = {0};
        struct error err = {0};
        assert_int_equal(job_read(object, &job, &err), 0);
        assert_int_equal(job_has_succeeded(&job), rows[i].succeeded);
        assert_int_equal(job_failure(&job) != NULL, rows[i].failed);
    }
}

static void a_termination_message_gives_what_can_be_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t images;
        const char *reason;
        int retryable;
    } rows[] = {
        {NULL, 0, NULL, -1},
        {"", 0, NULL, -1},
        {"exec format error", 0, NULL, -1},
        {"{\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"digest\":\"sha256:1\"},{\"name\":\"\","
         "\"digest\":\"d\"},"
         "{\"name\":\"b\",\"digest\":\"sha256:2\"}]}",
         2, NULL, -1},
        {"{\"containers\":[{\"name\":\"a\",\"dig", 0, NULL, -1},
        {"{\"reason\":\"RegistryDenied\",\"message\":\"m\",\"retryable\":false}", 0, "RegistryDenied", 0},
        {"{\"reason\":\"DiskFull\",\"retryable\":true}", 0, "DiskFull", 1},
        {"{\"reason\":7}", 0, NULL, -1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED_JOB_RESULT struct job_result result = {0};
        job_result_read(rows[i].text, &result);
        assert_int_equal(result.images.count, rows[i].images);
        assert_int_equal(result.retryable, rows[i].retryable);
        assert_int_equal(result.reason != NULL, rows[i].reason != NULL);
        if (rows[i].reason)
            assert_string_equal(result.reason, rows[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pause_has_three_values),
        cmocka_unit_test(a_null_template_is_an_absent_one),
        cmocka_unit_test(what_cannot_be_read_is_named_with_its_place),
        cmocka_unit_test(a_zero_status_writes_all_eight_counters),
        cmocka_unit_test(a_status_survives_reading_and_writing),
        cmocka_unit_test(an_empty_snapshot_status_says_nothing),
        cmocka_unit_test(every_phase_has_a_word_and_unknown_words_are_kept),
        cmocka_unit_test(the_spec_digest_ignores_pause_order_and_nulls_and_nothing_else),
        cmocka_unit_test(conditions_keep_their_time_while_they_say_the_same),
        cmocka_unit_test(only_our_sandbox_as_controller_makes_an_object_ours),
        cmocka_unit_test(a_pod_index_comes_from_the_label_or_the_name),
        cmocka_unit_test(a_pod_is_read_as_far_as_we_look),
        cmocka_unit_test(a_pod_is_only_an_object_when_no_container_of_it_can_run),
        cmocka_unit_test(a_job_is_read_as_far_as_we_look),
        cmocka_unit_test(a_termination_message_gives_what_can_be_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
