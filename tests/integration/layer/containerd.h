/* containerd.h - a private containerd that unpacks images for a test: own root, state and socket, no CRI. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "committer-agent/layer/layer.h"

struct test_containerd {
    char folder[64];
    pid_t pid;
};

/* Ends the program with 77 (skipped) where containerd or ctr is not installed. Waits for its READY=1. */
void test_containerd_start(struct test_containerd *containerd);
void test_containerd_stop(struct test_containerd *containerd);

struct image_layer {
    const unsigned char *bytes;
    size_t length;
    enum layer_compression compression;
    struct digest diff_id;
};

/* Unpacks an image of these layers, the base first, with the overlayfs snapshotter, and mounts it at folder. */
void test_containerd_mount(struct test_containerd *containerd, const struct image_layer *layers, size_t count,
                           const char *folder);
void test_containerd_unmount(struct test_containerd *containerd, const char *folder);
