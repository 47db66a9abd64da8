/* bench-precopy [--runs N] [--size MIB] [--files N] [DIR] - how long a container is frozen for a live snapshot, with a
 * pre-copy and without.
 *
 * Two trees below DIR (default /tmp), of random bytes: SIZE (1024) MiB in 8 files, and N (50,000) files of 4 KiB in
 * folders of 500. For each: the whole capture, as it is when frozen without a pre-copy, by zstd and uncompressed; then
 * precopy_freeze() alone when nothing has changed and when one file was written to after the copy. Page cache warm.
 * Prints milliseconds: median, least to most of the runs, the CPU time of the thread that reads, and what part of the
 * capture by zstd that is. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "committer-agent/layer/precopy.h"
#include "shared/base/ids.h"

enum { FOLDER_FILES = 500, SMALL_FILE_BYTES = 4096, RUNS_MAX = 99 };

struct bench {
    char dir[4096];   /* with "tree", and the spools */
    char first[8192]; /* the file that is changed */
    int fd;           /* of the tree */
    unsigned runs;
};

struct took {
    double ms,
        cpu_ms; /* cpu_ms: of the calling thread, which other load on the machine does not change as much */
};

static double clock_ms(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct took now_ms(void)
{
    return (struct took){clock_ms(CLOCK_MONOTONIC), clock_ms(CLOCK_THREAD_CPUTIME_ID)};
}

static struct took since(struct took start)
{
    struct took now = now_ms();
    return (struct took){now.ms - start.ms, now.cpu_ms - start.cpu_ms};
}

static void check(int answer, const struct error *failure)
{
    if (answer < 0)
        errx(1, "%s", failure->text);
}

static void put_file(const char *path, size_t bytes)
{
    enum { PART = 1 << 20 };
    static char part[PART];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0)
        err(1, "%s", path);
    for (size_t length; bytes > 0; bytes -= length) {
        length = bytes < PART ? bytes : PART;
        random_bytes(part, length);
        if (write(fd, part, length) != (ssize_t)length)
            err(1, "%s", path);
    }
    (void)close(fd);
}

static void make_tree(struct bench *bench, unsigned files, size_t file_bytes)
{
    char path[8192];

    (void)snprintf(path, sizeof(path), "%s/tree", bench->dir);
    if (mkdir(path, 0755) < 0)
        err(1, "%s", path);
    for (unsigned i = 0; i < files; i++) {
        if (i % FOLDER_FILES == 0) {
            (void)snprintf(path, sizeof(path), "%s/tree/%u", bench->dir, i / FOLDER_FILES);
            if (mkdir(path, 0755) < 0)
                err(1, "%s", path);
        }
        (void)snprintf(path, sizeof(path), "%s/tree/%u/%u", bench->dir, i / FOLDER_FILES, i);
        put_file(path, file_bytes);
    }
    (void)snprintf(bench->first, sizeof(bench->first), "%s/tree/0/0", bench->dir);
    (void)snprintf(path, sizeof(path), "%s/tree", bench->dir);
    bench->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (bench->fd < 0)
        err(1, "%s", path);
    sync(); /* what is dirty now would be written back during a measurement */
}

static struct took whole_capture(const struct bench *bench, const struct layer_options *options)
{
    const struct walk_roots roots = {.fds = &bench->fd, .count = 1};
    struct layer_result result;
    struct error failure;
    SCOPED(spool) struct spool *spool = NULL;

    check(spool_new(bench->dir, &spool, &failure), &failure);
    struct took start = now_ms();
    check(layer_capture(&roots, options, spool, NULL, NULL, &result, &failure), &failure);
    struct took took = since(start);
    check(spool_unlink(spool, &failure), &failure);
    return took;
}

static void change_a_byte(const struct bench *bench)
{
    int fd = open(bench->first, O_RDWR | O_CLOEXEC);
    char byte = 'x';

    if (fd < 0 || pwrite(fd, &byte, 1, 0) != 1)
        err(1, "%s", bench->first);
    (void)close(fd);
}

static struct took freeze(const struct bench *bench, const struct layer_options *options, bool change)
{
    const struct walk_roots roots = {.fds = &bench->fd, .count = 1};
    const struct timespec settled = {.tv_nsec = (PRECOPY_SETTLED_MS + 20) * 1000000L};
    SCOPED(precopy) struct precopy *precopy = NULL;
    struct error failure;

