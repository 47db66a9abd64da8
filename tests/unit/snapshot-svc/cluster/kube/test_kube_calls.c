/* What calls do when the server, or the way to it, misbehaves. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/cluster/kube/kube_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

#define PODS "/api/v1/namespaces/ns/pods"
#define POD  "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}"

static int get_pod(struct kube_kit *kit, struct error *err)
{
    SCOPED(json) json_t *pod = NULL;
    return cluster_get(kit->cluster, KIND_POD, "ns", "a", &pod, err);
}

static int create_pod(struct kube_kit *kit, struct error *err)
{
    SCOPED(json) json_t *pod = pod_named("a");
    return cluster_create(kit->cluster, KIND_POD, "ns", pod, NULL, err);
}

/* ---- what is sent ---- */

static void a_patch_carries_the_version_it_is_for(void **state)
{
    struct kube_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *body = quoted("{'metadata': {'labels': {'a': 'b'}}}");

    api_expects(kit->api, "PATCH " PODS "/a/status HTTP", ANSWER(200, POD));
    assert_ok(cluster_patch_status(kit->cluster, KIND_POD, "ns", "a", body, "41", NULL, &err));
    SCOPED(string) char *sent = api_request(kit->api, 0);
    assert_text_has(sent, "Content-Type: application/merge-patch+json\r\n");
    assert_text_has(sent, "Authorization: Bearer " KIT_TOKEN "\r\n");
    assert_text_has(sent, "{\"metadata\":{\"labels\":{\"a\":\"b\"},\"resourceVersion\":\"41\"}}");
    assert_null(json_path(body, "metadata.resourceVersion"));
}

static void a_removal_names_uid_and_grace(void **state)
{
    struct kube_kit *kit = *state;
    struct error err = {0};

    api_expects(kit->api, "DELETE " PODS "/a HTTP", ANSWER(200, "{}"));
    assert_ok(cluster_remove(kit->cluster, KIND_POD, "ns", "a", "the-uid", 5, &err));
    SCOPED(string) char *sent = api_request(kit->api, 0);
    assert_text_has(sent, "\"propagationPolicy\":\"Background\"");
    assert_text_has(sent, "\"gracePeriodSeconds\":5");
    assert_text_has(sent, "\"preconditions\":{\"uid\":\"the-uid\"}");
}

static void names_that_are_none_are_never_sent(void **state)
{
    static const char *const names[] = {"",      ".", "..",  "../secrets", "a/b",   "a?b",
                                        "a%2fb", "A", "a b", "-a",         "a\r\nb"};
    struct kube_kit *kit = *state;
    struct error err = {0};
    json_t *object = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_refused(cluster_get(kit->cluster, KIND_POD, "ns", names[i], &object, &err), ERR_INVALID);
        assert_refused(cluster_get(kit->cluster, KIND_POD, names[i], "a", &object, &err), ERR_INVALID);
        assert_refused(cluster_remove(kit->cluster, KIND_POD, "ns", names[i], NULL, -1, &err), ERR_INVALID);
    }
    assert_int_equal(api_request_count(kit->api), 0);
}

static void a_new_token_in_the_file_is_used_for_the_next_call(void **state)
{
    struct kube_kit *kit = *state;
    struct error err = {0};

    api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(200, POD));
    api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(200, POD));
    assert_ok(get_pod(kit, &err));
    kube_kit_write_token(kit, "the-next-token");
    assert_ok(get_pod(kit, &err));
    SCOPED(string) char *sent = api_request(kit->api, 1);
    assert_text_has(sent, "Authorization: Bearer the-next-token\r\n");
}

/* ---- lost answers ---- */

static void a_write_whose_answer_is_lost_is_not_sent_again(void **state)
{
    struct kube_kit *kit = *state;
    struct error err = {0};
    SCOPED(json) json_t *body = quoted("{'metadata': {'labels': {'a': 'b'}}}");

    /* each time on a connection that was good before: those are where HTTP clients like to try again */
    api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(200, POD));
    api_expects(kit->api, "POST " PODS " HTTP", HANG_UP);
    api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(200, POD));
    api_expects(kit->api, "PATCH " PODS "/a HTTP", HANG_UP);
    api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(200, POD));
    api_expects(kit->api, "DELETE " PODS "/a HTTP", HANG_UP);

    assert_ok(get_pod(kit, &err));
    assert_refused(create_pod(kit, &err), ERR_UNAVAILABLE);
    assert_ok(get_pod(kit, &err));
    assert_refused(cluster_patch(kit->cluster, KIND_POD, "ns", "a", body, NULL, NULL, &err), ERR_UNAVAILABLE);
    assert_ok(get_pod(kit, &err));
    assert_refused(cluster_remove(kit->cluster, KIND_POD, "ns", "a", NULL, -1, &err), ERR_UNAVAILABLE);
    assert_int_equal(api_request_count(kit->api), 6);
}

static void half_an_answer_is_none(void **state)
{
    struct kube_kit *kit = *state;
    struct error err = {0};

    api_expects(kit->api, "GET " PODS "/a HTTP", STREAM("{\"kind\":", .cut = true));
    assert_refused(get_pod(kit, &err), ERR_UNAVAILABLE);
}

