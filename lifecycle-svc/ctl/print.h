/* print.h - sandboxes on standard output: table, json, yaml or name. JSON has the REST API's shape. */
#pragma once

#include <jansson.h>

#include "lifecycle-svc/ctl/ctl.h"
#include "shared/base/strbuf.h"

/* json and yaml show the one sandbox itself when there is `single`, a list otherwise. */
void print_sandboxes(ctl_sandbox *const *sandboxes, size_t count, enum ctl_output output, bool single);

/* One sandbox with what its event tells: json and yaml also show progress, images and a failed pause or resume. */
void print_event(const ctl_event *event, enum ctl_output output);

/* The JSON of one sandbox; a new reference. */
json_t *sandbox_to_json(const ctl_sandbox *sandbox);

/* JSON as YAML (strings are quoted as in JSON, which YAML takes). */
void yaml_write(const json_t *value, struct strbuf *out);
