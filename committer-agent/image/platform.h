/* image/platform.h - os, architecture and variant in Go's words, and which of several fits this machine best.
 * Spec: OCI image-spec "Image Index", platform; containerd's platforms package for the order of variants. */
#pragma once

struct platform {
    char os[32], architecture[32], variant[32]; /* "linux", "arm64", "v8"; variant may be "" */
};

/* Of the running machine. */
struct platform platform_host(void);

/* How well `have` runs where `want` is: 0 is the same, larger is worse, -1 not at all
 * (arm64 takes a missing variant for v8; arm v7 also runs v6 and v5). */
int platform_distance(const struct platform *want, const struct platform *have);