static void an_answer_that_is_no_object_is_refused(void **state)
{
    static const char *const bodies[] = {"", "<html>hello</html>", "[]", "{\"kind\":\"Pod\"", "7"};
    struct kube_kit *kit = *state;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(200, bodies[i]));
        assert_refused(get_pod(kit, &err), ERR_INVALID);
    }
}

static void an_answer_beyond_every_object_is_refused(void **state)
{
    struct kube_kit *kit = *state;
    struct error err = {0};

    api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(200, POD, .padding = 9 << 20));
    assert_refused(get_pod(kit, &err), ERR_EXHAUSTED);
}

/* ---- a busy server ---- */

static void a_busy_server_is_asked_again_when_it_says(void **state)
{
    struct kube_kit *kit = *state;
    struct error err = {0};
    int64_t before_ms = clock_monotonic_ms();

    api_expects(kit->api, "POST " PODS " HTTP", ANSWER(429, "", .headers = "Retry-After: 1\r\n"));
    api_expects(kit->api, "POST " PODS " HTTP", ANSWER(503, "", .headers = "Retry-After: 0\r\n"));
    api_expects(kit->api, "POST " PODS " HTTP", ANSWER(201, POD));
    assert_ok(create_pod(kit, &err));
    assert_true(clock_monotonic_ms() - before_ms >= 1000);
}

static void who_says_no_time_or_too_long_a_time_is_not_asked_again(void **state)
{
    static const char *const headers[] = {NULL, "Retry-After: 3600\r\n",
                                          "Retry-After: 99999999999999999999\r\n", "Retry-After: soon\r\n",
                                          "Retry-After: -1\r\n"};
    struct kube_kit *kit = *state;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(429, "slow down", .headers = headers[i]));
        assert_refused(get_pod(kit, &err), ERR_UNAVAILABLE);
        assert_text_has(err.text, "slow down");
    }
}

/* ---- our own limits ---- */

static int create_event(struct kube_kit *kit, struct error *err)
{
    SCOPED(json)
    json_t *event = quoted("{'metadata': {'name': 'e', 'namespace': 'ns'},"
                           " 'involvedObject': {'kind': 'Pod', 'namespace': 'ns', 'name': 'a'}}");
    return cluster_create(kit->cluster, KIND_EVENT, "ns", event, NULL, err);
}

static void no_other_call_waits_for_events(void **state)
{
    enum { BURST = 10 };
    struct kube_kit *kit = *state;
    struct error err = {0};
    int64_t before_ms = clock_monotonic_ms();

    kube_kit_limit(kit, 1, BURST);
    for (int i = 0; i < BURST; i++) {
        api_expects(kit->api, "POST /api/v1/namespaces/ns/events HTTP", ANSWER(201, "{}"));
        assert_ok(create_event(kit, &err));
    }
    for (int i = 0; i < BURST; i++) {
        api_expects(kit->api, "GET " PODS "/a HTTP", ANSWER(200, POD));
        assert_ok(get_pod(kit, &err));
    }
    assert_true(clock_monotonic_ms() - before_ms < 8000); /* ten seconds of waiting, had they one limit */
}

static void events_have_a_limit_too(void **state)
{
    struct kube_kit *kit = *state;
    struct error err = {0};
    int64_t before_ms = clock_monotonic_ms();

    kube_kit_limit(kit, 10, 1);
    for (int i = 0; i < 3; i++) {
        api_expects(kit->api, "POST /api/v1/namespaces/ns/events HTTP", ANSWER(201, "{}"));
        assert_ok(create_event(kit, &err));
    }
    assert_true(clock_monotonic_ms() - before_ms >= 199); /* two intervals of 100 ms, and a rounding */
}

/* ---- an end while calls are under way ---- */

static void *get_and_tell(void *arg)
{
    struct error err = {0};
    (void)get_pod(arg, &err);
    return (void *)(intptr_t)err.code;
}

static void closing_ends_calls_that_wait_for_an_answer(void **state)
{
    struct kube_kit *kit = *state;
    pthread_t waiting[3];
    void *code;

    for (size_t i = 0; i < 3; i++) {
        api_expects(kit->api, "GET " PODS "/a HTTP", SILENCE);
        assert_int_equal(pthread_create(&waiting[i], NULL, get_and_tell, kit), 0);
    }
    api_await_requests(kit->api, 3);
    struct cluster *cluster = kit->cluster;
    cluster_free(cluster);
    kit->cluster = NULL;
    for (size_t i = 0; i < 3; i++) {
        pthread_join(waiting[i], &code);
        assert_int_equal((intptr_t)code, ERR_CANCELLED);
    }
}

/* ---- lists ---- */

#define PAGE(items, more)                                                                                    \
    "{\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"" more "\"},\"items\":[" items "]}"
#define NAMED(name) "{\"metadata\":{\"name\":\"" name "\",\"managedFields\":[1]}}"

