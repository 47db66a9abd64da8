#include "lifecycle-svc/ctl/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle-svc/ctl/table.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"

enum { INDENT = 2 };

static int64_t unix_ms(const Google__Protobuf__Timestamp *time)
{
    return time->seconds * 1000 + time->nanos / 1000000;
}

void put_text(json_t *object, const char *key, const char *text)
{
    if (text && *text)
        (void)json_object_set_new(object, key, json_string(text));
}

void put_time(json_t *object, const char *key, const Google__Protobuf__Timestamp *time)
{
    char text[RFC3339_SIZE];

    if (time)
        put_text(object, key,
                 time->nanos ? rfc3339_format_ms(unix_ms(time), text) : rfc3339_format(time->seconds, text));
}

json_t *status_to_json(const Opensandbox__Lifecycle__V1__SandboxStatus *status)
{
    json_t *object = json_object();

    if (!status)
        return object;
    put_text(object, "state", status->state);
    put_text(object, "reason", status->reason);
    put_text(object, "message", status->message);
    put_time(object, "lastTransitionAt", status->last_transition_at);
    return object;
}

json_t *sandbox_to_json(const ctl_sandbox *sandbox)
{
    json_t *object = json_object(), *entrypoint = json_array(), *metadata = json_object();

    for (size_t i = 0; i < sandbox->n_entrypoint; i++)
        (void)json_array_append_new(entrypoint, json_string(sandbox->entrypoint[i]));
    for (size_t i = 0; i < sandbox->n_metadata; i++)
        (void)json_object_set_new(metadata, sandbox->metadata[i]->key,
                                  json_string(sandbox->metadata[i]->value));
    put_text(object, "id", sandbox->id);
    (void)json_object_set_new(object, "status", status_to_json(sandbox->status));
    put_time(object, "createdAt", sandbox->created_at);
    put_time(object, "expiresAt", sandbox->expires_at);
    if (sandbox->image)
        (void)json_object_set_new(object, "image", json_pack("{s:s}", "uri", sandbox->image->uri));
    put_text(object, "snapshotId", sandbox->snapshot_id);
    (void)json_object_set_new(object, "entrypoint", entrypoint);
    if (json_object_size(metadata))
        (void)json_object_set(object, "metadata", metadata);
    json_decref(metadata);
    if (sandbox->platform)
        (void)json_object_set_new(
            object, "platform",
            json_pack("{s:s, s:s}", "os", sandbox->platform->os, "arch", sandbox->platform->arch));
    return object;
}

/* -- yaml ------------------------------------------------------------------------------------------------------ */

static void yaml_scalar(const json_t *value, struct strbuf *out)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);

    strbuf_addf(out, "%s\n", text ? text : "null");
    free(text);
}

static bool is_filled(const json_t *value)
{
    return (json_is_object(value) && json_object_size(value)) ||
           (json_is_array(value) && json_array_size(value));
}

static void yaml_at(const json_t *value, int indent, struct strbuf *out);

/* Behind "key:" or "-": a scalar stays on the line, an object behind "-" begins on it. */
static void yaml_member(const json_t *value, int indent, bool in_list, struct strbuf *out)
{
    if (!is_filled(value)) {
        strbuf_addc(out, ' ');
        yaml_scalar(value, out);
        return;
    }
    SCOPED_STRBUF struct strbuf inner = STRBUF_INIT;
    yaml_at(value, indent + INDENT, &inner);
    if (in_list) /* its first line shares the dash's: skip the indentation that the dash takes the place of */
        strbuf_addf(out, " %s", strbuf_text(&inner) + indent + INDENT);
    else
        strbuf_addf(out, "\n%s", strbuf_text(&inner));
}

static void yaml_at(const json_t *value, int indent, struct strbuf *out)
{
    const char *key;
    json_t *member;
    size_t at;

    if (!is_filled(value)) {
        yaml_scalar(value, out);
        return;
    }
    json_object_foreach((json_t *)value, key, member)
    {
        SCOPED(json) json_t *quoted = json_string(key);
        char *text = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(key)
                         ? xstrdup(key)
                         : json_dumps(quoted, JSON_ENCODE_ANY);
        strbuf_addf(out, "%*s%s:", indent, "", text);
        free(text);
        yaml_member(member, indent, false, out);
    }
    json_array_foreach(value, at, member)
    {
        strbuf_addf(out, "%*s-", indent, "");
        yaml_member(member, indent, true, out);
    }
}

void yaml_write(const json_t *value, struct strbuf *out)
{
    yaml_at(value, 0, out);
}

/* -- table ----------------------------------------------------------------------------------------------------- */

