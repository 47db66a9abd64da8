#include "snapshot-svc/recorder/poster.h"

#include <ctype.h>
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

struct poster {
    struct cluster *cluster;
    struct remembered *remembered; /* the least recently posted one comes first */
};

/* ---- what is to be told ---- */

static char *clean_message(const char *message)
{
    SCOPED_STRBUF struct strbuf clean = STRBUF_INIT;
    const size_t length = strlen(message);

    utf8_append_clean(&clean, message, length < MESSAGE_MAX ? length : utf8_cut_length(message, MESSAGE_MAX));
    return xstrdup(strbuf_text(&clean));
}

struct posting *posting_new(const struct event_subject *subject, bool warning, const char *reason,
                            const char *message)
{
    struct posting *posting = xcalloc(1, sizeof(*posting));

    *posting = (struct posting){.kind = subject->kind,
                                .ns = xstrdup(subject->ns),
                                .name = xstrdup(subject->name),
                                .uid = xstrdup(subject->uid ? subject->uid : ""),
                                .warning = warning,
                                .reason = xstrdup(reason),
                                .message = clean_message(message ? message : ""),
                                .at_unix_s = clock_realtime_ms() / 1000};
    return posting;
}

void posting_free(struct posting *posting)
{
    if (!posting)
        return;
    free(posting->ns);
    free(posting->name);
    free(posting->uid);
    free(posting->reason);
    free(posting->message);
    free(posting);
}

/* ---- what was posted before ---- */

struct poster *poster_new(struct cluster *cluster)
{
    struct poster *poster = xcalloc(1, sizeof(*poster));

    poster->cluster = cluster;
    return poster;
}

static void forget(struct poster *poster, struct remembered *remembered)
{
    HASH_DEL(poster->remembered, remembered);
    free(remembered->what);
    free(remembered->event);
    free(remembered);
}

void poster_free(struct poster *poster)
{
    struct remembered *remembered, *next;

    if (!poster)
        return;
    HASH_ITER(hh, poster->remembered, remembered, next)
    {
        forget(poster, remembered);
    }
    free(poster);
}

/* The event to count up, with its new count; NULL: there is none. Borrowed until the next one is remembered. */
static const struct remembered *count_up(struct poster *poster, const char *what)
{
    struct remembered *remembered;

    HASH_FIND_STR(poster->remembered, what, remembered);
    if (!remembered)
        return NULL;
    remembered->count++;
    HASH_DEL(poster->remembered, remembered); /* and back in at the end */
    HASH_ADD_KEYPTR(hh, poster->remembered, remembered->what, strlen(remembered->what), remembered);
    return remembered;
}

static void remember(struct poster *poster, const char *what, const char *event)
{
    struct remembered *remembered;

    HASH_FIND_STR(poster->remembered, what, remembered);
    if (remembered)
        forget(poster, remembered);
    if (HASH_COUNT(poster->remembered) >= REMEMBERED_MAX)
        forget(poster, poster->remembered);
    remembered = xcalloc(1, sizeof(*remembered));
    remembered->what = xstrdup(what);
    remembered->event = xstrdup(event);
    remembered->count = 1;
    HASH_ADD_KEYPTR(hh, poster->remembered, remembered->what, strlen(remembered->what), remembered);
}

/* ---- posting ---- */

/* The object's name, cut where a name may end, and something that no other event has. */
static char *event_name(const char *object_name)
{
    char id[HEX_ID_SIZE];
    size_t length = strnlen(object_name, NAME_MAX_LENGTH);

    while (length > 0 && !isalnum((unsigned char)object_name[length - 1]))
        length--;
    hex_id(id);
    return xasprintf("%.*s.%.16s", (int)length, object_name, id);
}

static json_t *event_object(const struct posting *posting, const char *event)
{
    const struct cluster_kind_info *kind = cluster_kind_info(posting->kind);
    char at[RFC3339_SIZE];

    rfc3339_format(posting->at_unix_s, at);
    return json_pack(
        "{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:s}, s:s, s:s, s:s, s:i}",
        "apiVersion", "v1", "kind", "Event", "metadata", "name", event, "namespace", posting->ns,
        "involvedObject", "apiVersion", kind->api_version, "kind", kind->kind, "namespace", posting->ns,
        "name", posting->name, "uid", posting->uid, "type", posting->warning ? "Warning" : "Normal", "reason",
        posting->reason, "message", posting->message, "source", "component", "snapshot-svc",
        "reportingComponent", "snapshot-svc", "firstTimestamp", at, "lastTimestamp", at, "count", 1);
}

/* 0: counted; -1: the event is gone by now, or something else is wrong. */
static int post_again(struct poster *poster, const struct posting *posting,
                      const struct remembered *remembered, struct error *err)
{
    char at[RFC3339_SIZE];
    SCOPED(json)
    json_t *patch = json_pack("{s:I, s:s}", "count", remembered->count, "lastTimestamp",
                              rfc3339_format(posting->at_unix_s, at));

    return cluster_patch(poster->cluster, KIND_EVENT, posting->ns, remembered->event, patch, NULL, NULL, err);
}

static int post_first(struct poster *poster, const struct posting *posting, const char *what,
                      struct error *err)
{
    SCOPED(string) char *event = event_name(posting->name);
    SCOPED(json) json_t *object = event_object(posting, event);
    SCOPED(json) json_t *created = NULL;

    if (cluster_create(poster->cluster, KIND_EVENT, posting->ns, object, &created, err) < 0)
        return -1;
    remember(poster, what, event);
    return 0;
}

void poster_post(struct poster *poster, const struct posting *posting)
{
    SCOPED(string)
    char *what = xasprintf("%s\n%s/%s\n%s\n%d\n%s\n%s", cluster_kind_info(posting->kind)->kind, posting->ns,
                           posting->name, posting->uid, posting->warning, posting->reason, posting->message);
    const struct remembered *remembered = count_up(poster, what);
    struct error err = {0};

    if (remembered && post_again(poster, posting, remembered, &err) == 0)
        return;
    error_clear(&err);
    if (post_first(poster, posting, what, &err) < 0)
        log_failure(LOG_DEBUG, "event not posted", &err, log_str("namespace", posting->ns),
                    log_str("name", posting->name), log_str("reason", posting->reason));
}
