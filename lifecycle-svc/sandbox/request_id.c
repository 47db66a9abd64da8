#include "lifecycle-svc/sandbox/request_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/digest.h"

void request_uuid(const char *verb, const char *request_id, char out[UUID_SIZE])
{
    struct hasher *hasher = hasher_new();

    hasher_update(hasher, verb, strlen(verb) + 1);
    hasher_update(hasher, request_id, strlen(request_id));
    struct digest digest = hasher_finish(hasher);
    uuid_of(digest.bytes, out);
}

/* Texts go in with their length before them, so no two requests run together into the same bytes. */
static void add(struct hasher *hasher, const char *text)
{
    char length[24];
    int digits = text ? snprintf(length, sizeof(length), "%zu:", strlen(text))
                      : snprintf(length, sizeof(length), "-:"); /* absent is not empty */

    hasher_update(hasher, length, (size_t)digits);
    if (text)
        hasher_update(hasher, text, strlen(text));
}

static void add_number(struct hasher *hasher, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    add(hasher, text);
}

static void add_strings(struct hasher *hasher, const struct json_strings *list)
{
    add_number(hasher, (int64_t)list->count);
    for (size_t i = 0; i < list->count; i++)
        add(hasher, list->items[i]);
}

static int by_key(const void *a, const void *b)
{
    const struct json_pair *const *x = a, *const *y = b;

    return strcmp((*x)->key, (*y)->key);
}

/* gRPC clients send maps in any order. */
static void add_map(struct hasher *hasher, const struct json_map *map)
{
    const struct json_pair **sorted = xcalloc(map->count + 1, sizeof(*sorted));

    for (size_t i = 0; i < map->count; i++)
        sorted[i] = &map->pairs[i];
    qsort(sorted, map->count, sizeof(*sorted), by_key);
    add_number(hasher, (int64_t)map->count);
    for (size_t i = 0; i < map->count; i++) {
        add(hasher, sorted[i]->key);
        add(hasher, sorted[i]->value);
    }
    free(sorted);
}

static void add_volume(struct hasher *hasher, const struct volume *volume)
{
    add(hasher, volume->name);
    add(hasher, volume->mount_path);
    add(hasher, volume->sub_path);
    add_number(hasher, volume->read_only);
    add(hasher, volume->host_path);
    add(hasher, volume->claim.name);
    add_number(hasher, volume->claim.create_if_absent != 0);
    add(hasher, volume->claim.storage_class);
    add(hasher, volume->claim.storage);
    add_strings(hasher, &volume->claim.access_modes);
}

void request_fingerprint(const struct create_request *request, char out[FINGERPRINT_SIZE])
{
    const struct volume *volumes = request->volumes.items;
    struct hasher *hasher = hasher_new();

    add(hasher, request->image.uri);
    add(hasher, request->image.auth.username);
    add(hasher, request->snapshot_id);
    add_strings(hasher, &request->entrypoint);
    add_map(hasher, &request->resource_limits);
    add_map(hasher, &request->resource_requests);
    add_number(hasher, request->timeout_s);
    add_map(hasher, &request->env);
    add_map(hasher, &request->metadata);
    add(hasher, request->platform.os);
    add(hasher, request->platform.arch);
    add_map(hasher, &request->extensions);
    add_number(hasher, (int64_t)request->volumes.count);
    for (size_t i = 0; i < request->volumes.count; i++)
        add_volume(hasher, &volumes[i]);
    struct digest digest = hasher_finish(hasher);
    (void)snprintf(out, FINGERPRINT_SIZE, "%s", digest.text + strlen("sha256:"));
}
