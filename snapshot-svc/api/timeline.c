#include "snapshot-svc/api/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/base/utf8.h"

/* What others write into an Event is theirs; what we pass on of it is bounded. */
enum { EVENT_TEXT_MAX_BYTES = 1024 };

struct moment {
    const json_t *event;
    int64_t first_ms, last_ms;
    size_t at; /* its place in the list */
};

void timeline_subject_done(struct timeline_subject *subject)
{
    json_strings_free(&subject->names);
    json_strings_free(&subject->uids);
}

/* ---- which ---- */

static int64_t time_of(const json_t *event, const char *const *paths)
{
    struct error ignored = {0};
    int64_t unix_ms;

    for (; *paths; paths++) {
        const char *text = json_path_string(event, *paths);
        if (text && rfc3339_parse(text, &unix_ms, &ignored) == 0)
            return unix_ms;
    }
    return 0;
}

static struct moment moment_of(const json_t *event, size_t at)
{
    static const char *const firsts[] = {"firstTimestamp", "eventTime", "metadata.creationTimestamp", NULL};
    static const char *const lasts[] = {"series.lastObservedTime", "lastTimestamp", "eventTime",
                                        "metadata.creationTimestamp", NULL};

    return (struct moment){
        .event = event, .first_ms = time_of(event, firsts), .last_ms = time_of(event, lasts), .at = at};
}

static bool contains(const struct json_strings *texts, const char *text)
{
    for (size_t i = 0; text && i < texts->count; i++)
        if (strcmp(texts->items[i], text) == 0)
            return true;
    return false;
}

static bool belongs(const struct moment *moment, const struct timeline_subject *subject)
{
    const json_t *involved = json_object_get(moment->event, "involvedObject");
    const char *kind = json_path_string(involved, "kind"), *uid = json_path_string(involved, "uid");

    if (contains(&subject->uids, uid))
        return true;
    if (!kind || !contains(&subject->names, json_path_string(involved, "name")))
        return false;
    /* Another sandbox had its name before. Whole seconds: an Event may be from the second that the sandbox was made in. */
    if (strcmp(kind, "BatchSandbox") == 0 && uid && *uid)
        return false;
    return moment->last_ms >= subject->since_ms / 1000 * 1000;
}

static int newest_first(const void *a_, const void *b_)
{
    const struct moment *a = a_, *b = b_;

    if (a->last_ms != b->last_ms)
        return a->last_ms < b->last_ms ? 1 : -1;
    if (a->first_ms != b->first_ms)
        return a->first_ms < b->first_ms ? 1 : -1;
    return a->at < b->at ? 1 : -1;
}

/* ---- as messages ---- */

static char *bounded_text(const struct message_memory *memory, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    if (length <= EVENT_TEXT_MAX_BYTES)
        return message_text(memory, text);
    SCOPED(string) char *cut = xstrndup(text, utf8_cut_length(text, EVENT_TEXT_MAX_BYTES));
    return message_text(memory, cut);
}

static int32_t count_of(const json_t *event)
{
    json_int_t count = json_integer_value(json_path(event, "count"));
    json_int_t series = json_integer_value(json_path(event, "series.count"));

    if (series > count)
        count = series;
    return count < 1 ? 1 : count > INT32_MAX ? INT32_MAX : (int32_t)count;
}

static event_message *message_of(const struct message_memory *memory, const struct moment *moment)
{
    const json_t *involved = json_object_get(moment->event, "involvedObject");
    const char *kind = json_path_string(involved, "kind"), *name = json_path_string(involved, "name");
    SCOPED(string) char *object = xasprintf("%s/%s", kind ? kind : "", name ? name : "");
    event_message *out = message_part(memory, sizeof(*out));

    opensandbox__orchestrator__v1__event_description__init(out);
    out->type = bounded_text(memory, json_path_string(moment->event, "type"));
    out->reason = bounded_text(memory, json_path_string(moment->event, "reason"));
    out->message = bounded_text(memory, json_path_string(moment->event, "message"));
    out->object = bounded_text(memory, object);
    out->count = count_of(moment->event);
    out->first_unix_ms = moment->first_ms;
    out->last_unix_ms = moment->last_ms;
    return out;
}

int timeline_read(struct cluster *cluster, const char *ns, const struct timeline_subject *subject,
                  const struct message_memory *memory, event_message ***ret_events, size_t *ret_count,
                  struct error *err)
{
    size_t names = subject->names.count < TIMELINE_NAMES_MAX ? subject->names.count : TIMELINE_NAMES_MAX;
    SCOPED(json) json_t *items = NULL;
    size_t count = 0, at;
    json_t *event;

    if (cluster_events_about(cluster, ns, subject->names.items, names, &items, err) < 0)
        return error_wrap(err, "events of sandbox %s", subject->sandbox);
    SCOPED(memory) struct moment *moments = xcalloc(json_array_size(items) + 1, sizeof(*moments));
    json_array_foreach(items, at, event)
    {
        moments[count] = moment_of(event, at);
        count += belongs(&moments[count], subject) ? 1 : 0;
    }
    qsort(moments, count, sizeof(*moments), newest_first);
    if (count > TIMELINE_MAX)
        count = TIMELINE_MAX;
    event_message **events = message_part(memory, (count + 1) * sizeof(*events));
    for (size_t i = 0; i < count; i++)
        events[i] = message_of(memory, &moments[count - 1 - i]);
    *ret_events = events;
    *ret_count = count;
    return 0;
}
