#include "committer-agent/layer/tempfile.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/unit/testing.h"

static struct tempfile *new_file(const struct scratch *scratch)
{
    struct tempfile *file = NULL;
    struct error err = {0};

    assert_ok(tempfile_new(scratch->path, &file, &err), &err);
    return file;
}

static void it_has_no_name_and_is_nobody_elses(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED(tempfile) struct tempfile *file = new_file(scratch);
    struct stat st;
    unsigned names = 0;
    DIR *folder = opendir(scratch->path);

    while (readdir(folder))
        names++;
    (void)closedir(folder);
    assert_int_equal(names, 2); /* "." and ".." */
    assert_int_equal(fstat(tempfile_get_fd(file), &st), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* Records of all sizes around those of the buffers. */
static void what_was_written_is_read_back_record_by_record(void **state)
{
    static const size_t sizes[] = {1, 0, 511, 65536, 262144, 262145, 7, 1000000, 3};
    static unsigned char written[1000000], got[1000000];
    SCOPED(tempfile) struct tempfile *file = new_file(*state);
    struct error err = {0};
    uint64_t length = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(written, (int)i + 1, sizes[i]);
        assert_ok(tempfile_write(file, written, sizes[i], &err), &err);
        length += sizes[i];
        assert_int_equal(tempfile_length(file), length);
    }
    assert_ok(tempfile_flush(file, &err), &err);
    SCOPED(tempfile_reader) struct tempfile_reader *reader = tempfile_reader_new(file);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(written, (int)i + 1, sizes[i]);
        assert_int_equal(tempfile_reader_read(reader, got, sizes[i], &err), 1);
        assert_memory_equal(got, written, sizes[i]);
    }
    assert_int_equal(tempfile_reader_read(reader, got, 1, &err), 0);
}

static void a_record_that_is_cut_is_not_taken_for_the_end(void **state)
{
    SCOPED(tempfile) struct tempfile *file = new_file(*state);
    struct error err = {0};
    char got[4];

    assert_ok(tempfile_write(file, "abc", 3, &err), &err);
    assert_ok(tempfile_flush(file, &err), &err);
    SCOPED(tempfile_reader) struct tempfile_reader *reader = tempfile_reader_new(file);
    assert_fails(tempfile_reader_read(reader, got, 4, &err), &err, ERR_CORRUPT, "1 bytes too early");
}

static void a_hole_reads_as_zeroes_and_takes_no_space(void **state)
{
    const off_t hole = (off_t)8 << 20;
    SCOPED(tempfile) struct tempfile *file = new_file(*state);
    struct error err = {0};
    struct stat st;
    char byte = 'x';

    assert_ok(tempfile_write(file, "a", 1, &err), &err);
    assert_ok(tempfile_skip(file, (uint64_t)hole, &err), &err);
    assert_ok(tempfile_write(file, "b", 1, &err), &err);
    assert_ok(tempfile_skip(file, (uint64_t)hole, &err), &err); /* one at the end too */
    assert_ok(tempfile_flush(file, &err), &err);
    assert_int_equal(fstat(tempfile_get_fd(file), &st), 0);
    assert_int_equal(st.st_size, 2 * hole + 2);
    assert_true((uint64_t)st.st_blocks * 512 < 65536);
    assert_int_equal(pread(tempfile_get_fd(file), &byte, 1, 1 + hole), 1);
    assert_int_equal(byte, 'b');
    assert_int_equal(pread(tempfile_get_fd(file), &byte, 1, 2 * hole), 1);
    assert_int_equal(byte, 0);
}

static void a_hole_beyond_all_files_is_refused_and_remembered(void **state)
{
    SCOPED(tempfile) struct tempfile *file = new_file(*state);
    struct error err = {0};

    assert_false(tempfile_has_failed(file));
    assert_fails(tempfile_skip(file, UINT64_MAX, &err), &err, ERR_EXHAUSTED, "too large");
    assert_true(tempfile_has_failed(file));
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct tempfile *file = NULL;
    struct error err = {0};

    assert_fails(tempfile_new(scratch_path(*state, "nowhere"), &file, &err), &err, ERR_NOT_FOUND, "nowhere");
    assert_null(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(it_has_no_name_and_is_nobody_elses),
        IN_SCRATCH(what_was_written_is_read_back_record_by_record),
        IN_SCRATCH(a_record_that_is_cut_is_not_taken_for_the_end),
        IN_SCRATCH(a_hole_reads_as_zeroes_and_takes_no_space),
        IN_SCRATCH(a_hole_beyond_all_files_is_refused_and_remembered),
        IN_SCRATCH(a_folder_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
