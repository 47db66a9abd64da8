#include "committer-agent/remove_tree/remove_tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>

enum { OPEN_FOLDERS_MAX = 16 };

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

int remove_tree(const char *path, struct error *err)
{
    if (nftw(path, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT)
        return 0;
    return error_sys(err, errno, "removing %s", path);
}
