#include "committer-agent/commit/journal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/digest.h"
#include "shared/base/file.h"
#include "shared/json/json.h"

enum { RECORD_SIZE_MAX = 1 << 20 };

static const char *const stage_names[] = {
    [STAGE_FREEZING] = "freezing", [STAGE_HOLDING] = "holding",
    [STAGE_KILLING] = "killing",   [STAGE_HANDED_OVER] = "handedOver",
    [STAGE_KILLED] = "killed",     [STAGE_EXPIRED] = "expired",
    [STAGE_DONE] = "done",
};
_Static_assert(sizeof(stage_names) / sizeof(stage_names[0]) == STAGE_MAX, "every stage has a name");

struct journal {
    char *dir;
};

/* The record as JSON holds it: containers as a list, the stage by name. */
struct stored_record {
    char *key, *stage, *pod_uid, *pod_ns, *pod_name;
    bool hold, hands_over, warm, kept;
    int64_t hold_until_unix_ms, frozen_ms, changed_unix_ms;
    struct json_list containers;
};

static const struct json_field skipped_fields[] = {
    {.name = "kind",
     .kind = JSON_STR,
     .offset = offsetof(struct journal_skipped, kind),
     .flags = JSON_REQUIRED},
    {.name = "count", .kind = JSON_SIZE, .offset = offsetof(struct journal_skipped, count)},
    {.name = "example",
     .kind = JSON_STR,
     .offset = offsetof(struct journal_skipped, example),
     .flags = JSON_REQUIRED},
    JSON_FIELDS_END,
};

static const struct json_field container_fields[] = {
    {.name = "name",
     .kind = JSON_STR,
     .offset = offsetof(struct journal_container, name),
     .flags = JSON_REQUIRED},
    {.name = "id",
     .kind = JSON_STR,
     .offset = offsetof(struct journal_container, id),
     .flags = JSON_REQUIRED},
    {.name = "image", .kind = JSON_STR, .offset = offsetof(struct journal_container, image)},
    {.name = "snapshotter", .kind = JSON_STR, .offset = offsetof(struct journal_container, snapshotter)},
    {.name = "snapshotKey", .kind = JSON_STR, .offset = offsetof(struct journal_container, snapshot_key)},
    {.name = "baseManifest", .kind = JSON_STR, .offset = offsetof(struct journal_container, base_manifest)},
    {.name = "digest", .kind = JSON_STR, .offset = offsetof(struct journal_container, digest)},
    {.name = "layerDigest", .kind = JSON_STR, .offset = offsetof(struct journal_container, layer_digest)},
    {.name = "diffID", .kind = JSON_STR, .offset = offsetof(struct journal_container, diff_id)},
    {.name = "chainID", .kind = JSON_STR, .offset = offsetof(struct journal_container, chain_id)},
    {.name = "layerSize", .kind = JSON_SIZE, .offset = offsetof(struct journal_container, layer_size)},
    {.name = "imageSize", .kind = JSON_SIZE, .offset = offsetof(struct journal_container, image_size)},
    {.name = "files", .kind = JSON_SIZE, .offset = offsetof(struct journal_container, files)},
    {.name = "layers", .kind = JSON_INT32, .offset = offsetof(struct journal_container, layers)},
    {.name = "skipped",
     .kind = JSON_LIST,
     .offset = offsetof(struct journal_container, skipped),
     .fields = skipped_fields,
     .item_size = sizeof(struct journal_skipped)},
    JSON_FIELDS_END,
};

