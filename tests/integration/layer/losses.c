#include "tests/integration/layer/losses.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "tests/integration/layer/tree.h"
#include "tests/unit/testing.h"

struct counts {
    uint64_t of[LAYER_LOSS_MAX];
};

static bool is_own_note_of_overlayfs(const char *name)
{
    static const char *const notes[] = {"origin", "impure", "upper", "uuid", "opaque"};

    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
        if (strncmp(name, "trusted.overlay.", 16) == 0 && strcmp(name + 16, notes[i]) == 0)
            return true;
    return false;
}

static void count_xattrs(const char *path, struct counts *counts)
{
    char names[65536];
    ssize_t listed = llistxattr(path, names, sizeof(names));

    for (ssize_t at = 0; at < listed; at += (ssize_t)strlen(names + at) + 1)
        if (strncmp(names + at, "trusted.", 8) == 0)
            counts->of[LAYER_LOST_XATTR_TRUSTED] += !is_own_note_of_overlayfs(names + at);
        else if (strchr(names + at, '='))
            counts->of[LAYER_LOST_XATTR_NAME]++;
}

static bool is_reserved(const char *name)
{
    return strncmp(name, ".wh.", 4) == 0;
}

static void count_one(const char *upper, const char *path, struct counts *counts)
{
    SCOPED(string) char *full = xasprintf("%s/%s", upper, path);
    const char *slash = strrchr(path, '/');
    struct stat st;

    for (const char *part = path; part < slash; part = strchr(part, '/') + 1)
        if (is_reserved(part))
            return; /* gone with the folder, which counts alone */
    assert_int_equal(lstat(full, &st), 0);
    if (is_reserved(slash ? slash + 1 : path))
        counts->of[LAYER_LOST_WHITEOUT_NAME]++;
    else if (S_ISSOCK(st.st_mode))
        counts->of[LAYER_LOST_SOCKET]++;
    else if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(0, 0))
        count_xattrs(full, counts);
}

bool losses_told(const char *what, const char *upper, const struct layer_result *result)
{
    struct counts counts = {0};
    unsigned count;
    char **paths = tree_list(upper, &count);
    bool equal = true;

    for (unsigned i = 0; i < count; i++)
        count_one(upper, paths[i], &counts);
    tree_list_free(paths, count);
    for (enum layer_loss loss = 0; loss < LAYER_LOSS_MAX; loss++)
        if (counts.of[loss] != result->lost[loss].count) {
            print_error("%s: want %ju lost %s, told are %ju (%s)\n", what, (uintmax_t)counts.of[loss],
                        layer_loss_name(loss), (uintmax_t)result->lost[loss].count,
                        result->lost[loss].example.text);
            equal = false;
        }
    return equal;
}
