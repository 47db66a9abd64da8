#include "tests/integration/commit/sh.h"

#include <stdio.h>
#include <stdlib.h>

int sh(const char *fmt, ...)
{
    char command[4000];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    return system(command);
}
