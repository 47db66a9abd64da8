/* Indexes and manifest lists: which manifest is for this machine? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "committer-agent/image/document.h"
#include "shared/base/alloc.h"

struct platform_doc {
    char *os, *architecture, *variant;
};

struct entry_doc {
    char *media_type;
    struct digest digest;
    uint64_t size_bytes;
    struct platform_doc platform;
};

struct index_doc {
    int32_t schema_version;
    char *media_type;
    struct json_list manifests; /* struct entry_doc */
};

static const struct json_field platform_fields[] = {
    {"os", JSON_STR, offsetof(struct platform_doc, os), JSON_OPTIONAL, NULL, 0},
    {"architecture", JSON_STR, offsetof(struct platform_doc, architecture), JSON_OPTIONAL, NULL, 0},
    {"variant", JSON_STR, offsetof(struct platform_doc, variant), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field entry_fields[] = {
    {"mediaType", JSON_STR, offsetof(struct entry_doc, media_type), JSON_REQUIRED, NULL, 0},
    {"digest", JSON_DIGEST, offsetof(struct entry_doc, digest), JSON_REQUIRED, NULL, 0},
    {"size", JSON_SIZE, offsetof(struct entry_doc, size_bytes), JSON_REQUIRED, NULL, 0},
    {"platform", JSON_STRUCT, offsetof(struct entry_doc, platform), JSON_OPTIONAL, platform_fields, 0},
    JSON_FIELDS_END,
};

static const struct json_field index_fields[] = {
    {"schemaVersion", JSON_INT32, offsetof(struct index_doc, schema_version), JSON_REQUIRED, NULL, 0},
    {"mediaType", JSON_STR, offsetof(struct index_doc, media_type), JSON_OPTIONAL, NULL, 0},
    {"manifests", JSON_LIST, offsetof(struct index_doc, manifests), JSON_REQUIRED, entry_fields,
     sizeof(struct entry_doc)},
    JSON_FIELDS_END,
};

static int copy_word(char into[32], const char *word, const char *what, size_t entry, struct error *err)
{
    if (word && strlen(word) >= 32)
        return error_set(err, ERR_INVALID, "%s: manifests[%zu].platform: want words of at most 31 characters",
                         what, entry);
    (void)snprintf(into, 32, "%s", word ? word : "");
    return 0;
}

static int read_entries(const struct index_doc *doc, const char *what, struct index *index, struct error *err)
{
    const struct entry_doc *entries = doc->manifests.items;

    index->entries = xcalloc(doc->manifests.count + 1, sizeof(*index->entries));
    for (size_t i = 0; i < doc->manifests.count; i++) {
        struct index_entry *entry = &index->entries[index->count];
        enum media_type type = media_type_parse(entries[i].media_type);
        if (!media_type_is_manifest(type))
            continue;
        entry->manifest = (struct descriptor){type, entries[i].digest, entries[i].size_bytes};
        if (copy_word(entry->platform.os, entries[i].platform.os, what, i, err) < 0 ||
            copy_word(entry->platform.architecture, entries[i].platform.architecture, what, i, err) < 0 ||
            copy_word(entry->platform.variant, entries[i].platform.variant, what, i, err) < 0)
            return -1;
        index->count++;
    }
    return 0;
}

int index_parse(const char *bytes, size_t length, const char *what, struct index *ret_index,
                struct error *err)
{
    SCOPED(json)
    json_t *json = NULL;
    SCOPED_INDEX struct index index = {0};
    struct index_doc doc = {0};

    if (document_parse(bytes, length, MANIFEST_MAX_BYTES, what, &json, err) < 0 ||
        json_read(json, index_fields, what, &doc, err) < 0)
        return -1;
    int result = document_version(doc.schema_version, what, err);
    if (result == 0 && doc.media_type && !media_type_is_index(media_type_parse(doc.media_type)))
        result = error_set(err, ERR_INVALID,
                           "%s: mediaType: want an OCI index or docker manifest list, got \"%.80s\"", what,
                           doc.media_type);
    if (result == 0 && doc.manifests.count > INDEX_MAX_ENTRIES)
        result = error_set(err, ERR_EXHAUSTED, "%s: manifests: %zu, more than the limit of %d", what,
                           doc.manifests.count, INDEX_MAX_ENTRIES);
    if (result == 0)
        result = read_entries(&doc, what, &index, err);
    json_free_fields(index_fields, &doc);
    if (result < 0)
        return -1;
    *ret_index = index;
    index = (struct index){0};
    return 0;
}

void index_done(struct index *index)
{
    free(index->entries);
    *index = (struct index){0};
}

static void name_platform(struct strbuf *into, const struct platform *platform)
{
    (void)strbuf_addf(into, "%s%s/%s%s%s", into->length ? ", " : "", platform->os, platform->architecture,
                      *platform->variant ? "/" : "", platform->variant);
}

static int nothing_fits(const struct index *index, const struct platform *want, struct error *err)
{
    SCOPED_STRBUF struct strbuf wanted = STRBUF_INIT, offered = {.limit = 200};

    name_platform(&wanted, want);
    for (size_t i = 0; i < index->count; i++)
        if (*index->entries[i].platform.os)
            name_platform(&offered, &index->entries[i].platform);
    return error_set(err, ERR_NOT_FOUND, "the index has no image for %s, only: %s", strbuf_text(&wanted),
                     offered.length ? strbuf_text(&offered) : "none with a platform");
}

int index_select(const struct index *index, const struct platform *want, struct descriptor *ret_manifest,
                 struct error *err)
{
    const struct index_entry *best = NULL;
    int best_distance = 0;

    for (size_t i = 0; i < index->count; i++) {
        int distance = platform_distance(want, &index->entries[i].platform);
        if (distance < 0 || (best && distance >= best_distance))
            continue;
        best = &index->entries[i];
        best_distance = distance;
    }
    if (!best)
        return nothing_fits(index, want, err);
    *ret_manifest = best->manifest;
    return 0;
}
