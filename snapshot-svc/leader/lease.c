#include "snapshot-svc/leader/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"

#define UNREADABLE      "(unreadable)" /* no identity of ours: those end in a random number */
#define MICRO_TIME_SIZE 40

/* ---- reading ---- */

void lease_done(struct lease *lease)
{
    free(lease->holder);
    free(lease->version);
    free(lease->spec);
    *lease = (struct lease){0};
}

static void put_text(char **slot, char *text)
{
    free(*slot);
    *slot = text;
}

/* Absent members are nobody's Lease; members of a wrong kind are somebody's, who does not speak as we do. */
static char *holder_of(const json_t *spec)
{
    const json_t *holder = json_object_get(spec, "holderIdentity");

    if (json_is_string(holder))
        return xstrdup(json_string_value(holder));
    const bool is_absent =
        !spec || json_is_null(spec) || (json_is_object(spec) && (!holder || json_is_null(holder)));
    return xstrdup(is_absent ? "" : UNREADABLE);
}

/* A 32-bit number in the API: what is outside was not written by its rules. */
static int64_t number_of(const json_t *spec, const char *name)
{
    const json_int_t number = json_integer_value(json_object_get(spec, name));
    return number > 0 && number <= INT32_MAX ? number : 0;
}

static void see_spec(struct lease *lease, const json_t *spec, int64_t now_ms)
{
    char *text = spec ? json_canonical(spec) : xstrdup("");

    if (!lease->spec || !lease->exists || strcmp(lease->spec, text) != 0)
        lease->changed_at_ms = now_ms;
    put_text(&lease->spec, text);
    put_text(&lease->holder, holder_of(spec));
    lease->duration_ms = number_of(spec, "leaseDurationSeconds") * 1000;
    lease->transitions = number_of(spec, "leaseTransitions");
}

void lease_see(struct lease *lease, const json_t *object, int64_t now_ms)
{
    lease->known = true;
    if (!object) {
        lease->exists = false;
        put_text(&lease->version, NULL);
        return;
    }
    const char *version = json_path_string(object, "metadata.resourceVersion");
    see_spec(lease, json_object_get(object, "spec"), now_ms);
    lease->exists = true;
    lease->seen_version = version ? strtoull(version, NULL, 10) : 0;
    put_text(&lease->version, xstrdup(version ? version : ""));
}

/* ---- judging ---- */

enum lease_standing lease_standing(const struct lease *lease, const char *identity, int64_t own_duration_ms,
                                   int64_t now_ms, int64_t *ret_free_at_ms)
{
    const int64_t duration_ms = lease->duration_ms ? lease->duration_ms : own_duration_ms;

    if (!lease->holder || !*lease->holder)
        return LEASE_FREE;
    if (strcmp(lease->holder, identity) == 0)
        return lease->exists ? LEASE_OURS : LEASE_FREE;
    if (now_ms - lease->changed_at_ms >= duration_ms)
        return LEASE_FREE;
    *ret_free_at_ms = lease->changed_at_ms + duration_ms;
    return LEASE_HELD;
}

/* ---- writing ---- */

/* metav1.MicroTime: Go parses it with exactly six digits. */
static void format_micro_time(int64_t unix_us, char out[MICRO_TIME_SIZE])
{
    const time_t seconds = unix_us / 1000000;
    struct tm utc;
    char date[MICRO_TIME_SIZE / 2 + 1];

    (void)gmtime_r(&seconds, &utc);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out, MICRO_TIME_SIZE, "%s.%06dZ", date, (int)(unix_us % 1000000));
}

static json_int_t whole_seconds(int64_t duration_ms)
{
    return (duration_ms + 999) / 1000;
}

json_t *lease_claim(const struct lease *lease, const char *identity, int64_t duration_ms, int64_t now_us)
{
    const bool was_ours = lease->holder && strcmp(lease->holder, identity) == 0;
    const bool is_first = !lease->holder;
    char now[MICRO_TIME_SIZE];

    format_micro_time(now_us, now);
    json_t *spec = json_pack("{s:s, s:I, s:s}", "holderIdentity", identity, "leaseDurationSeconds",
                             whole_seconds(duration_ms), "renewTime", now);
    if (was_ours && lease->exists)
        return spec;
    json_object_set_new(spec, "acquireTime", json_string(now));
    json_object_set_new(spec, "leaseTransitions",
                        json_integer((json_int_t)lease->transitions + (was_ours || is_first ? 0 : 1)));
    return spec;
}

/* One second, as client-go has it: whoever takes the empty name for a holder's does not wait long either. */
json_t *lease_release(int64_t now_us)
{
    char now[MICRO_TIME_SIZE];

    format_micro_time(now_us, now);
    return json_pack("{s:s, s:i, s:s, s:s}", "holderIdentity", "", "leaseDurationSeconds", 1, "acquireTime",
                     now, "renewTime", now);
}
