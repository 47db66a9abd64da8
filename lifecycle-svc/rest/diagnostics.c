/* diagnostics.c - the routes for operators: plain text, kept for clients that have them. The stable JSON form (`scope`) does
 * not exist here. Spec: contract rest-api.md §14. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lifecycle-svc/rest/diagnostics_text.h"
#include "lifecycle-svc/rest/handlers.h"
#include "lifecycle-svc/rest/params.h"
#include "lifecycle-svc/rest/rest_call.h"
#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/describe.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

enum {
    OK = 200,
    MAX_TAIL = 10000,
    MAX_EVENTS = 500,
    TEXT_MAX = 1 << 20, /* bytes, of each part */
    SECONDS_PER_DAY = 86400
};

static const char TEXT_TYPE[] = "text/plain; charset=utf-8";

/* -- what is asked for ----------------------------------------------------------------------------------------- */

struct wishes {
    const char *events_name; /* how this route calls the limit of its Events; NULL: it tells none */
    bool with_logs;
    int64_t tail, events, since_ms; /* since_ms 0: all */
    bool scoped;

    struct error *err;
    bool failed;
};

static int read_since(const char *value, int64_t *ret_ms, struct error *err)
{
    size_t digits = strspn(value, "0123456789");
    int64_t days;

    if (digits > 0 && digits < 6 && (value[digits] == 'd' || value[digits] == 'D') && !value[digits + 1]) {
        days = strtoll(value, NULL, 10); /* Go's durations know no days */
        *ret_ms = days * SECONDS_PER_DAY * 1000;
        return 0;
    }
    if (duration_parse(value, ret_ms, err) < 0)
        return refuse(err, CODE_INVALID_PARAMETER, "since: want a duration like 10m, 1h or 2d");
    return 0;
}

static int read_wish(struct wishes *wishes, const char *name, const char *value)
{
    if (wishes->with_logs && strcmp(name, "tail") == 0)
        return param_read_bounded(name, value, MAX_TAIL, &wishes->tail, wishes->err);
    if (wishes->with_logs && strcmp(name, "since") == 0 && *value)
        return read_since(value, &wishes->since_ms, wishes->err);
    if (wishes->events_name && strcmp(name, wishes->events_name) == 0)
        return param_read_bounded(name, value, MAX_EVENTS, &wishes->events, wishes->err);
    wishes->scoped |= strcmp(name, "scope") == 0;
    return 0;
}

static void read_pair(void *self, const char *name, const char *value)
{
    struct wishes *wishes = self;

    if (!wishes->failed)
        wishes->failed = read_wish(wishes, name, value) < 0;
}

static int read_wishes(struct rest_call *call, struct wishes *wishes, struct error *err)
{
    wishes->err = err;
    http_query_each(call->exchange, read_pair, wishes);
    return wishes->failed ? unreadable(call, "query") : 0;
}

static int refuse_scope(const struct wishes *wishes, struct error *err)
{
    if (!wishes->scoped)
        return 0;
    return refuse(err, CODE_DIAGNOSTICS_NOT_IMPLEMENTED,
                  "scope: the stable diagnostics are not implemented by this server; leave scope out for "
                  "plain text");
}

/* -- what is told ---------------------------------------------------------------------------------------------- */

static int answer_text(struct rest_call *call, const struct strbuf *text)
{
    http_answer(call->exchange, OK, TEXT_TYPE, strbuf_text(text), text->length);
    return 0;
}

static int answer_deprecated_text(struct rest_call *call, const struct strbuf *text)
{
    http_answer_header(call->exchange, "Deprecation", "true");
    return answer_text(call, text);
}

