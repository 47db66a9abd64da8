/* scratch.h - a folder for one test, and short ways to fill it. Everything here fails the test on an error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "committer-agent/layer/layer.h"

struct scratch {
    char path[64];
    int fd;
};

/* For cmocka's setup and teardown: *state is a struct scratch. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* A row of a test table. */
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

/* "<scratch>/<name>", in one of a few static buffers. */
const char *scratch_path(const struct scratch *scratch, const char *name);

void put_file(const struct scratch *scratch, const char *name, const char *text);
void put_folder(const struct scratch *scratch, const char *name);
void put_whiteout(const struct scratch *scratch, const char *name);
void set_mtime(const struct scratch *scratch, const char *name, int64_t seconds, long nanoseconds);

bool is_root(void);

/* Of this process. */
unsigned open_descriptors(void);

struct captured {
    struct layer_result result;
    unsigned char *bytes; /* the spool's */
    size_t length;
};

/* Captures folder of scratch. The spool lives outside of it and is gone afterwards. */
int capture_into_memory(const char *folder, const struct layer_options *options,
                        struct captured *ret_captured, struct error *err);
int capture_roots_into_memory(const struct walk_roots *roots, const struct layer_options *options,
                              struct captured *ret_captured, struct error *err);
void captured_done(struct captured *captured);
#define SCOPED_CAPTURED __attribute__((cleanup(captured_done)))
