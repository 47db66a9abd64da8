/* handlers.h - the routes of the REST door, each one function over sandbox/service.h. */
#pragma once

#include "lifecycle-svc/rest/route.h"

/* Ends with a row whose pattern is NULL. */
extern const struct route rest_routes[];
