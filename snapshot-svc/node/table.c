#include "snapshot-svc/node/table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/alloc.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"

struct entry {
    char *uid, *ns, *name;
    bool is_stored, is_deleting;
    bool is_listed; /* in the list that is being read */
    pod_seen *seen;
    struct backoff backoff;
    int64_t retry_at_ms;     /* monotonic; 0: at once */
    struct rpc_stream *call; /* borrowed while its worker waits for it */
    enum call_kind call_kind;
    bool is_cancelled; /* the call, by us */
    bool is_over;      /* the watch has told the pod's end since the last call to start it began */
    UT_hash_handle hh;
};

struct table {
    pthread_mutex_t lock; /* guards everything here and in the entries */
    struct entry *entries;
    bool agent_known, is_closed;
};

/* ---- a pod as a value ---- */

pod_seen *pod_seen_copy(const pod_seen *seen)
{
    size_t length = opensandbox__committer__v1__pod__get_packed_size(seen);
    uint8_t *bytes = xcalloc(length + 1, 1);

    opensandbox__committer__v1__pod__pack(seen, bytes);
    pod_seen *copy = opensandbox__committer__v1__pod__unpack(NULL, length, bytes);
    free(bytes);
    return copy;
}

void pod_seen_free(pod_seen *seen)
{
    opensandbox__committer__v1__pod__free_unpacked(seen, NULL);
}

/* ---- life ---- */

struct table *table_new(void)
{
    struct table *table = xcalloc(1, sizeof(*table));

    pthread_mutex_init(&table->lock, NULL);
    return table;
}

static void entry_free(struct table *table, struct entry *entry)
{
    HASH_DEL(table->entries, entry);
    pod_seen_free(entry->seen);
    free(entry->uid);
    free(entry->ns);
    free(entry->name);
    free(entry);
}

void table_free(struct table *table)
{
    struct entry *entry, *next;

    if (!table)
        return;
    HASH_ITER(hh, table->entries, entry, next)
    {
        entry_free(table, entry);
    }
    pthread_mutex_destroy(&table->lock);
    free(table);
}

/* ---- with the lock held ---- */

static struct entry *find(struct table *table, const char *uid)
{
    struct entry *entry;

    HASH_FIND_STR(table->entries, uid, entry);
    return entry;
}

static struct entry *find_or_add(struct table *table, const char *uid, const char *ns, const char *name)
{
    struct entry *entry = find(table, uid);

    if (entry)
        return entry;
    entry = xcalloc(1, sizeof(*entry));
    entry->uid = xstrdup(uid);
    entry->ns = xstrdup(ns);
    entry->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, table->entries, entry->uid, strlen(entry->uid), entry);
    return entry;
}

/* A call keeps its entry: its worker comes back to say that it ended. */
static void drop_if_unknown(struct table *table, struct entry *entry)
{
    if (!entry->is_stored && !entry->seen && !entry->call)
        entry_free(table, entry);
}

static void cancel(struct entry *entry)
{
    entry->is_cancelled = true;
    rpc_stream_cancel(entry->call);
}

static void see(struct entry *entry, pod_seen *seen)
{
    pod_seen_free(entry->seen);
    entry->seen = seen;
}

/* ---- the store ---- */

void table_note_stored(struct table *table, const char *uid, const char *ns, const char *name,
                       bool is_deleting)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find_or_add(table, uid, ns, name);
    entry->is_stored = true;
    entry->is_deleting = is_deleting;
    if (is_deleting && entry->call && entry->call_kind == CALL_START)
        cancel(entry);
    pthread_mutex_unlock(&table->lock);
}

void table_note_unstored(struct table *table, const char *uid)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, uid);
    if (entry) {
        entry->is_stored = false;
        if (entry->call && entry->call_kind == CALL_START)
            cancel(entry);
        drop_if_unknown(table, entry);
    }
    pthread_mutex_unlock(&table->lock);
}

/* ---- the agent ---- */

void table_note_seen(struct table *table, const pod_seen *seen)
{
    bool is_gone = seen->state == OPENSANDBOX__COMMITTER__V1__POD_STATE__GONE;

    if (!seen->pod)
        return;
    pthread_mutex_lock(&table->lock);
    struct entry *entry = is_gone
                              ? find(table, seen->pod->uid)
                              : find_or_add(table, seen->pod->uid, seen->pod->namespace_, seen->pod->name);
    if (entry) {
        entry->is_listed = true;
        entry->is_over = is_gone || seen->state == OPENSANDBOX__COMMITTER__V1__POD_STATE__ENDED;
        see(entry, is_gone ? NULL : pod_seen_copy(seen));
        drop_if_unknown(table, entry);
    }
    pthread_mutex_unlock(&table->lock);
}

