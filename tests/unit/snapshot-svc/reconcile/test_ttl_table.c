/* Each decision about how long a sandbox lives (sandbox_ttl.h), as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shared/base/cleanup.h"
#include "snapshot-svc/model/names.h"
#include "snapshot-svc/reconcile/sandbox_ttl.h"

#define SECONDS(n) ((int64_t)(n)*1000)

enum { NOW = 1000, PAST = 900, FUTURE = 1100 }; /* seconds */

static const struct {
    const char *what, *phase;
    enum intent intent;
    bool runs, pooled;
    int expires_s;       /* 0: never */
    const char *stopped; /* NULL: no annotation */
    enum ttl_move move;
    int becomes_s; /* START */
} rows[] = {
    // clang-format off
    {"it runs",                      "Succeed",  INTENT_NONE,     false, false, FUTURE, NULL, TTL_STAY, 0},
    {"its time is over",             "Succeed",  INTENT_NONE,     false, false, PAST,   NULL, TTL_EXPIRE, 0},
    {"its time is over now",         "Succeed",  INTENT_NONE,     false, false, NOW,    NULL, TTL_EXPIRE, 0},
    {"Pending expires",              "Pending",  INTENT_NONE,     false, false, PAST,   NULL, TTL_EXPIRE, 0},
    {"Failed expires",               "Failed",   INTENT_NONE,     false, false, PAST,   NULL, TTL_EXPIRE, 0},
    {"without a status",             "",         INTENT_NONE,     false, false, PAST,   NULL, TTL_EXPIRE, 0},
    {"of a later version",           "Dancing",  INTENT_NONE,     false, false, PAST,   NULL, TTL_EXPIRE, 0},
    {"an edit is no wish",           "Succeed",  INTENT_ACK_ONLY, false, false, PAST,   NULL, TTL_EXPIRE, 0},
    {"it has no expiry",             "Succeed",  INTENT_NONE,     false, false, 0,      NULL, TTL_STAY, 0},
    {"nor has a paused one",         "Paused",   INTENT_NONE,     false, false, 0,      NULL, TTL_STAY, 0},
    {"nor has it any more",          "Paused",   INTENT_NONE,     false, false, 0,      "1970-01-01T00:15:00Z", TTL_FORGET, 0},
    {"a pause is wished",            "Succeed",  INTENT_PAUSE,    false, false, FUTURE, NULL, TTL_STOP, 0},
    {"a pause is wished in time",    "Succeed",  INTENT_PAUSE,    false, false, PAST,   NULL, TTL_STOP, 0},
    {"Pausing",                      "Pausing",  INTENT_NONE,     false, false, PAST,   NULL, TTL_STOP, 0},
    {"Paused by an older version",   "Paused",   INTENT_NONE,     false, false, PAST,   NULL, TTL_STOP, 0},
    {"Resuming",                     "Resuming", INTENT_NONE,     false, false, PAST,   NULL, TTL_STOP, 0},
    {"it stands still",              "Paused",   INTENT_NONE,     false, false, PAST,   "1970-01-01T00:15:00.5Z", TTL_STAY, 0},
    {"a resume is wished",           "Paused",   INTENT_RESUME,   false, false, PAST,   "1970-01-01T00:15:00Z", TTL_STAY, 0},
    {"nobody can read it",           "Paused",   INTENT_NONE,     false, false, PAST,   "yesterday", TTL_STOP, 0},
    {"before there was time",        "Paused",   INTENT_NONE,     false, false, PAST,   "0001-01-01T00:00:00Z", TTL_STOP, 0},
    {"it goes on",                   "Succeed",  INTENT_NONE,     false, false, PAST,   "1970-01-01T00:15:00Z", TTL_START, 1000},
    {"in whole seconds, rounded up", "Succeed",  INTENT_NONE,     false, false, PAST,   "1970-01-01T00:16:30.500Z", TTL_START, 910},
    {"it goes on in Failed",         "Failed",   INTENT_NONE,     false, false, PAST,   "1970-01-01T00:15:00Z", TTL_START, 1000},
    {"it goes on in Pending",        "Pending",  INTENT_NONE,     false, false, PAST,   "1970-01-01T00:15:00Z", TTL_START, 1000},
    {"a clock that goes backwards",  "Succeed",  INTENT_NONE,     false, false, PAST,   "1970-01-01T01:00:00Z", TTL_START, 900},
    {"unreadable is now",            "Succeed",  INTENT_NONE,     false, false, PAST,   "yesterday", TTL_START, 900},
    {"a wish is answered first",     "Succeed",  INTENT_RESUME,   false, false, PAST,   "1970-01-01T00:15:00Z", TTL_STAY, 0},
    {"run: it expires paused",       "Paused",   INTENT_NONE,     true,  false, PAST,   NULL, TTL_EXPIRE, 0},
    {"run: and under a wish",        "Succeed",  INTENT_PAUSE,    true,  false, PAST,   NULL, TTL_EXPIRE, 0},
    {"run: what was left is paid",   "Paused",   INTENT_NONE,     true,  false, PAST,   "1970-01-01T00:15:00Z", TTL_START, 1000},
    {"run: after the wish",          "Succeed",  INTENT_PAUSE,    true,  false, PAST,   "1970-01-01T00:15:00Z", TTL_STAY, 0},
    {"nobody pauses a pooled one",   "Pending",  INTENT_PAUSE,    false, true,  PAST,   NULL, TTL_EXPIRE, 0},
    // clang-format on
};

static void the_clock_follows_its_table(void **state)
{
    const struct reconcile_config run = {.ttl_runs_while_paused = true}, stop = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct json_pair pair = {.key = (char *)ANNOTATION_TTL_STOPPED_AT, .value = (char *)rows[i].stopped};
        const struct batchsandbox sandbox = {
            .meta = {.annotations = {.pairs = &pair, .count = rows[i].stopped ? 1 : 0}},
            .spec = {.expire_time_ms = SECONDS(rows[i].expires_s), .pool_ref = rows[i].pooled ? "p" : NULL},
            .status = {.phase_name = (char *)rows[i].phase}};
        const struct ttl_decision found =
            ttl_decide(&sandbox, rows[i].intent, rows[i].runs ? &run : &stop, SECONDS(NOW));
        if (found.move != rows[i].move || found.expire_time_ms != SECONDS(rows[i].becomes_s))
            fail_msg("%s: want move %d to %d, got %d to %lld", rows[i].what, (int)rows[i].move,
                     rows[i].becomes_s, (int)found.move, (long long)found.expire_time_ms / 1000);
        const bool waits = rows[i].expires_s == FUTURE && rows[i].move == TTL_STAY;
        assert_int_equal(found.requeue_at_ms, waits ? SECONDS(FUTURE) : 0);
    }
}

static void the_warning_says_when_and_what_to_do(void **state)
{
    const struct retention_decision decision = {.paused_since_ms = 0, .ends_at_ms = SECONDS(86400)};
    SCOPED(string) char *message = retention_message(&decision);

    (void)state;
    assert_string_equal(message, "paused since 1970-01-01T00:00:00Z: it is deleted at 1970-01-02T00:00:00Z "
                                 "(--paused-retention); resume it before then to keep it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_follows_its_table),
        cmocka_unit_test(the_warning_says_when_and_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