char *span_text(int64_t seconds)
{
    if (seconds < 0)
        return xstrdup("0s");
    if (seconds < 120)
        return xasprintf("%lds", (long)seconds);
    if (seconds < 7200)
        return xasprintf("%ldm", (long)(seconds / 60));
    if (seconds < 172800)
        return xasprintf("%ldh", (long)(seconds / 3600));
    return xasprintf("%ldd", (long)(seconds / 86400));
}

static struct table_row row_of(const ctl_sandbox *sandbox, int64_t now_s)
{
    return (struct table_row){{
        xstrdup(sandbox->id),
        xstrdup(sandbox->status ? sandbox->status->state : "Unknown"),
        xstrdup(sandbox->image ? sandbox->image->uri : sandbox->snapshot_id),
        sandbox->created_at ? span_text(now_s - sandbox->created_at->seconds) : xstrdup("-"),
        sandbox->expires_at ? span_text(sandbox->expires_at->seconds - now_s) : xstrdup("never"),
    }};
}

static void print_table(ctl_sandbox *const *sandboxes, size_t count)
{
    SCOPED_TABLE struct table table = {.heads = {"ID", "STATE", "IMAGE", "AGE", "EXPIRES"}};
    int64_t now_s = clock_realtime_ms() / 1000;

    for (size_t i = 0; i < count; i++) {
        struct table_row row = row_of(sandboxes[i], now_s);
        table_add(&table, &row);
    }
    table_print(&table);
}

/* -- all of them ----------------------------------------------------------------------------------------------- */

static json_t *all_json(ctl_sandbox *const *sandboxes, size_t count, bool single)
{
    json_t *array = json_array();

    if (single && count == 1) {
        json_decref(array);
        return sandbox_to_json(sandboxes[0]);
    }
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(array, sandbox_to_json(sandboxes[i]));
    return array;
}

void print_value(const json_t *value, bool yaml)
{
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;

    if (yaml) {
        yaml_write(value, &text);
        (void)fputs(strbuf_text(&text), stdout);
        return;
    }
    (void)json_dumpf(value, stdout, JSON_INDENT(2));
    (void)putchar('\n');
}

static void print_structured(ctl_sandbox *const *sandboxes, size_t count, bool single, bool yaml)
{
    SCOPED(json) json_t *value = all_json(sandboxes, count, single);
    print_value(value, yaml);
}

json_t *images_to_json(Opensandbox__Lifecycle__V1__SnapshotImage *const *images, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        json_t *image = json_object();
        put_text(image, "container", images[i]->container);
        put_text(image, "uri", images[i]->uri);
        put_text(image, "digest", images[i]->digest);
        (void)json_array_append_new(array, image);
    }
    return array;
}

json_t *progress_to_json(const Opensandbox__Lifecycle__V1__Progress *progress)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I}", "phase", progress->phase, "bytesRead",
                     (json_int_t)progress->bytes_read, "bytesTotal", (json_int_t)progress->bytes_total,
                     "bytesPushed", (json_int_t)progress->bytes_pushed, "files", (json_int_t)progress->files);
}

static json_t *failure_json(const ctl_event *event)
{
    json_t *failure = json_object();

    put_text(failure, "condition", event->failed_condition);
    put_text(failure, "reason", event->failed_reason);
    put_text(failure, "message", event->failed_message);
    put_time(failure, "at", event->failed_at);
    return failure;
}

void print_event(const ctl_event *event, enum ctl_output output)
{
    if (output != OUTPUT_JSON && output != OUTPUT_YAML) {
        ctl_sandbox *const one[] = {event->sandbox};
        print_sandboxes(one, 1, output, true);
        return;
    }
    SCOPED(json) json_t *object = sandbox_to_json(event->sandbox);
    if (event->n_images)
        (void)json_object_set_new(object, "images", images_to_json(event->images, event->n_images));
    if (event->progress)
        (void)json_object_set_new(object, "progress", progress_to_json(event->progress));
    if (*event->failed_condition)
        (void)json_object_set_new(object, "failure", failure_json(event));
    print_value(object, output == OUTPUT_YAML);
}

void print_sandboxes(ctl_sandbox *const *sandboxes, size_t count, enum ctl_output output, bool single)
{
    switch (output) {
    case OUTPUT_DEFAULT:
    case OUTPUT_TABLE:
        print_table(sandboxes, count);
        break;
    case OUTPUT_JSON:
    case OUTPUT_YAML:
        print_structured(sandboxes, count, single, output == OUTPUT_YAML);
        break;
    case OUTPUT_NAME:
        for (size_t i = 0; i < count; i++)
            (void)puts(sandboxes[i]->id);
        break;
    }
}
