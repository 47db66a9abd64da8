#include "committer-agent/layer/content.h"

#include <fcntl.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/unit/testing.h"

/* A file's way through content_copy(), with what came out of the pipeline in memory. */
struct copy {
    int fd;
    struct stat st; /* as taken before the header */
    unsigned char *bytes;
    size_t length;
    unsigned long long bytes_read;
};

static struct copy open_for_copy(const struct scratch *scratch, const char *name)
{
    struct copy copy = {.fd = openat(scratch->fd, name, O_RDWR | O_CLOEXEC)};

    assert_true(copy.fd >= 0);
    assert_int_equal(fstat(copy.fd, &copy.st), 0);
    return copy;
}

static void copy_done(struct copy *copy)
{
    (void)close(copy->fd);
    free(copy->bytes);
}

static void load(struct copy *copy, struct spool *spool)
{
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 0);
    struct error err;

    spool_finish(spool);
    copy->bytes = malloc((size_t)copy->st.st_size + 1);
    assert_non_null(copy->bytes);
    for (size_t got = 1; got > 0; copy->length += got)
        assert_ok(spool_reader_read(reader, copy->bytes + copy->length,
                                    (size_t)copy->st.st_size + 1 - copy->length, &got, &err),
                  &err);
}

static int run(const struct scratch *scratch, struct copy *copy, const bool *cancelled, struct error *err)
{
    const struct compress_options options = {.compression = LAYER_NONE};
    atomic_ullong bytes_read = 0;
    struct pipeline_result result;
    SCOPED(spool) struct spool *spool = NULL;
    SCOPED(pipeline) struct pipeline *pipeline = NULL;

    assert_ok(spool_new(scratch->path, &spool, err), err);
    assert_ok(pipeline_new(&options, spool, NULL, &pipeline, err), err);
    const struct content_context to = {
        .to = content_into_pipeline(pipeline), .bytes_read = &bytes_read, .cancelled = cancelled};
    if (content_copy(&to, copy->fd, &copy->st, err) < 0)
        return -1;
    assert_ok(pipeline_finish(pipeline, &result, err), err);
    copy->bytes_read = bytes_read;
    load(copy, spool);
    return 0;
}

static void assert_copied_faithfully(struct copy *copy)
{
    unsigned char *want = malloc((size_t)copy->st.st_size + 1);

    assert_non_null(want);
    assert_int_equal(pread(copy->fd, want, (size_t)copy->st.st_size + 1, 0), copy->st.st_size);
    assert_int_equal(copy->length, copy->st.st_size);
    assert_memory_equal(copy->bytes, want, copy->length);
    free(want);
}

static void put_bytes(int fd, off_t at, size_t length, unsigned seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned char byte = (unsigned char)(seed >> 16);
        assert_int_equal(pwrite(fd, &byte, 1, at + (off_t)i), 1);
    }
}

static void content_arrives_whole_whatever_its_size(void **state)
{
    static const size_t sizes[] = {
        0, 1, 4095, 4096, PIPELINE_BUFFER_BYTES - 512, PIPELINE_BUFFER_BYTES, 3 * PIPELINE_BUFFER_BYTES + 77};
    const struct scratch *scratch = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct error err = {0};
        put_file(scratch, "file", "");
        struct copy copy = open_for_copy(scratch, "file");
        put_bytes(copy.fd, 0, sizes[i], (unsigned)i);
        assert_int_equal(fstat(copy.fd, &copy.st), 0);
        assert_ok(run(scratch, &copy, NULL, &err), &err);
        assert_copied_faithfully(&copy);
        copy_done(&copy);
    }
}

/* Data of random length at random places; the rest are holes. */
static void sparse_files_keep_their_content_and_holes_are_not_read(void **state)
{
    const struct scratch *scratch = *state;

    for (unsigned round = 0; round < 20; round++) {
        unsigned seed = round * 77777 + 1;
        struct error err = {0};
        put_file(scratch, "file", "");
        struct copy copy = open_for_copy(scratch, "file");
        assert_int_equal(ftruncate(copy.fd, 1500000 + round * 4096 + round), 0);
        for (unsigned i = 0; i < round % 5; i++) {
            seed = seed * 1103515245u + 12345u;
            put_bytes(copy.fd, (off_t)(seed % 1400000), (seed >> 8) % 9000, seed);
        }
        assert_int_equal(fstat(copy.fd, &copy.st), 0);
        assert_ok(run(scratch, &copy, NULL, &err), &err);
        assert_copied_faithfully(&copy);
        assert_true(copy.bytes_read <= (unsigned long long)copy.st.st_blocks * 512);
        copy_done(&copy);
    }
}

static void grow(int fd)
{
    assert_int_equal(pwrite(fd, "more", 4, 5000), 4);
}

static void shrink(int fd)
{
    assert_int_equal(ftruncate(fd, 10), 0);
}

static void shrink_to_a_hole(int fd)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(ftruncate(fd, 3000), 0);
}

static void rewrite_with_the_old_mtime(int fd)
{
    struct stat before, after;

    assert_int_equal(fstat(fd, &before), 0);
    do { /* until the file system's clock has moved on */
        assert_int_equal(pwrite(fd, "X", 1, 0), 1);
        assert_int_equal(futimens(fd, (struct timespec[2]){before.st_atim, before.st_mtim}), 0);
        assert_int_equal(fstat(fd, &after), 0);
    } while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
             after.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
}

static void a_file_that_changed_since_its_header_is_an_error(void **state)
{
    static const struct {
        void (*change)(int fd);
        const char *text;
    } rows[] = {
        {grow, "grew"},
        {shrink, "shrank"},
        {shrink_to_a_hole, "shrank"},
        {rewrite_with_the_old_mtime, "was written to"},
    };
    const struct scratch *scratch = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        put_file(scratch, "file", "");
        struct copy copy = open_for_copy(scratch, "file");
        put_bytes(copy.fd, 0, 5000, 1);
        assert_int_equal(fstat(copy.fd, &copy.st), 0);
        rows[i].change(copy.fd);
        assert_fails(run(scratch, &copy, NULL, &err), &err, ERR_PRECONDITION, rows[i].text);
        assert_string_equal(err.reason, "FileChanged");
        copy_done(&copy);
    }
}

static void a_cancelled_copy_stops(void **state)
{
    const struct scratch *scratch = *state;
    const bool cancelled = true;
    struct error err = {0};

    put_file(scratch, "file", "some");
    struct copy copy = open_for_copy(scratch, "file");
    assert_fails(run(scratch, &copy, &cancelled, &err), &err, ERR_CANCELLED, "cancelled");
    copy_done(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(content_arrives_whole_whatever_its_size),
        IN_SCRATCH(sparse_files_keep_their_content_and_holes_are_not_read),
        IN_SCRATCH(a_file_that_changed_since_its_header_is_an_error),
        IN_SCRATCH(a_cancelled_copy_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
