#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/unit/testing.h"

int scratch_setup(void **state)
{
    struct scratch *scratch = calloc(1, sizeof(*scratch));

    assert_non_null(scratch);
    strcpy(scratch->path, "/tmp/stasis-layer-XXXXXX");
    assert_non_null(mkdtemp(scratch->path));
    assert_int_equal(chmod(scratch->path, 0755), 0);
    scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(scratch->fd >= 0);
    *state = scratch;
    return 0;
}

int scratch_teardown(void **state)
{
    struct scratch *scratch = *state;
    char command[256];

    (void)close(scratch->fd);
    (void)snprintf(command, sizeof(command), "chmod -R u+rwX %s 2>/dev/null; rm -rf %s", scratch->path,
                   scratch->path);
    int failed = system(command);
    free(scratch);
    return failed;
}

const char *scratch_path(const struct scratch *scratch, const char *name)
{
    static char paths[4][8192];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s%s%s", scratch->path, name[0] ? "/" : "", name);
    return path;
}

void put_file(const struct scratch *scratch, const char *name, const char *text)
{
    int fd = openat(scratch->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, 0644), 0); /* whatever the umask */
    (void)close(fd);
}

void put_folder(const struct scratch *scratch, const char *name)
{
    assert_int_equal(mkdirat(scratch->fd, name, 0755), 0);
    assert_int_equal(fchmodat(scratch->fd, name, 0755, 0), 0);
}

void put_whiteout(const struct scratch *scratch, const char *name)
{
    assert_int_equal(mknodat(scratch->fd, name, S_IFCHR | 0, makedev(0, 0)), 0);
}

void set_mtime(const struct scratch *scratch, const char *name, int64_t seconds, long nanoseconds)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    assert_int_equal(utimensat(scratch->fd, name[0] ? name : ".", times, AT_SYMLINK_NOFOLLOW), 0);
}

bool is_root(void)
{
    return geteuid() == 0;
}

unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

static void read_spool(struct spool *spool, struct captured *captured)
{
    struct error err;
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 0);

    captured->length = 0;
    captured->bytes = malloc(captured->result.size_bytes + 1);
    assert_non_null(captured->bytes);
    for (size_t got = 1; got > 0; captured->length += got)
        assert_ok(spool_reader_read(reader, captured->bytes + captured->length,
                                    captured->result.size_bytes + 1 - captured->length, &got, &err),
                  &err);
    assert_int_equal(captured->length, captured->result.size_bytes);
}

int capture_roots_into_memory(const struct walk_roots *roots, const struct layer_options *options,
                              struct captured *ret_captured, struct error *err)
{
    char dir[] = "/tmp/stasis-spool-XXXXXX";
    SCOPED(spool) struct spool *spool = NULL;
    struct error removing;

    assert_non_null(mkdtemp(dir));
    assert_ok(spool_new(dir, &spool, &removing), &removing);
    int answer = layer_capture(roots, options, spool, NULL, NULL, &ret_captured->result, err);
    if (answer == 0)
        read_spool(spool, ret_captured);
    assert_ok(spool_unlink(spool, &removing), &removing);
    assert_int_equal(rmdir(dir), 0);
    return answer;
}

int capture_into_memory(const char *folder, const struct layer_options *options,
                        struct captured *ret_captured, struct error *err)
{
    SCOPED(fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct walk_roots roots = {.fds = &fd, .count = 1};

    assert_true(fd >= 0);
    return capture_roots_into_memory(&roots, options, ret_captured, err);
}

void captured_done(struct captured *captured)
{
    free(captured->bytes);
    captured->bytes = NULL;
}
