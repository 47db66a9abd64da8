#include "lifecycle-svc/sandbox/view.h"

#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/sandbox/labels.h"
#include "lifecycle-svc/sandbox/manifest.h"
#include "lifecycle-svc/sandbox/platform.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static const char IMAGE_OF_A_POOL[] = "unknown";

const char *sandbox_id_of(const orch_sandbox *sandbox)
{
    const char *id = orch_label(sandbox, LABEL_ID);

    return id && *id ? id : sandbox->name;
}

bool is_client_metadata(const char *label_key)
{
    return strncmp(label_key, RESERVED_LABEL_PREFIX, strlen(RESERVED_LABEL_PREFIX)) != 0;
}

static void read_metadata(const orch_sandbox *sandbox, struct json_map *ret_metadata)
{
    for (size_t i = 0; i < sandbox->n_labels; i++)
        if (is_client_metadata(sandbox->labels[i]->key))
            json_map_set(ret_metadata, sandbox->labels[i]->key, sandbox->labels[i]->value);
}

static void read_container(const json_t *container, struct sandbox_view *view)
{
    const char *image = json_path_string(container, "image");
    size_t at;
    json_t *word;

    if (!view->snapshot_id)
        view->image_uri = xstrdup(image ? image : IMAGE_OF_A_POOL);
    json_array_foreach(json_object_get(container, "command"), at, word) if (json_is_string(word))
        json_strings_add(&view->entrypoint, json_string_value(word));
}

/* A template that is absent, null or broken reads as an empty one: the object must stay visible. */
static json_t *parse_template(const orch_sandbox *sandbox)
{
    struct error ignored;
    json_t *template = NULL;

    if (!*sandbox->template_json || json_parse(sandbox->template_json, strlen(sandbox->template_json),
                                               "template", &template, &ignored) < 0)
        return json_null();
    return template;
}

void sandbox_view_of(const orch_sandbox *sandbox, struct sandbox_view *ret_view)
{
    SCOPED(json)
    json_t *template = parse_template(sandbox);
    const json_t *spec = json_path(template, "spec");
    const char *snapshot_id = orch_label(sandbox, LABEL_SNAPSHOT_ID);

    *ret_view = (struct sandbox_view){.id = xstrdup(sandbox_id_of(sandbox)),
                                      .created_unix_ms = sandbox->created_at_unix_ms,
                                      .expires_unix_ms = sandbox->expire_time_unix_ms,
                                      .snapshot_id = snapshot_id ? xstrdup(snapshot_id) : NULL};
    sandbox_status_of(sandbox, &ret_view->status);
    read_metadata(sandbox, &ret_view->metadata);
    read_container(json_array_get(json_object_get(spec, "containers"), 0), ret_view);
    platform_of(spec, &ret_view->os, &ret_view->arch);
}

void sandbox_view_done(struct sandbox_view *view)
{
    free(view->id);
    free(view->status.message);
    free(view->image_uri);
    free(view->snapshot_id);
    json_strings_free(&view->entrypoint);
    json_map_free(&view->metadata);
    free(view->os);
    free(view->arch);
    *view = (struct sandbox_view){0};
}
