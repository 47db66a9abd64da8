/* apply.h - applies a layer to a tree in place, by the rules of OCI image-spec layer.md and nothing else. */
#pragma once

#include "tests/unit/committer-agent/layer/tar_reader.h"

void layer_apply(const struct tar_archive *layer, const char *root);
