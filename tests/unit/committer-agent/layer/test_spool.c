#include "committer-agent/layer/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/unit/testing.h"

static struct spool *new_spool(const struct scratch *scratch)
{
    struct spool *spool = NULL;
    struct error err;
    assert_ok(spool_new(scratch->path, &spool, &err), &err);
    return spool;
}

static void append(struct spool *spool, const char *text)
{
    struct error err;
    assert_ok(spool_append(spool, text, strlen(text), &err), &err);
}

static void the_file_has_a_name_for_the_journal_and_is_nobody_elses(void **state)
{
    SCOPED(spool) struct spool *spool = new_spool(*state);
    struct stat st;
    struct error err;

    assert_contains(spool_path(spool), "/layer-");
    assert_contains(spool_path(spool), ".spool");
    assert_int_equal(stat(spool_path(spool), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_ok(spool_unlink(spool, &err), &err);
    assert_ok(spool_unlink(spool, &err), &err); /* twice is fine */
    assert_int_equal(stat(spool_path(spool), &st), -1);
}

static void a_reader_gets_what_is_there_and_then_the_end(void **state)
{
    SCOPED(spool) struct spool *spool = new_spool(*state);
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 2);
    char buffer[16];
    size_t length;
    struct error err;

    append(spool, "hello");
    spool_finish(spool);
    assert_ok(spool_reader_read(reader, buffer, sizeof(buffer), &length, &err), &err);
    assert_int_equal(length, 3);
    assert_memory_equal(buffer, "llo", 3);
    assert_ok(spool_reader_read(reader, buffer, sizeof(buffer), &length, &err), &err);
    assert_int_equal(length, 0);

    spool_reader_seek(reader, 1); /* the registry kept one byte only */
    assert_ok(spool_reader_read(reader, buffer, 2, &length, &err), &err);
    assert_memory_equal(buffer, "el", 2);
    assert_int_equal(spool_reader_offset(reader), 3);
}

struct follower {
    pthread_t thread;
    struct spool_reader *reader;
    uint64_t sum, length;
    int answer;
    struct error err;
};

static void *follow(void *arg)
{
    struct follower *follower = arg;
    unsigned char buffer[333];
    size_t length = 1;

    while (length > 0) {
        follower->answer =
            spool_reader_read(follower->reader, buffer, sizeof(buffer), &length, &follower->err);
        if (follower->answer < 0)
            return NULL;
        for (size_t i = 0; i < length; i++)
            follower->sum = follower->sum * 31 + buffer[i];
        follower->length += length;
    }
    return NULL;
}

static void start_following(struct follower *follower, struct spool *spool)
{
    *follower = (struct follower){.reader = spool_reader_new(spool, 0)};
    assert_int_equal(pthread_create(&follower->thread, NULL, follow, follower), 0);
}

static void stop_following(struct follower *follower)
{
    assert_int_equal(pthread_join(follower->thread, NULL), 0);
    spool_reader_free(follower->reader);
}

static void many_readers_follow_one_writer_to_the_last_byte(void **state)
{
    SCOPED(spool) struct spool *spool = new_spool(*state);
    struct follower followers[4];
    uint64_t sum = 0, length = 0;
    struct error err;

    for (size_t i = 0; i < 4; i++)
        start_following(&followers[i], spool);
    for (unsigned round = 0; round < 500; round++) {
        unsigned char bytes[1000];
        size_t size = round * 7919 % sizeof(bytes);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (unsigned char)(round + i);
            sum = sum * 31 + bytes[i];
        }
        length += size;
        assert_ok(spool_append(spool, bytes, size, &err), &err);
    }
    spool_finish(spool);
    for (size_t i = 0; i < 4; i++) {
        stop_following(&followers[i]);
        assert_ok(followers[i].answer, &followers[i].err);
        assert_int_equal(followers[i].length, length);
        assert_int_equal(followers[i].sum, sum);
    }
}

static void a_failure_reaches_a_reader_that_waits_and_one_that_comes_later(void **state)
{
    SCOPED(spool) struct spool *spool = new_spool(*state);
    struct follower follower;
    struct error cause, err;
    uint64_t available;

    append(spool, "half");
    start_following(&follower, spool);
    (void)error_set(&cause, ERR_PRECONDITION, "the tree changed");
    (void)error_reason(&cause, "FileChanged");
    spool_fail(spool, &cause);
    stop_following(&follower);
    assert_fails(follower.answer, &follower.err, ERR_PRECONDITION, "the tree changed");
    assert_string_equal(follower.err.reason, "FileChanged");

    SCOPED(spool_reader) struct spool_reader *late = spool_reader_new(spool, 0);
    assert_fails(spool_reader_wait(late, 1, &available, &err), &err, ERR_PRECONDITION, "the tree changed");
}

static void a_cancelled_reader_stops_waiting_and_the_others_do_not(void **state)
{
    SCOPED(spool) struct spool *spool = new_spool(*state);
    struct follower cancelled, patient;

    start_following(&cancelled, spool);
    start_following(&patient, spool);
    spool_reader_cancel(cancelled.reader);
    stop_following(&cancelled);
    assert_fails(cancelled.answer, &cancelled.err, ERR_CANCELLED, "cancelled");
    append(spool, "more");
    spool_finish(spool);
    stop_following(&patient);
    assert_ok(patient.answer, &patient.err);
    assert_int_equal(patient.length, 4);
}

