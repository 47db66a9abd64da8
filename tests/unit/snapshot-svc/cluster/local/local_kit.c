#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

struct local_kit *local_kit_new(void)
{
    struct local_kit *kit = xcalloc(1, sizeof(*kit));
    struct error err = {0};

    strcpy(kit->folder, "/tmp/stasis-local-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    snprintf(kit->path, sizeof(kit->path), "%s/cluster.db", kit->folder);
    snprintf(kit->secrets_dir, sizeof(kit->secrets_dir), "%s/secrets", kit->folder);
    assert_ok(dir_ensure(kit->secrets_dir, 0700, &err));
    kit->options =
        (struct cluster_local_options){.path = kit->path, .secrets_dir = kit->secrets_dir, .ns = "test"};
    return kit;
}

void local_kit_open(struct local_kit *kit)
{
    struct error err = {0};
    assert_ok(cluster_local_open(&kit->options, &kit->cluster, &err));
}

void local_kit_close(struct local_kit *kit)
{
    cluster_free(kit->cluster);
    kit->cluster = NULL;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void local_kit_free(struct local_kit *kit)
{
    local_kit_close(kit);
    (void)nftw(kit->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS); /* a folder in /tmp at worst */
    free(kit);
}

static int64_t kit_now_ms(void *clock)
{
    return ((struct local_kit *)clock)->now_ms;
}

void local_kit_stop_clock(struct local_kit *kit, int64_t now_ms)
{
    kit->now_ms = now_ms;
    kit->options.now_ms = kit_now_ms;
    kit->options.clock = kit;
}
