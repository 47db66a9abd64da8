/* concurrency.h - the value of --concurrency: "batchsandbox=32;pool=16". */
#pragma once

#include "shared/base/error.h"

struct concurrency {
    unsigned sandboxes, snapshots, pools;
};

/* Changes the members that the text names. ERR_INVALID: an unknown controller or a number outside 1 to 256. */
int concurrency_parse(const char *text, struct concurrency *concurrency, struct error *err);
