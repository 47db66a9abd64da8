#include "tests/integration/layer/base.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "tests/integration/layer/history.h"
#include "tests/integration/layer/tree.h"
#include "tests/unit/testing.h"

#define CONTAINERD_OPTIONS "index=off,redirect_dir=off,metacopy=off"

static void skip_all(const char *reason)
{
    (void)printf("skipped: %s\n", reason);
    exit(77);
}

void overlay_require(void)
{
    if (geteuid() != 0)
        skip_all("needs root");
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip_all("needs a mount namespace");
    (void)umask(022);
}

char *container_path(const struct container *container, const char *name)
{
    return xasprintf("%s/%s", container->folder, name);
}

void container_start(struct container *container, uint64_t seed, const char *options)
{
    static const char *const folders[] = {"lower", "upper", "work", "merged"};

    strcpy(container->folder, "/tmp/stasis-overlay-XXXXXX");
    assert_non_null(mkdtemp(container->folder));
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        SCOPED(string) char *path = container_path(container, folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    SCOPED(string)
    char *lower = container_path(container, "lower"), *merged = container_path(container, "merged");
    history_run(lower, seed ^ 0xba5e, 250);
    SCOPED(string)
    char *all = xasprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work,%s", container->folder,
                          container->folder, container->folder, options[0] ? options : CONTAINERD_OPTIONS);
    if (mount("overlay", merged, "overlay", 0, all) < 0) {
        int failed = errno;
        tree_remove(container->folder);
        if (failed == ENODEV)
            skip_all("needs overlayfs");
        fail_msg("mounting the overlay: %s", strerror(failed));
    }
}

void container_stop(struct container *container)
{
    SCOPED(string) char *merged = container_path(container, "merged");
    assert_int_equal(umount(merged), 0);
    tree_remove(container->folder);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

unsigned rounds_wanted(unsigned otherwise)
{
    return (unsigned)number_from("STASIS_LAYER_ROUNDS", otherwise);
}

uint64_t first_seed(void)
{
    return number_from("STASIS_LAYER_SEED", 1);
}