static const struct json_field record_fields[] = {
    {.name = "key", .kind = JSON_STR, .offset = offsetof(struct stored_record, key), .flags = JSON_REQUIRED},
    {.name = "stage",
     .kind = JSON_STR,
     .offset = offsetof(struct stored_record, stage),
     .flags = JSON_REQUIRED},
    {.name = "podUID", .kind = JSON_STR, .offset = offsetof(struct stored_record, pod_uid)},
    {.name = "podNamespace", .kind = JSON_STR, .offset = offsetof(struct stored_record, pod_ns)},
    {.name = "podName", .kind = JSON_STR, .offset = offsetof(struct stored_record, pod_name)},
    {.name = "hold", .kind = JSON_BOOL, .offset = offsetof(struct stored_record, hold)},
    {.name = "handsOver", .kind = JSON_BOOL, .offset = offsetof(struct stored_record, hands_over)},
    {.name = "warm", .kind = JSON_BOOL, .offset = offsetof(struct stored_record, warm)},
    {.name = "kept", .kind = JSON_BOOL, .offset = offsetof(struct stored_record, kept)},
    {.name = "holdUntil", .kind = JSON_INT64, .offset = offsetof(struct stored_record, hold_until_unix_ms)},
    {.name = "frozenMs", .kind = JSON_INT64, .offset = offsetof(struct stored_record, frozen_ms)},
    {.name = "changed", .kind = JSON_INT64, .offset = offsetof(struct stored_record, changed_unix_ms)},
    {.name = "containers",
     .kind = JSON_LIST,
     .offset = offsetof(struct stored_record, containers),
     .fields = container_fields,
     .item_size = sizeof(struct journal_container)},
    JSON_FIELDS_END,
};

const char *commit_stage_name(enum commit_stage stage)
{
    return stage_names[stage];
}

static int stage_parse(const char *name, enum commit_stage *ret_stage, struct error *err)
{
    for (unsigned i = 0; i < STAGE_MAX; i++)
        if (strcmp(stage_names[i], name) == 0) {
            *ret_stage = (enum commit_stage)i;
            return 0;
        }
    return error_set(
        err, ERR_INVALID,
        "stage: want freezing, holding, killing, handedOver, killed, expired or done, got \"%s\"", name);
}

void journal_record_free(struct journal_record *record)
{
    if (!record)
        return;
    struct stored_record stored = {.key = record->key,
                                   .pod_uid = record->pod_uid,
                                   .pod_ns = record->pod_ns,
                                   .pod_name = record->pod_name,
                                   .containers = {.items = record->containers, .count = record->count}};
    json_free_fields(record_fields, &stored);
    free(record);
}

void journal_record_keep(struct journal_record *record, size_t count)
{
    while (record->count > count)
        json_free_fields(container_fields, &record->containers[--record->count]);
}

void journal_container_reset(struct journal_container *container)
{
    struct journal_container rest = *container;

    *container = (struct journal_container){.name = TAKE(rest.name),
                                            .id = TAKE(rest.id),
                                            .image = TAKE(rest.image),
                                            .snapshotter = TAKE(rest.snapshotter),
                                            .snapshot_key = TAKE(rest.snapshot_key),
                                            .base_manifest = TAKE(rest.base_manifest)};
    json_free_fields(container_fields, &rest);
}

bool journal_record_has_results(const struct journal_record *record)
{
    return record->count > 0 &&
           record->containers[0].digest; /* all at once, and the committed ones come first */
}

bool journal_record_has(const struct journal_record *record, const char *container_id)
{
    for (size_t i = 0; i < record->count; i++)
        if (strcmp(record->containers[i].id, container_id) == 0)
            return true;
    return false;
}

int journal_open(const char *state_dir, struct journal **ret_journal, struct error *err)
{
    SCOPED(string)
    char *dir = xasprintf("%s/commits", state_dir);

    if (dir_ensure(dir, 0700, err) < 0)
        return error_wrap(err, "opening the journal");
    struct journal *journal = xcalloc(1, sizeof(*journal));
    journal->dir = TAKE(dir);
    *ret_journal = journal;
    return 0;
}

void journal_free(struct journal *journal)
{
    if (!journal)
        return;
    free(journal->dir);
    free(journal);
}

/* Keys are bounded text but not file names: their hash is. */
static char *record_path(const struct journal *journal, const char *key)
{
    struct digest digest = digest_of(key, strlen(key));
    return xasprintf("%s/%.32s.json", journal->dir, digest.text + sizeof("sha256:") - 1);
}

