#include "committer-agent/image/platform.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static const struct {
    const char *machine, *architecture, *variant;
} machines[] = {
    {"x86_64", "amd64", ""}, {"aarch64", "arm64", "v8"},     {"armv8l", "arm", "v8"},
    {"armv7l", "arm", "v7"}, {"armv6l", "arm", "v6"},        {"i386", "386", ""},
    {"i686", "386", ""},     {"riscv64", "riscv64", ""},     {"ppc64le", "ppc64le", ""},
    {"s390x", "s390x", ""},  {"loongarch64", "loong64", ""},
};

struct platform platform_host(void)
{
    struct platform host = {.os = "linux"};
    struct utsname name;

    if (uname(&name) < 0)
        return host; /* cannot happen on Linux */
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        if (strcmp(machines[i].machine, name.machine) != 0)
            continue;
        (void)snprintf(host.architecture, sizeof(host.architecture), "%s", machines[i].architecture);
        (void)snprintf(host.variant, sizeof(host.variant), "%s", machines[i].variant);
        return host;
    }
    (void)snprintf(host.architecture, sizeof(host.architecture), "%.31s", name.machine);
    return host;
}

/* The number behind the v; what a missing variant stands for; -1: no variant that has an order. */
static int variant_level(const char *architecture, const char *variant)
{
    if (!*variant) {
        if (strcmp(architecture, "arm64") == 0)
            return 8;
        if (strcmp(architecture, "arm") == 0)
            return 7;
        return strcmp(architecture, "amd64") == 0 ? 1 : 0;
    }
    return variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9' && !variant[2] ? variant[1] - '0' : -1;
}

/* A machine of the first kind also runs programs of the second. */
static int foreign_distance(const struct platform *want, const struct platform *have)
{
    enum { FOREIGN = 100 };
    if (strcmp(want->architecture, "amd64") == 0 && strcmp(have->architecture, "386") == 0)
        return FOREIGN;
    if (strcmp(want->architecture, "arm64") == 0 && strcmp(have->architecture, "arm") == 0) {
        int level = variant_level("arm", have->variant);
        return level < 0 || level > 8 ? -1 : FOREIGN + 8 - level;
    }
    return -1;
}

int platform_distance(const struct platform *want, const struct platform *have)
{
    if (strcmp(want->os, have->os) != 0)
        return -1;
    if (strcmp(want->architecture, have->architecture) != 0)
        return foreign_distance(want, have);
    int want_level = variant_level(want->architecture, want->variant);
    int have_level = variant_level(have->architecture, have->variant);
    if (want_level < 0 || have_level < 0)
        return strcmp(want->variant, have->variant) == 0 ? 0 : -1;
    return have_level > want_level ? -1 : want_level - have_level;
}
