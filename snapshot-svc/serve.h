/* serve.h - the service: wires its parts together and unwires them in the right order. */
#pragma once

#include "snapshot-svc/settings.h"

/* Serves until SIGTERM or SIGINT. */
int snapshot_serve(const struct settings *settings, struct error *err);
