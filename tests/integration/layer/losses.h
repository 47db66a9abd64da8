/* losses.h - what a layer of a tree has to report as lost, counted on the tree itself and apart from the engine. */
#pragma once

#include "committer-agent/layer/layer.h"

/* Prints each kind whose count differs from that of the tree at upper; false then. */
bool losses_told(const char *what, const char *upper, const struct layer_result *result);
