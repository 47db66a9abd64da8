/* rights.h - may this process do what a commit needs? Some of it fails only half way (a kill), some of it not at all: who
 * may not see overlayfs's xattrs captures a wrong layer without noticing. */
#pragma once

#include <stdbool.h>

#include "shared/base/error.h"

/* Asks the kernel for this process's effective capabilities. `kills`: it will kill what it holds. ERR_DENIED names the
 * missing ones. */
int commit_check_rights(bool kills, struct error *err);

/* The same about a set of capabilities (a bit each). */
int commit_check_capabilities(unsigned long long effective, bool kills, struct error *err);