static void waiting_for_a_chunk_ends_with_the_chunk_or_with_the_spool(void **state)
{
    SCOPED(spool) struct spool *spool = new_spool(*state);
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 1);
    uint64_t available;
    struct error err;

    append(spool, "12345");
    assert_ok(spool_reader_wait(reader, 4, &available, &err), &err);
    assert_int_equal(available, 4);
    spool_finish(spool);
    assert_ok(spool_reader_wait(reader, 100, &available, &err), &err);
    assert_int_equal(available, 4);
    spool_reader_seek(reader, 77); /* beyond the end is the end */
    assert_ok(spool_reader_wait(reader, 1, &available, &err), &err);
    assert_int_equal(available, 0);
}

static void *append_one_by_one(void *arg)
{
    struct spool *spool = arg;
    struct error err;
    int answer = 0;

    for (int i = 0; answer == 0 && i < 50; i++)
        answer = spool_append(spool, "x", 1, &err);
    return answer == 0 ? NULL : spool;
}

static void less_than_a_chunk_does_not_end_the_wait(void **state)
{
    SCOPED(spool) struct spool *spool = new_spool(*state);
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 0);
    uint64_t available;
    pthread_t writer;
    struct error err;
    void *failed;

    append(spool, "x");
    assert_int_equal(pthread_create(&writer, NULL, append_one_by_one, spool), 0);
    assert_ok(spool_reader_wait(reader, 51, &available, &err), &err);
    assert_int_equal(available, 51);
    assert_int_equal(pthread_join(writer, &failed), 0);
    assert_null(failed);
}

static void the_next_process_opens_what_was_finished(void **state)
{
    SCOPED(spool) struct spool *spool = new_spool(*state);
    SCOPED(spool) struct spool *again = NULL;
    char buffer[8];
    size_t length;
    struct error err;

    append(spool, "layer");
    spool_finish(spool);
    assert_ok(spool_sync(spool, &err), &err);
    assert_ok(spool_open(spool_path(spool), 5, &again, &err), &err);
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(again, 0);
    assert_ok(spool_reader_read(reader, buffer, sizeof(buffer), &length, &err), &err);
    assert_int_equal(length, 5);
    assert_memory_equal(buffer, "layer", 5);
}

static void a_spool_that_is_not_what_the_journal_says_is_not_opened(void **state)
{
    const struct scratch *scratch = *state;
    struct spool *spool = NULL;
    struct error err;

    put_file(scratch, "short", "abc");
    put_folder(scratch, "folder");
    assert_int_equal(mkfifoat(scratch->fd, "fifo", 0600), 0);
    assert_int_equal(symlinkat("short", scratch->fd, "symlink"), 0);
    assert_fails(spool_open(scratch_path(scratch, "short"), 4, &spool, &err), &err, ERR_CORRUPT, "3 bytes");
    assert_fails(spool_open(scratch_path(scratch, "fifo"), 0, &spool, &err), &err, ERR_CORRUPT, "regular");
    assert_fails(spool_open(scratch_path(scratch, "folder"), 0, &spool, &err), &err, ERR_INVALID, "folder");
    assert_int_equal(spool_open(scratch_path(scratch, "symlink"), 3, &spool, &err), -1);
    assert_fails(spool_open(scratch_path(scratch, "missing"), 0, &spool, &err), &err, ERR_NOT_FOUND,
                 "missing");
    assert_null(spool);
}

static void a_full_disk_is_called_by_its_name(void **state)
{
    const struct scratch *scratch = *state;
    static const char block[64 << 10];
    struct spool *spool = NULL;
    struct error err = {0};
    int answer = 0;

    if (!is_root() || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip(); /* a small file system of our own needs rights */
    assert_int_equal(mount("tmpfs", scratch->path, "tmpfs", 0, "size=1m"), 0);
    assert_ok(spool_new(scratch->path, &spool, &err), &err);
    for (int i = 0; answer == 0 && i < 32; i++)
        answer = spool_append(spool, block, sizeof(block), &err);
    spool_unref(spool);
    assert_int_equal(umount(scratch->path), 0);
    assert_fails(answer, &err, ERR_EXHAUSTED, "No space left");
    assert_string_equal(err.reason, "DiskFull");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(the_file_has_a_name_for_the_journal_and_is_nobody_elses),
        IN_SCRATCH(a_reader_gets_what_is_there_and_then_the_end),
        IN_SCRATCH(many_readers_follow_one_writer_to_the_last_byte),
        IN_SCRATCH(a_failure_reaches_a_reader_that_waits_and_one_that_comes_later),
        IN_SCRATCH(a_cancelled_reader_stops_waiting_and_the_others_do_not),
        IN_SCRATCH(waiting_for_a_chunk_ends_with_the_chunk_or_with_the_spool),
        IN_SCRATCH(less_than_a_chunk_does_not_end_the_wait),
        IN_SCRATCH(the_next_process_opens_what_was_finished),
        IN_SCRATCH(a_spool_that_is_not_what_the_journal_says_is_not_opened),
        IN_SCRATCH(a_full_disk_is_called_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
