#include "lifecycle-svc/rest/sandbox_json.h"

#include "lifecycle-svc/rest/json_put.h"
#include "lifecycle-svc/rest/rest_call.h"

static json_t *status_json(const struct sandbox_status *status)
{
    json_t *object = json_object();

    json_put_text(object, "state", sandbox_state_name(status->state));
    json_put_text(object, "reason", status->reason);
    json_put_text(object, "message", status->message);
    json_put_time(object, "lastTransitionAt", status->last_transition_unix_ms);
    return object;
}

static json_t *words_json(const struct json_strings *words)
{
    json_t *array = json_array();

    for (size_t i = 0; i < words->count; i++)
        (void)json_array_append_new(array, json_clean(words->items[i]));
    return array;
}

static json_t *map_json(const struct json_map *map)
{
    json_t *object = json_object();

    for (size_t i = 0; i < map->count; i++)
        json_put_text(object, map->pairs[i].key, map->pairs[i].value);
    return object;
}

json_t *sandbox_json(const struct sandbox_view *view)
{
    json_t *object = json_object();

    json_put_text(object, "id", view->id);
    (void)json_object_set_new(object, "status", status_json(&view->status));
    json_put_time(object, "createdAt", view->created_unix_ms);
    if (view->expires_unix_ms)
        json_put_time(object, "expiresAt", view->expires_unix_ms);
    if (view->image_uri) {
        json_t *image = json_object();
        json_put_text(image, "uri", view->image_uri);
        (void)json_object_set_new(object, "image", image);
    }
    json_put_text(object, "snapshotId", view->snapshot_id);
    (void)json_object_set_new(object, "entrypoint", words_json(&view->entrypoint));
    if (view->metadata.count)
        (void)json_object_set_new(object, "metadata", map_json(&view->metadata));
    if (view->os) {
        json_t *platform = json_object();
        json_put_text(platform, "os", view->os);
        json_put_text(platform, "arch", view->arch);
        (void)json_object_set_new(object, "platform", platform);
    }
    return object;
}

json_t *sandbox_page_json(const struct sandbox_page *page)
{
    json_t *items = json_array();

    for (size_t i = 0; i < page->page.count; i++)
        (void)json_array_append_new(items, sandbox_json(&page->items[i]));
    return json_pack("{s:o, s:o}", "items", items, "pagination", pagination_json(&page->page));
}