    (void)nanosleep(&settled, NULL); /* the last run's change, or it is taken for one of now */
    check(precopy_new(bench->dir, options, &precopy, &failure), &failure);
    check(precopy_copy(precopy, &roots, NULL, NULL, &failure), &failure);
    if (change)
        change_a_byte(bench);
    struct took start = now_ms();
    check(precopy_freeze(precopy, &roots, NULL, NULL, &failure), &failure);
    struct took took = since(start);
    unsigned long long reread = precopy_get_stats(precopy).reread_files;
    if (reread != change)
        errx(1, "%llu files were read again, want %d", reread, change);
    return took;
}

static int compare_ms(const void *a, const void *b)
{
    double left = ((const struct took *)a)->ms, right = ((const struct took *)b)->ms;
    return (left > right) - (left < right);
}

/* Returns the median. */
static double report(const char *what, struct took *took, unsigned runs, double whole_ms)
{
    double cpu_ms = 0;

    for (unsigned i = 0; i < runs; i++)
        cpu_ms += took[i].cpu_ms / runs;
    qsort(took, runs, sizeof(*took), compare_ms);
    double median = took[runs / 2].ms;
    printf("  %-28s %9.1f ms  (%.1f .. %.1f)  cpu %.1f ms", what, median, took[0].ms, took[runs - 1].ms,
           cpu_ms);
    if (whole_ms > 0)
        printf("  1/%.0f", whole_ms / median);
    puts("");
    return median;
}

static void measure(const struct bench *bench)
{
    static const struct layer_options fast = {0}, plain = {.compress = {.compression = LAYER_NONE}};
    struct took took[RUNS_MAX];

    for (unsigned i = 0; i < bench->runs; i++)
        took[i] = whole_capture(bench, &fast);
    double whole_ms = report("whole capture, zstd", took, bench->runs, 0);
    for (unsigned i = 0; i < bench->runs; i++)
        took[i] = whole_capture(bench, &plain);
    (void)report("whole capture, uncompressed", took, bench->runs, whole_ms);
    for (unsigned i = 0; i < bench->runs; i++)
        took[i] = freeze(bench, &fast, false);
    (void)report("pre-copied, no change", took, bench->runs, whole_ms);
    for (unsigned i = 0; i < bench->runs; i++)
        took[i] = freeze(bench, &fast, true);
    (void)report("pre-copied, one file changed", took, bench->runs, whole_ms);
}

static void run(const char *parent, unsigned runs, unsigned files, size_t file_bytes)
{
    struct bench bench = {.runs = runs};
    char command[4200];

    (void)snprintf(bench.dir, sizeof(bench.dir), "%s/stasis-bench-XXXXXX", parent);
    if (!mkdtemp(bench.dir))
        err(1, "%s", bench.dir);
    make_tree(&bench, files, file_bytes);
    printf("%u files of %zu KiB:\n", files, file_bytes >> 10);
    measure(&bench);
    (void)close(bench.fd);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", bench.dir);
    if (system(command) != 0)
        errx(1, "%s", command);
}

int main(int argc, char **argv)
{
    const char *parent = "/tmp";
    unsigned runs = 5, files = 50000, size_mib = 1024;

    for (int i = 1; i < argc; i++) {
        unsigned *number = NULL;
        if (strcmp(argv[i], "--runs") == 0)
            number = &runs;
        else if (strcmp(argv[i], "--files") == 0)
            number = &files;
        else if (strcmp(argv[i], "--size") == 0)
            number = &size_mib;
        if (number && i + 1 < argc)
            *number = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (number || argv[i][0] == '-')
            errx(2, "usage: bench-precopy [--runs N] [--size MIB] [--files N] [DIR]");
        else
            parent = argv[i];
    }
    if (runs == 0 || runs > RUNS_MAX)
        errx(2, "--runs: want 1 to %d", RUNS_MAX);
    run(parent, runs, 8, ((size_t)size_mib << 20) / 8);
    run(parent, runs, files, SMALL_FILE_BYTES);
    return 0;
}
