#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/containerd/cgroup.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"

/* A folder that looks like /proc and /sys/fs/cgroup. */
struct fake_system {
    char root[64];
    char *proc, *cgroup;
    struct cgroup_roots roots;
};

static int make_system(void **state)
{
    struct fake_system *system_ = xcalloc(1, sizeof(*system_));

    strcpy(system_->root, "/tmp/stasis-cgroup.XXXXXX");
    assert_non_null(mkdtemp(system_->root));
    system_->proc = xasprintf("%s/proc", system_->root);
    system_->cgroup = xasprintf("%s/cgroup", system_->root);
    system_->roots = (struct cgroup_roots){.proc = system_->proc, .cgroup = system_->cgroup};
    *state = system_;
    return 0;
}

static int remove_system(void **state)
{
    struct fake_system *system_ = *state;
    SCOPED(string)
    char *command = xasprintf("rm -rf %s", system_->root);
    int status = system(command);

    free(system_->proc);
    free(system_->cgroup);
    free(system_);
    return status;
}

static void put(const struct fake_system *system_, const char *path, const char *text)
{
    struct error err = {0};
    SCOPED(string)
    char *file = xasprintf("%s/%s", system_->root, path);
    SCOPED(string)
    char *folder = xstrndup(file, (size_t)(strrchr(file, '/') - file));

    assert_int_equal(dir_ensure(folder, 0755, &err), 0);
    assert_int_equal(file_write_atomic(file, text, strlen(text), 0644, &err), 0);
}

static void on_v1_the_freezer_controller_decides(void **state)
{
    struct fake_system *system_ = *state;

    put(system_, "proc/42/cgroup", "9:pids:/x\n4:cpu,freezer:/stasis/abc\n0::/stasis/abc\n");
    put(system_, "cgroup/freezer/stasis/abc/freezer.state", "FROZEN\n");
    assert_int_equal(cgroup_freezer_state(&system_->roots, 42), FREEZER_FROZEN);
    put(system_, "cgroup/freezer/stasis/abc/freezer.state", "FREEZING\n");
    assert_int_equal(cgroup_freezer_state(&system_->roots, 42), FREEZER_FREEZING);
    put(system_, "cgroup/freezer/stasis/abc/freezer.state", "THAWED\n");
    assert_int_equal(cgroup_freezer_state(&system_->roots, 42), FREEZER_THAWED);
}

static void on_v2_cgroup_events_decides(void **state)
{
    struct fake_system *system_ = *state;

    put(system_, "proc/42/cgroup", "0::/stasis/abc\n");
    put(system_, "cgroup/stasis/abc/cgroup.events", "populated 1\nfrozen 1\n");
    assert_int_equal(cgroup_freezer_state(&system_->roots, 42), FREEZER_FROZEN);
    put(system_, "cgroup/stasis/abc/cgroup.events", "populated 1\nfrozen 0\n");
    assert_int_equal(cgroup_freezer_state(&system_->roots, 42), FREEZER_THAWED);
}

static void what_cannot_be_read_is_unknown(void **state)
{
    struct fake_system *system_ = *state;

    assert_int_equal(cgroup_freezer_state(&system_->roots, 41), FREEZER_UNKNOWN);
    assert_int_equal(cgroup_freezer_state(&system_->roots, 0), FREEZER_UNKNOWN);
    put(system_, "proc/42/cgroup", "0::/outside/of/our/view\n");
    assert_int_equal(cgroup_freezer_state(&system_->roots, 42), FREEZER_UNKNOWN);
    put(system_, "proc/42/cgroup", "3:freezer:/../../outside\n");
    assert_int_equal(cgroup_freezer_state(&system_->roots, 42), FREEZER_UNKNOWN);
    put(system_, "proc/42/cgroup", "garbage\n:::\n\n");
    assert_int_equal(cgroup_freezer_state(&system_->roots, 42), FREEZER_UNKNOWN);
}

static void thawing_writes_the_word_of_the_hierarchy(void **state)
{
    struct fake_system *system_ = *state;
    SCOPED(string)
    char *v1 = xasprintf("%s/cgroup/freezer/a/freezer.state", system_->root);
    SCOPED(string)
    char *v2 = xasprintf("%s/cgroup/b/cgroup.freeze", system_->root);
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    struct error err = {0};

    put(system_, "proc/1/cgroup", "3:freezer:/a\n0::/\n");
    put(system_, "cgroup/freezer/a/freezer.state", "");
    assert_int_equal(cgroup_thaw(&system_->roots, 1, &err), 0);
    assert_int_equal(file_read(v1, 100, &text, &err), 0);
    assert_string_equal(strbuf_text(&text), "THAWED");

    put(system_, "proc/2/cgroup", "0::/b\n");
    put(system_, "cgroup/b/cgroup.freeze", "");
    assert_int_equal(cgroup_thaw(&system_->roots, 2, &err), 0);
    assert_int_equal(file_read(v2, 100, &text, &err), 0);
    assert_string_equal(strbuf_text(&text), "0");
}

#define SYSTEM_TEST(test) cmocka_unit_test_setup_teardown(test, make_system, remove_system)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(on_v1_the_freezer_controller_decides),
        SYSTEM_TEST(on_v2_cgroup_events_decides),
        SYSTEM_TEST(what_cannot_be_read_is_unknown),
        SYSTEM_TEST(thawing_writes_the_word_of_the_hierarchy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
