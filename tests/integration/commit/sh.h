/* sh.h - what is said shortest in shell. */
#pragma once

#include "shared/base/error.h"

/* As system(3), of a command of at most 4000 characters. */
int sh(const char *fmt, ...) PRINTF(1, 2);
