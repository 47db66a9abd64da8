/* remove_tree.h - rm -rf of a folder of ours, on one file system, following no links. */
#pragma once

#include "shared/base/error.h"

int remove_tree(const char *path, struct error *err); /* a missing one is fine */
