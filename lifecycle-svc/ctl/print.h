/* print.h - sandboxes on standard output: table, json, yaml or name. JSON has the REST API's shape. */
#pragma once

#include <jansson.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "shared/base/strbuf.h"

/* json and yaml show the one sandbox itself when there is `single`, a list otherwise. */
void print_sandboxes(ctl_sandbox *const *sandboxes, size_t count, enum ctl_output output, bool single);

/* One sandbox with what its event tells: json and yaml also show progress, images and a failed pause or resume. */
void print_event(const ctl_event *event, enum ctl_output output);

/* JSON of parts of messages; new references. */
json_t *sandbox_to_json(const ctl_sandbox *sandbox);
json_t *status_to_json(const Opensandbox__Lifecycle__V1__SandboxStatus *status);
json_t *progress_to_json(const Opensandbox__Lifecycle__V1__Progress *progress);
json_t *images_to_json(Opensandbox__Lifecycle__V1__SnapshotImage *const *images, size_t count);

/* Members; nothing is put for NULL, and for "". */
void put_text(json_t *object, const char *key, const char *text);
void put_time(json_t *object, const char *key, const Google__Protobuf__Timestamp *time);

void print_value(const json_t *value, bool yaml);

/* "90s", "5m", "3h", "4d": as one reads it in a table; the caller's. */
char *span_text(int64_t seconds);

/* JSON as YAML (strings are quoted as in JSON, which YAML takes). */
void yaml_write(const json_t *value, struct strbuf *out);