static void assert_listed(struct kube_kit *kit, const char *names)
{
    SCOPED(json) json_t *items = NULL;
    SCOPED(string) char *version = NULL;
    struct error err = {0};
    char listed[64] = "";
    size_t i;
    json_t *item;

    assert_ok(cluster_list(kit->cluster, KIND_POD, "ns", "app in (a)", &items, &version, &err));
    json_array_foreach(items, i, item)
    {
        strcat(listed, json_path_string(item, "metadata.name"));
        assert_string_equal(json_path_string(item, "kind"), "Pod");
        assert_string_equal(json_path_string(item, "apiVersion"), "v1");
        assert_null(json_path(item, "metadata.managedFields"));
    }
    assert_string_equal(listed, names);
    assert_string_equal(version, "9");
}

static void a_list_is_read_page_by_page(void **state)
{
    struct kube_kit *kit = *state;

    api_expects(kit->api, "GET " PODS "?limit=500&labelSelector=app%20in%20%28a%29 HTTP",
                ANSWER(200, PAGE(NAMED("a") "," NAMED("b"), "x/1")));
    api_expects(kit->api,
                "GET " PODS "?limit=500&continue=x%2F1&labelSelector=", ANSWER(200, PAGE(NAMED("c"), "")));
    assert_listed(kit, "abc");
}

static void a_list_that_expired_on_its_way_starts_over(void **state)
{
    struct kube_kit *kit = *state;

    api_expects(kit->api, "GET " PODS "?limit=500&lab", ANSWER(200, PAGE(NAMED("a"), "one")));
    api_expects(
        kit->api, "GET " PODS "?limit=500&continue=one",
        ANSWER(410, "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\"}"));
    api_expects(kit->api, "GET " PODS "?limit=500&lab", ANSWER(200, PAGE(NAMED("b"), "two")));
    api_expects(kit->api, "GET " PODS "?limit=500&continue=two", ANSWER(200, PAGE(NAMED("c"), "")));
    assert_listed(kit, "bc");
}

static void a_page_that_is_too_large_is_asked_for_in_smaller_ones(void **state)
{
    struct kube_kit *kit = *state;

    api_expects(kit->api, "GET " PODS "?limit=500&lab", ANSWER(200, "{", .padding = 65 << 20));
    api_expects(kit->api, "GET " PODS "?limit=125&lab", ANSWER(200, PAGE(NAMED("a"), "")));
    assert_listed(kit, "a");
}

static void an_object_that_cannot_be_read_does_not_hide_the_others(void **state)
{
    struct kube_kit *kit = *state;

    api_expects(
        kit->api, "GET " PODS "?limit=500&lab",
        ANSWER(200, PAGE(NAMED("a") ",{\"metadata\":{\"name\":\"big\"},\"spec\":99999999999999999999},"
                                    "{\"metadata\":{\"name\":\"b\",\"annotations\":{\"x\":\"\\u0000\"}}}",
                         "")));
    assert_listed(kit, "ab");
}

static void half_a_list_is_none(void **state)
{
    static const char *const bodies[] = {
        "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[" NAMED("a") ",",
        "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[" NAMED("a") " " NAMED("b") "]}",
        "{\"metadata\":{\"resourceVersion\":\"9\"}}",
        "{\"metadata\":{},\"items\":[]}",
        "{\"items\":[]}",
        "[]",
        "",
    };
    struct kube_kit *kit = *state;
    json_t *items = NULL;
    char *version = NULL;
    struct error err = {0};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        api_expects(kit->api, "GET " PODS "?limit=500", ANSWER(200, bodies[i]));
        assert_refused(cluster_list(kit->cluster, KIND_POD, "ns", NULL, &items, &version, &err),
                       ERR_UNAVAILABLE);
        assert_null(items);
        assert_null(version);
    }
}

static void an_empty_list_may_be_written_as_null(void **state)
{
    struct kube_kit *kit = *state;

    api_expects(kit->api, "GET " PODS,
                ANSWER(200, "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":null}"));
    assert_listed(kit, "");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, kube_kit_setup, kube_kit_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_patch_carries_the_version_it_is_for),
        TEST(a_removal_names_uid_and_grace),
        TEST(names_that_are_none_are_never_sent),
        TEST(a_new_token_in_the_file_is_used_for_the_next_call),
        TEST(a_write_whose_answer_is_lost_is_not_sent_again),
        TEST(half_an_answer_is_none),
        TEST(an_answer_that_is_no_object_is_refused),
        TEST(an_answer_beyond_every_object_is_refused),
        TEST(a_busy_server_is_asked_again_when_it_says),
        TEST(who_says_no_time_or_too_long_a_time_is_not_asked_again),
        TEST(no_other_call_waits_for_events),
        TEST(events_have_a_limit_too),
        TEST(closing_ends_calls_that_wait_for_an_answer),
        TEST(a_list_is_read_page_by_page),
        TEST(a_list_that_expired_on_its_way_starts_over),
        TEST(a_page_that_is_too_large_is_asked_for_in_smaller_ones),
        TEST(an_object_that_cannot_be_read_does_not_hide_the_others),
        TEST(half_a_list_is_none),
        TEST(an_empty_list_may_be_written_as_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
