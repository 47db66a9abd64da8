#include "tests/unit/testing.h"

#include "shared/base/cleanup.h"
#include "shared/json/json.h"
#include "snapshot-svc/leader/lease.h"

#define US      "snapshot-svc-0_aaaa"
#define OTHER   "snapshot-svc-1_bbbb"
#define OWN_MS  15000
#define SEEN_MS 1000000          /* monotonic */
#define NOW_US  1893456000123456 /* 2030-01-01T00:00:00.123456Z */

static json_t *object_with(const char *version, const char *spec)
{
    struct error err = {0};
    char text[1024];
    json_t *object = NULL;

    (void)snprintf(text, sizeof(text), "{'metadata': {'name': 'l', 'resourceVersion': '%s'}%s%s}", version,
                   spec ? ", 'spec': " : "", spec ? spec : "");
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    assert_ok(json_parse(text, strlen(text), "lease", &object, &err), &err);
    return object;
}

static void see(struct lease *lease, const char *version, const char *spec, int64_t now_ms)
{
    SCOPED(json) json_t *object = object_with(version, spec);
    lease_see(lease, object, now_ms);
}

static enum lease_standing standing_at(const struct lease *lease, int64_t now_ms)
{
    int64_t free_at_ms;
    return lease_standing(lease, US, OWN_MS, now_ms, &free_at_ms);
}

/* Free from so many milliseconds after it was seen, and not one earlier; 0: at once. */
static void assert_free_after(const struct lease *lease, int64_t ms)
{
    int64_t free_at_ms = 0;

    assert_int_equal(standing_at(lease, SEEN_MS + ms), LEASE_FREE);
    if (ms == 0)
        return;
    assert_int_equal(lease_standing(lease, US, OWN_MS, SEEN_MS + ms - 1, &free_at_ms), LEASE_HELD);
    assert_int_equal(free_at_ms, SEEN_MS + ms);
}

static void a_holder_keeps_its_lease_as_long_as_it_promised(void **state)
{
    static const struct {
        const char *spec;
        int64_t free_after_ms;
    } rows[] = {
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15}", 15000},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 60}", 60000},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 2}", 2000},
        /* its clock is no business of ours */
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15, 'renewTime': "
         "'1970-01-01T00:00:00.000000Z'}",
         15000},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15, 'renewTime': "
         "'2999-01-01T00:00:00.000000Z'}",
         15000},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15, 'renewTime': 'yesterday'}", 15000},
        /* promises that are none */
        {"{'holderIdentity': '" OTHER "'}", OWN_MS},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': null}", OWN_MS},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 0}", OWN_MS},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': -5}", OWN_MS},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': '15'}", OWN_MS},
        {"{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 9223372036854775807}", OWN_MS},
        /* somebody who does not speak as we do */
        {"{'holderIdentity': 7, 'leaseDurationSeconds': 20}", 20000},
        {"'mine'", OWN_MS},
        {"[1]", OWN_MS},
        /* nobody */
        {NULL, 0},
        {"null", 0},
        {"{}", 0},
        {"{'holderIdentity': null, 'leaseDurationSeconds': 15}", 0},
        {"{'holderIdentity': '', 'leaseDurationSeconds': 15}", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct lease lease = {0};
        see(&lease, "5", rows[i].spec, SEEN_MS);
        assert_free_after(&lease, rows[i].free_after_ms);
        lease_done(&lease);
    }
}

static void what_nobody_ever_held_is_free(void **state)
{
    struct lease lease = {0};

    (void)state;
    lease_see(&lease, NULL, SEEN_MS);
    assert_true(lease.known);
    assert_free_after(&lease, 0);
    lease_done(&lease);
}

static void a_renewal_begins_the_wait_anew_and_another_write_does_not(void **state)
{
    struct lease lease = {0};

    (void)state;
    see(&lease, "5", "{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15, 'renewTime': 'a'}", 0);
    see(&lease, "6", "{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15, 'renewTime': 'a'}", 9000);
    assert_int_equal(standing_at(&lease, 15000), LEASE_FREE); /* a label, say */
    assert_string_equal(lease.version, "6");                  /* but its version is what a write must name */
    see(&lease, "7", "{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15, 'renewTime': 'b'}", 9000);
    assert_int_equal(standing_at(&lease, 15000), LEASE_HELD);
    assert_int_equal(standing_at(&lease, 24000), LEASE_FREE);
    lease_done(&lease);
}

