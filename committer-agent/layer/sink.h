/* sink.h - where bytes go next: one function and its argument. */
#pragma once

#include <stddef.h>

#include "shared/base/error.h"

struct byte_sink {
    /* Takes all of the bytes or fails; keeps no pointer to them. */
    int (*write)(void *arg, const void *bytes, size_t length, struct error *err);
    void *arg;
};
