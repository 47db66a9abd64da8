#include "committer-agent/commit/upload_note.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/base/strbuf.h"
#include "tests/unit/testing.h"

static int make_folder(void **state)
{
    char *folder = xstrdup("/tmp/upload-note.XXXXXX");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    int result = rmdir(*state); /* tests leave nothing */
    free(*state);
    return result;
}

static void each_container_of_each_commit_has_a_note_of_its_own(void **state)
{
    SCOPED(string) char *one = upload_note_path(*state, "key.1", "main");
    SCOPED(string) char *again = upload_note_path(*state, "key.1", "main");
    SCOPED(string) char *other_key = upload_note_path(*state, "key.2", "main");
    SCOPED(string) char *other_container = upload_note_path(*state, "key.1", "helper");

    assert_string_equal(one, again);
    assert_string_not_equal(one, other_key);
    assert_string_not_equal(one, other_container);
}

static void a_note_holds_the_location_until_it_is_removed(void **state)
{
    SCOPED(string) char *path = upload_note_path(*state, "key.1", "main");
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    struct error err;

    upload_note_remove(path); /* none is fine */
    upload_note_write(path, "http://registry/v2/a/blobs/uploads/1");
    assert_ok(file_read(path, 1000, &text, &err), &err);
    assert_string_equal(strbuf_text(&text), "http://registry/v2/a/blobs/uploads/1");
    upload_note_remove(path);
    assert_int_equal(access(path, F_OK), -1);
}

static void only_notes_older_than_a_week_expire(void **state)
{
    const struct timespec long_ago[2] = {{.tv_sec = time(NULL) - 9 * 24 * 3600},
                                         {.tv_sec = time(NULL) - 9 * 24 * 3600}};
    SCOPED(string) char *old = upload_note_path(*state, "old", "main");
    SCOPED(string) char *young = upload_note_path(*state, "young", "main");
    SCOPED(string) char *spool = xasprintf("%s/layer-0123.spool", (char *)*state);

    upload_note_write(old, "a");
    upload_note_write(young, "b");
    upload_note_write(spool, "c");
    assert_int_equal(utimensat(AT_FDCWD, old, long_ago, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, spool, long_ago, 0), 0);
    upload_notes_expire(*state);
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(access(young, F_OK), 0);
    assert_int_equal(access(spool, F_OK), 0);
    upload_note_remove(young);
    upload_note_remove(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_container_of_each_commit_has_a_note_of_its_own, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_note_holds_the_location_until_it_is_removed, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(only_notes_older_than_a_week_expire, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
