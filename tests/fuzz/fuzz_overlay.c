/* A snapshot's mount: type, source and each option on a line of its own. What is accepted has a writable layer, and
 * every folder is absolute. */
#include "tests/fuzz/fuzz.h"

#include "committer-agent/containerd/overlay.h"

enum { OPTIONS_MAX = 16 };

static void check_overlay(const struct overlay *overlay)
{
    FUZZ_CHECK(overlay->upper_dir && overlay->upper_dir[0] == '/');
    FUZZ_CHECK(!overlay->work_dir || overlay->work_dir[0] == '/');
    for (size_t i = 0; i < overlay->lower_count; i++)
        FUZZ_CHECK(overlay->lower_dirs[i][0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    SCOPED_OVERLAY struct overlay overlay = {0};
    char *rest = text, *options[OPTIONS_MAX], empty[] = "";
    struct snapshot_mount mount = {.options = options};
    struct snapshot_mounts mounts = {&mount, 1};
    struct error err = {0};

    mount.type = fuzz_line(&rest);
    mount.source = rest ? fuzz_line(&rest) : empty;
    while (rest && mount.option_count < OPTIONS_MAX)
        options[mount.option_count++] = fuzz_line(&rest);
    if (overlay_read("overlayfs", &mounts, &overlay, &err) == 0)
        check_overlay(&overlay);
    else
        FUZZ_CHECK(err.code == ERR_UNSUPPORTED && *err.reason);
    return 0;
}
