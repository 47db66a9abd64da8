/* template.h - the operator's part of every sandbox: a BatchSandbox in YAML whose pod template, labels and annotations
 * go under what is generated. Immutable after it is read; any thread. Spec: contract rest-api.md §4.3.
 *
 *   metadata: {labels: {...}, annotations: {...}}       # of the object
 *   spec:
 *     template: {metadata: {...}, spec: {restartPolicy: Never, tolerations: [...], ...}}
 *
 * Objects merge member by member, lists are the generated ones where there are such, null says nothing. New volumes are
 * added, and so are the new volumeMounts of the container named "sandbox" (or of the first) to the sandbox's own; the
 * rest of its containers is not used. */
#pragma once

#include "shared/base/cleanup.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

struct sandbox_template;

/* ERR_INVALID: not such a file; the text names the member or the line. Also ERR_NOT_FOUND and others of file_read. */
int sandbox_template_load(const char *path, struct sandbox_template **ret_template, struct error *err);
/* The same of a text; `what` names it in errors. */
int sandbox_template_parse(const char *text, size_t length, const char *what,
                           struct sandbox_template **ret_template, struct error *err);
void sandbox_template_free(struct sandbox_template *template);
DEFINE_FREEP(sandbox_template, struct sandbox_template, sandbox_template_free)

/* {"limits":{"cpu":"1"},"requests":{...}}: what a container may use. *ret_resources is the caller's. ERR_INVALID. */
int container_resources_parse(const char *text, json_t **ret_resources, struct error *err);

/* Adds the template's labels and annotations that are not there yet. template NULL: none. */
void sandbox_template_label(const struct sandbox_template *template, struct json_map *labels,
                            struct json_map *annotations);
/* Puts the template under this generated pod template. template NULL: nothing to do. */
void sandbox_template_fill(const struct sandbox_template *template, json_t *pod);
/* Can a pod of this platform run where the template wants it? ERR_INVALID (SANDBOX::INVALID_PARAMETER) names the
 * member that forbids it. template NULL: anywhere. */
int sandbox_template_check_platform(const struct sandbox_template *template, const char *os, const char *arch,
                                    struct error *err);
