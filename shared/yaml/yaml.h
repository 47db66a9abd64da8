/* yaml.h - a YAML document as JSON values, for configuration files of people.
 * Spec: YAML 1.1 as libyaml reads it (JSON is a part of it), without aliases, tags and duplicate keys. */
#pragma once

#include <jansson.h>

#include "shared/base/error.h"

#define YAML_DEPTH_MAX 32

enum yaml_scalars {
    YAML_TEXTS, /* every scalar is a string: for readers that know what each one has to be */
    YAML_TYPED /* unquoted booleans and numbers are such: for documents that go on to others. Tags are refused. */
};

/* An unquoted null, ~ or nothing becomes JSON null. An empty text becomes null, too. *ret_document is the caller's; it
 * may hold secrets (json_secret_free). What the parser copied meanwhile is wiped.
 * ERR_INVALID: "<what>: line 3 column 5: ..."; the text of the file is never quoted. */
int yaml_parse(const char *text, size_t length, enum yaml_scalars scalars, const char *what,
               json_t **ret_document, struct error *err);
