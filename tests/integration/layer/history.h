/* history.h - what processes do to a file system, at random but by seed: create, write, truncate, punch holes, delete,
 * rename, exchange, link, symlink, chmod, chown, set times, xattrs, capabilities and ACLs, make folders opaque by removing
 * and making them again, turn folders into files and back, make devices, FIFOs and sockets. Names are few, so that things
 * meet, and some are odd. What does not apply to what is there fails and is forgotten, as in life. */
#pragma once

#include <stdint.h>

void history_run(const char *root, uint64_t seed, unsigned steps);