int journal_write(struct journal *journal, const struct journal_record *record, struct error *err)
{
    struct stored_record stored = {.key = record->key,
                                   .stage =
                                       (char *)(uintptr_t)stage_names[record->stage], /* only read below */
                                   .pod_uid = record->pod_uid,
                                   .pod_ns = record->pod_ns,
                                   .pod_name = record->pod_name,
                                   .hold = record->hold,
                                   .hands_over = record->hands_over,
                                   .warm = record->warm,
                                   .kept = record->kept,
                                   .hold_until_unix_ms = record->hold_until_unix_ms,
                                   .frozen_ms = record->frozen_ms,
                                   .changed_unix_ms = record->changed_unix_ms,
                                   .containers = {.items = record->containers, .count = record->count}};
    SCOPED(json)
    json_t *document = json_write(record_fields, &stored);
    SCOPED(string)
    char *text = json_text(document);
    SCOPED(string)
    char *path = record_path(journal, record->key);

    if (file_write_atomic(path, text, strlen(text), 0600, err) < 0)
        return error_wrap(err, "writing the journal record of commit %s", record->key);
    return 0;
}

int journal_remove(struct journal *journal, const char *key, struct error *err)
{
    SCOPED(string)
    char *path = record_path(journal, key);

    if (file_remove_durable(path, err) < 0)
        return error_wrap(err, "removing the journal record of commit %s", key);
    return 0;
}

static int record_read(const char *path, struct journal_record **ret_record, struct error *err)
{
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    SCOPED(json)
    json_t *document = NULL;
    struct stored_record stored = {0};
    enum commit_stage stage = STAGE_MAX;

    if (file_read(path, RECORD_SIZE_MAX, &text, err) < 0)
        return -1;
    if (json_parse(strbuf_text(&text), text.length, path, &document, err) < 0 ||
        json_read(document, record_fields, "", &stored, err) < 0)
        return error_wrap(err, "journal record %s", path);
    if (stage_parse(stored.stage, &stage, err) < 0) {
        json_free_fields(record_fields, &stored);
        return error_wrap(err, "journal record %s", path);
    }
    struct journal_record *record = xcalloc(1, sizeof(*record));
    *record = (struct journal_record){.key = TAKE(stored.key),
                                      .stage = stage,
                                      .pod_uid = TAKE(stored.pod_uid),
                                      .pod_ns = TAKE(stored.pod_ns),
                                      .pod_name = TAKE(stored.pod_name),
                                      .hold = stored.hold,
                                      .hands_over = stored.hands_over,
                                      .warm = stored.warm,
                                      .kept = stored.kept,
                                      .hold_until_unix_ms = stored.hold_until_unix_ms,
                                      .frozen_ms = stored.frozen_ms,
                                      .changed_unix_ms = stored.changed_unix_ms,
                                      .containers = stored.containers.items,
                                      .count = stored.containers.count};
    stored.containers = (struct json_list){0};
    json_free_fields(record_fields, &stored);
    *ret_record = record;
    return 0;
}

static bool is_record_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return name[0] != '.' && dot && strcmp(dot, ".json") == 0;
}

int journal_each(struct journal *journal, void (*each)(void *self, struct journal_record *record),
                 void (*unreadable)(void *self, const struct error *why), void *self, struct error *err)
{
    DIR *dir = opendir(journal->dir);
    struct dirent *entry;
    int result = 0;

    if (!dir)
        return error_sys(err, errno, "reading the journal %s", journal->dir);
    while ((errno = 0, entry = readdir(dir))) {
        if (!is_record_name(entry->d_name))
            continue; /* a temporary neighbour of an interrupted write: the record beside it is whole */
        SCOPED(string)
        char *path = xasprintf("%s/%s", journal->dir, entry->d_name);
        struct journal_record *record = NULL;
        struct error why;
        if (record_read(path, &record, &why) < 0)
            unreadable(self, &why);
        else
            each(self, record);
    }
    if (errno)
        result = error_sys(err, errno, "reading the journal %s", journal->dir);
    (void)closedir(dir);
    return result;
}