/* These routes tell of pods: a sandbox without one is none to them. */
static int describe(struct rest_call *call, orch_description **ret_description, struct error *err)
{
    const char *id = call->match.params[0];
    SCOPED(orch_description) orch_description *description = NULL;

    if (sandbox_describe(call->service, id, &description, err) < 0)
        return -1;
    if (description->n_pods == 0)
        return refuse(err, CODE_SANDBOX_NOT_FOUND, "No pod found for sandbox %.80s", id);
    *ret_description = TAKE(description);
    return 0;
}

static int add_logs(struct rest_call *call, const struct wishes *wishes, struct strbuf *text,
                    struct error *err)
{
    struct sandbox_caller caller = rest_caller(call);
    struct log_wish wish = {.tail = wishes->tail};
    size_t before = text->length;

    if (wishes->since_ms)
        wish.since_unix_ms = clock_realtime_ms() - wishes->since_ms;
    if (sandbox_logs(call->service, call->match.params[0], &wish, &caller, text, err) < 0)
        return -1;
    if (text->length == before)
        (void)strbuf_adds(text, "(no logs)\n");
    return 0;
}

int rest_diagnose_logs(struct rest_call *call, struct error *err)
{
    struct wishes wishes = {.with_logs = true, .tail = 100};
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;

    if (read_wishes(call, &wishes, err) < 0 || refuse_scope(&wishes, err) < 0 ||
        add_logs(call, &wishes, &text, err) < 0)
        return -1;
    return answer_deprecated_text(call, &text);
}

int rest_diagnose_events(struct rest_call *call, struct error *err)
{
    struct wishes wishes = {.events_name = "limit", .events = 50};
    SCOPED(orch_description) orch_description *description = NULL;
    SCOPED_STRBUF struct strbuf text = {.limit = TEXT_MAX};

    if (read_wishes(call, &wishes, err) < 0 || refuse_scope(&wishes, err) < 0 ||
        describe(call, &description, err) < 0)
        return -1;
    text_of_events(description, wishes.events, &text);
    return answer_deprecated_text(call, &text);
}

int rest_diagnose_inspect(struct rest_call *call, struct error *err)
{
    SCOPED(orch_description) orch_description *description = NULL;
    SCOPED_STRBUF struct strbuf text = {.limit = TEXT_MAX};

    if (describe(call, &description, err) < 0)
        return -1;
    text_of_inspection(description, &text);
    return answer_text(call, &text);
}

/* A part that fails is a line without its cause: that is for the log. */
static void add_logs_or_excuse(struct rest_call *call, const struct wishes *wishes, struct strbuf *text)
{
    struct error err = {0};

    if (add_logs(call, wishes, text, &err) == 0)
        return;
    log_failure(LOG_WARN, "logs left out of a summary", &err, log_str("sandbox", call->match.params[0]));
    (void)strbuf_adds(text, err.code == ERR_UNSUPPORTED ? "(logs are not available on this backend)\n"
                                                        : "[error] Failed to collect log diagnostics.\n");
}

int rest_diagnose_summary(struct rest_call *call, struct error *err)
{
    struct wishes wishes = {.with_logs = true, .tail = 50, .events_name = "event_limit", .events = 20};
    SCOPED(orch_description) orch_description *description = NULL;
    SCOPED_STRBUF struct strbuf inspection = {.limit = TEXT_MAX}, events = {.limit = TEXT_MAX};
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;

    if (read_wishes(call, &wishes, err) < 0 || describe(call, &description, err) < 0)
        return -1;
    text_of_inspection(description, &inspection);
    text_of_events(description, wishes.events, &events);
    (void)strbuf_addf(&text, "SANDBOX DIAGNOSTICS SUMMARY\nSandbox ID: %s\n", call->match.params[0]);
    text_add_heading(&text, "INSPECT");
    (void)strbuf_adds(&text, strbuf_text(&inspection));
    text_add_heading(&text, "EVENTS");
    (void)strbuf_adds(&text, strbuf_text(&events));
    text_add_heading(&text, "LOGS");
    add_logs_or_excuse(call, &wishes, &text);
    return answer_text(call, &text);
}
