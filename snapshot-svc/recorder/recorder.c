#include "snapshot-svc/recorder/recorder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "shared/base/utf8.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

enum {
    REMEMBERED_MAX = 1024, /* events whose next occurrence is counted instead of added */
    MESSAGE_MAX = 1024,    /* the API server's limit */
    NAME_MAX_LENGTH = 200, /* of the object, inside the event's 253 */
};

struct remembered {
    char *what; /* subject, type, reason and message */
    char *event;
    json_int_t count;
    UT_hash_handle hh;
};

struct recorder {
    struct cluster *cluster; /* set once */
    pthread_mutex_t lock;    /* guards what follows; the least recently posted one comes first */
    struct remembered *remembered;
};

struct recorder *recorder_new(struct cluster *cluster)
{
    struct recorder *recorder = xcalloc(1, sizeof(*recorder));

    recorder->cluster = cluster;
    pthread_mutex_init(&recorder->lock, NULL);
    return recorder;
}

static void forget(struct recorder *recorder, struct remembered *remembered)
{
    HASH_DEL(recorder->remembered, remembered);
    free(remembered->what);
    free(remembered->event);
    free(remembered);
}

void recorder_free(struct recorder *recorder)
{
    struct remembered *remembered, *next;

    if (!recorder)
        return;
    HASH_ITER(hh, recorder->remembered, remembered, next)
    {
        forget(recorder, remembered);
    }
    pthread_mutex_destroy(&recorder->lock);
    free(recorder);
}

/* ---- what was posted before ---- */

/* The name of the event to count up, the caller's, and its new count; NULL: there is none. */
static char *count_up(struct recorder *recorder, const char *what, json_int_t *ret_count)
{
    struct remembered *remembered;
    char *event = NULL;

    pthread_mutex_lock(&recorder->lock);
    HASH_FIND_STR(recorder->remembered, what, remembered);
    if (remembered) {
        event = xstrdup(remembered->event);
        *ret_count = ++remembered->count;
        HASH_DEL(recorder->remembered, remembered); /* and back in at the end */
        HASH_ADD_KEYPTR(hh, recorder->remembered, remembered->what, strlen(remembered->what), remembered);
    }
    pthread_mutex_unlock(&recorder->lock);
    return event;
}

static void remember(struct recorder *recorder, const char *what, const char *event)
{
    struct remembered *remembered;

    pthread_mutex_lock(&recorder->lock);
    HASH_FIND_STR(recorder->remembered, what, remembered);
    if (remembered)
        forget(recorder, remembered);
    if (HASH_COUNT(recorder->remembered) >= REMEMBERED_MAX)
        forget(recorder, recorder->remembered);
    remembered = xcalloc(1, sizeof(*remembered));
    remembered->what = xstrdup(what);
    remembered->event = xstrdup(event);
    remembered->count = 1;
    HASH_ADD_KEYPTR(hh, recorder->remembered, remembered->what, strlen(remembered->what), remembered);
    pthread_mutex_unlock(&recorder->lock);
}

/* ---- posting ---- */

static json_t *event_object(const struct event_subject *subject, const char *event, bool warning,
                            const char *reason, const char *message)
{
    const struct cluster_kind_info *kind = cluster_kind_info(subject->kind);
    char now[RFC3339_SIZE];

    rfc3339_format(clock_realtime_ms() / 1000, now);
    return json_pack(
        "{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:s}, s:s, s:s, s:s, s:i}",
        "apiVersion", "v1", "kind", "Event", "metadata", "name", event, "namespace", subject->ns,
        "involvedObject", "apiVersion", kind->api_version, "kind", kind->kind, "namespace", subject->ns,
        "name", subject->name, "uid", subject->uid ? subject->uid : "", "type",
        warning ? "Warning" : "Normal", "reason", reason, "message", message, "source", "component",
        "snapshot-svc", "reportingComponent", "snapshot-svc", "firstTimestamp", now, "lastTimestamp", now,
        "count", 1);
}

/* 0: counted; -1: the event is gone by now, or something else is wrong. */
static int post_again(struct recorder *recorder, const char *ns, const char *event, json_int_t count,
                      struct error *err)
{
    char now[RFC3339_SIZE];
    SCOPED(json)
    json_t *patch = json_pack("{s:I, s:s}", "count", count, "lastTimestamp",
                              rfc3339_format(clock_realtime_ms() / 1000, now));

    return cluster_patch(recorder->cluster, KIND_EVENT, ns, event, patch, NULL, NULL, err);
}

static int post_first(struct recorder *recorder, const struct event_subject *subject, const char *what,
                      bool warning, const char *reason, const char *message, struct error *err)
{
    char id[HEX_ID_SIZE];
    SCOPED(json) json_t *created = NULL;

    hex_id(id);
    SCOPED(string) char *event = xasprintf("%.*s.%.16s", NAME_MAX_LENGTH, subject->name, id);
    SCOPED(json) json_t *object = event_object(subject, event, warning, reason, message);
    if (cluster_create(recorder->cluster, KIND_EVENT, subject->ns, object, &created, err) < 0)
        return -1;
    remember(recorder, what, event);
    return 0;
}

static char *clean_message(const char *message)
{
    SCOPED_STRBUF struct strbuf clean = STRBUF_INIT;
    const size_t length = strlen(message);

    utf8_append_clean(&clean, message, length < MESSAGE_MAX ? length : utf8_cut_length(message, MESSAGE_MAX));
    return xstrdup(strbuf_text(&clean));
}

void recorder_post(struct recorder *recorder, const struct event_subject *subject, bool warning,
                   const char *reason, const char *message)
{
    SCOPED(string) char *text = clean_message(message ? message : "");
    SCOPED(string)
    char *what = xasprintf("%s\n%s/%s\n%s\n%d\n%s\n%s", cluster_kind_info(subject->kind)->kind, subject->ns,
                           subject->name, subject->uid ? subject->uid : "", warning, reason, text);
    json_int_t count = 0;
    SCOPED(string) char *event = count_up(recorder, what, &count);
    struct error err = {0};

    if (event && post_again(recorder, subject->ns, event, count, &err) == 0)
        return;
    error_clear(&err);
    if (post_first(recorder, subject, what, warning, reason, text, &err) < 0)
        log_emit_error(LOG_DEBUG, "event not posted", &err,
                       (const struct log_field[]){log_str("reason", reason)}, 1);
}