/* Its holder may not know yet that somebody deleted it. */
static void a_deleted_lease_is_still_its_holders_for_the_rest_of_its_time(void **state)
{
    struct lease lease = {0};

    (void)state;
    see(&lease, "5", "{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15}", SEEN_MS);
    lease_see(&lease, NULL, SEEN_MS + 3000);
    assert_free_after(&lease, 15000);
    see(&lease, "9", "{'holderIdentity': '" OTHER "', 'leaseDurationSeconds': 15}", SEEN_MS + 4000);
    assert_free_after(&lease, 19000); /* made again, in the very same words */
    lease_done(&lease);
}

static void what_is_ours_stays_ours_whatever_the_time(void **state)
{
    struct lease lease = {0};

    (void)state;
    see(&lease, "5", "{'holderIdentity': '" US "', 'leaseDurationSeconds': 15}", SEEN_MS);
    assert_int_equal(standing_at(&lease, SEEN_MS), LEASE_OURS);
    assert_int_equal(standing_at(&lease, SEEN_MS + 100000), LEASE_OURS); /* nobody else took it */
    lease_see(&lease, NULL, SEEN_MS);
    assert_int_equal(standing_at(&lease, SEEN_MS), LEASE_FREE); /* deleted: to be made again at once */
    lease_done(&lease);
}

static void assert_spec(json_t *spec, const char *expected)
{
    SCOPED(json) json_t *owned = spec;
    SCOPED(string) char *text = json_canonical(owned);

    assert_string_equal(text, expected);
}

#define NOW_TEXT "2030-01-01T00:00:00.123456Z"

static void a_first_claim_has_all_members_and_six_digits(void **state)
{
    struct lease lease = {0};

    (void)state;
    assert_spec(lease_claim(&lease, US, 14001, NOW_US),
                "{\"acquireTime\":\"" NOW_TEXT "\",\"holderIdentity\":\"" US
                "\",\"leaseDurationSeconds\":15,\"leaseTransitions\":0,\"renewTime\":\"" NOW_TEXT "\"}");
}

static void a_takeover_counts_a_transition(void **state)
{
    struct lease lease = {0};

    (void)state;
    see(&lease, "5", "{'holderIdentity': '" OTHER "', 'leaseTransitions': 4}", SEEN_MS);
    assert_spec(lease_claim(&lease, US, 15000, NOW_US),
                "{\"acquireTime\":\"" NOW_TEXT "\",\"holderIdentity\":\"" US
                "\",\"leaseDurationSeconds\":15,\"leaseTransitions\":5,\"renewTime\":\"" NOW_TEXT "\"}");
    lease_done(&lease);
}

static void a_renewal_keeps_when_it_was_acquired(void **state)
{
    struct lease lease = {0};

    (void)state;
    see(&lease, "5", "{'holderIdentity': '" US "', 'leaseTransitions': 4, 'acquireTime': 'then'}", SEEN_MS);
    assert_spec(lease_claim(&lease, US, 15000, NOW_US),
                "{\"holderIdentity\":\"" US "\",\"leaseDurationSeconds\":15,\"renewTime\":\"" NOW_TEXT "\"}");
    lease_done(&lease);
}

static void a_released_lease_is_nobodys(void **state)
{
    SCOPED(json) json_t *spec = lease_release(NOW_US);
    SCOPED(json)
    json_t *object = json_pack("{s:{s:s}, s:O}", "metadata", "resourceVersion", "9", "spec", spec);
    struct lease lease = {0};

    (void)state;
    lease_see(&lease, object, SEEN_MS);
    assert_free_after(&lease, 0);
    lease_done(&lease);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_holder_keeps_its_lease_as_long_as_it_promised),
        cmocka_unit_test(what_nobody_ever_held_is_free),
        cmocka_unit_test(a_renewal_begins_the_wait_anew_and_another_write_does_not),
        cmocka_unit_test(a_deleted_lease_is_still_its_holders_for_the_rest_of_its_time),
        cmocka_unit_test(what_is_ours_stays_ours_whatever_the_time),
        cmocka_unit_test(a_first_claim_has_all_members_and_six_digits),
        cmocka_unit_test(a_takeover_counts_a_transition),
        cmocka_unit_test(a_renewal_keeps_when_it_was_acquired),
        cmocka_unit_test(a_released_lease_is_nobodys),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