void table_note_started(struct table *table, const pod_seen *seen)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, seen->pod->uid);
    if (entry && !entry->is_over) {
        entry->is_listed = true;
        see(entry, pod_seen_copy(seen));
    }
    pthread_mutex_unlock(&table->lock);
}

void table_list_begin(struct table *table)
{
    pthread_mutex_lock(&table->lock);
    for (struct entry *entry = table->entries; entry; entry = entry->hh.next)
        entry->is_listed = false;
    pthread_mutex_unlock(&table->lock);
}

void table_list_end(struct table *table)
{
    struct entry *entry, *next;

    pthread_mutex_lock(&table->lock);
    table->agent_known = true;
    HASH_ITER(hh, table->entries, entry, next)
    {
        if (!entry->is_listed)
            see(entry, NULL);
        drop_if_unknown(table, entry);
    }
    pthread_mutex_unlock(&table->lock);
}

void table_lose_agent(struct table *table)
{
    pthread_mutex_lock(&table->lock);
    table->agent_known = false;
    pthread_mutex_unlock(&table->lock);
}

/* ---- workers ---- */

bool table_get(struct table *table, const char *uid, struct pod_facts *ret_facts)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, uid);
    if (entry) {
        int64_t wait_ms = entry->retry_at_ms - clock_monotonic_ms();
        *ret_facts = (struct pod_facts){.ns = xstrdup(entry->ns),
                                        .name = xstrdup(entry->name),
                                        .is_stored = entry->is_stored,
                                        .agent_known = table->agent_known,
                                        .seen = entry->seen ? pod_seen_copy(entry->seen) : NULL,
                                        .wait_ms = wait_ms > 0 ? wait_ms : 0};
    }
    pthread_mutex_unlock(&table->lock);
    return entry != NULL;
}

void pod_facts_done(struct pod_facts *facts)
{
    free(facts->ns);
    free(facts->name);
    pod_seen_free(facts->seen);
    *facts = (struct pod_facts){0};
}

void table_each(struct table *table, void (*fn)(void *self, const char *uid), void *self)
{
    size_t count = 0;

    pthread_mutex_lock(&table->lock);
    SCOPED(memory) char **uids = xcalloc(HASH_COUNT(table->entries) + 1, sizeof(*uids));
    for (struct entry *entry = table->entries; entry; entry = entry->hh.next)
        uids[count++] = xstrdup(entry->uid);
    pthread_mutex_unlock(&table->lock);
    for (size_t i = 0; i < count; i++) {
        fn(self, uids[i]);
        free(uids[i]);
    }
}

unsigned table_start_failed(struct table *table, const char *uid, int64_t first_ms, int64_t max_ms,
                            int64_t *ret_delay_ms)
{
    unsigned failures = 0;

    *ret_delay_ms = 0;
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, uid);
    if (entry) {
        entry->backoff.first_ms = first_ms;
        entry->backoff.max_ms = max_ms;
        *ret_delay_ms = backoff_next_ms(&entry->backoff);
        entry->retry_at_ms = clock_monotonic_ms() + *ret_delay_ms;
        failures = entry->backoff.failures;
    }
    pthread_mutex_unlock(&table->lock);
    return failures;
}

void table_start_worked(struct table *table, const char *uid)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, uid);
    if (entry) {
        backoff_reset(&entry->backoff);
        entry->retry_at_ms = 0;
    }
    pthread_mutex_unlock(&table->lock);
}

/* ---- calls ---- */

bool table_call_begin(struct table *table, const char *uid, enum call_kind kind, struct rpc_stream *stream)
{
    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, uid);
    bool may = entry && !table->is_closed && (kind == CALL_STOP || (entry->is_stored && !entry->is_deleting));
    if (may) {
        entry->call = stream;
        entry->call_kind = kind;
        entry->is_cancelled = false;
        if (kind == CALL_START)
            entry->is_over = false;
    }
    pthread_mutex_unlock(&table->lock);
    return may;
}

bool table_call_end(struct table *table, const char *uid)
{
    bool was_cancelled = false;

    pthread_mutex_lock(&table->lock);
    struct entry *entry = find(table, uid);
    if (entry) {
        was_cancelled = entry->is_cancelled;
        entry->call = NULL;
        drop_if_unknown(table, entry);
    }
    pthread_mutex_unlock(&table->lock);
    return was_cancelled;
}

void table_close(struct table *table)
{
    pthread_mutex_lock(&table->lock);
    table->is_closed = true;
    for (struct entry *entry = table->entries; entry; entry = entry->hh.next)
        if (entry->call)
            cancel(entry);
    pthread_mutex_unlock(&table->lock);
}
