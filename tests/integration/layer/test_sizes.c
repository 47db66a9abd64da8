/* test_sizes.c - trees larger than one would like: bounded memory and time, holes for nothing, an error by name. */
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "tests/integration/layer/base.h"
#include "tests/unit/committer-agent/layer/scratch.h"
#include "tests/unit/committer-agent/layer/tar_reader.h"
#include "tests/unit/testing.h"

#if defined(__SANITIZE_ADDRESS__)
/* Freed memory that is kept back counts as ours otherwise. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1";
}
#endif

#define PEAK_MAX_KIB (64 * 1024)

/* A capture whose bytes nobody keeps but to look at them as they come. */
struct sized {
    struct layer_result result;
    struct layer_progress progress;
    struct error err;
    int answer;
    int64_t took_ms;
    long peak_kib; /* beyond what there was before */
};

static long memory_kib(const char *field)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "re");

    assert_non_null(status);
    while (fgets(line, sizeof(line), status))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtol(line + strlen(field) + 1, NULL, 10);
    (void)fclose(status);
    return kib;
}

static void forget_peak(void)
{
    FILE *clear = fopen("/proc/self/clear_refs", "we");

    (void)malloc_trim(0);
    assert_non_null(clear);
    assert_true(fputs("5", clear) >= 0);
    assert_int_equal(fclose(clear), 0);
}

static void capture_sized(const struct scratch *scratch, enum layer_compression compression,
                          const char *spool_dir, struct spool **ret_spool, struct sized *ret_sized)
{
    const struct layer_options options = {.compress = {.compression = compression}};
    const struct walk_roots roots = {.fds = &scratch->fd, .count = 1};
    int64_t from_ms = clock_monotonic_ms();

    *ret_sized = (struct sized){0};
    assert_ok(spool_new(spool_dir, ret_spool, &ret_sized->err), &ret_sized->err);
    forget_peak();
    long before_kib = memory_kib("VmRSS");
    ret_sized->answer = layer_capture(&roots, &options, *ret_spool, &ret_sized->progress, NULL,
                                      &ret_sized->result, &ret_sized->err);
    ret_sized->peak_kib = memory_kib("VmHWM") - before_kib;
    ret_sized->took_ms = clock_monotonic_ms() - from_ms;
}

static void drop_spool(struct spool **spool)
{
    struct error err;

    assert_ok(spool_unlink(*spool, &err), &err);
    spool_unref(TAKE(*spool));
}

/* ---- a file of more than 8 GiB, nearly all of it holes ---- */

#define LARGE_BYTES (((off_t)1 << 33) + 777)

static const struct island {
    off_t at;
    const char *text;
} islands[] = {
    {0, "the first bytes"},
    {123456789, "somewhere"},
    {((off_t)1 << 33) - 5, "across 8 GiB"},
    {LARGE_BYTES - 8, "the end."},
};
#define ISLAND_COUNT (sizeof(islands) / sizeof(islands[0]))

/* Where the content of "large" starts: behind "./" with its times, and the file's own two headers and records. */
#define CONTENT_AT ((uint64_t)6 * 512)

struct unpacking {
    ZSTD_DStream *zstd;
    unsigned char head[CONTENT_AT];
    uint64_t at, non_zero; /* in the tar; bytes of content that are not zero */
    char found[ISLAND_COUNT][32];
};

static void note_island(struct unpacking *unpacking, off_t at, unsigned char byte)
{
    unpacking->non_zero++;
    for (size_t i = 0; i < ISLAND_COUNT; i++)
        if (at >= islands[i].at && at < islands[i].at + (off_t)strlen(islands[i].text))
            unpacking->found[i][at - islands[i].at] = (char)byte;
}

static void unpack_piece(struct unpacking *unpacking, const unsigned char *bytes, size_t length)
{
    static const unsigned char zeroes[1 << 16];

    for (size_t i = 0; i < length;) {
        size_t part = length - i < sizeof(zeroes) ? length - i : sizeof(zeroes);
        uint64_t at = unpacking->at + i;
        if (at >= CONTENT_AT && memcmp(bytes + i, zeroes, part) == 0) {
            i += part;
            continue;
        }
        for (size_t end = i + part; i < end; i++)
            if (unpacking->at + i < CONTENT_AT)
                unpacking->head[unpacking->at + i] = bytes[i];
            else if (bytes[i])
                note_island(unpacking, (off_t)(unpacking->at + i - CONTENT_AT), bytes[i]);
    }
    unpacking->at += length;
}

static void unpack(struct spool *spool, struct unpacking *unpacking)
{
    static unsigned char packed[1 << 17], plain[1 << 20];
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 0);
    struct error err;
    size_t got;

    for (;;) {
        assert_ok(spool_reader_read(reader, packed, sizeof(packed), &got, &err), &err);
        if (got == 0)
            return;
        for (ZSTD_inBuffer in = {packed, got, 0}; in.pos < in.size;) {
            ZSTD_outBuffer out = {plain, sizeof(plain), 0};
            assert_false(ZSTD_isError(ZSTD_decompressStream(unpacking->zstd, &out, &in)));
            unpack_piece(unpacking, plain, out.pos);
        }
    }
}

static void put_large(const struct scratch *scratch)
{
    SCOPED(fd) int fd = openat(scratch->fd, "large", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, LARGE_BYTES), 0);
    for (size_t i = 0; i < ISLAND_COUNT; i++)
        assert_int_equal(pwrite(fd, islands[i].text, strlen(islands[i].text), islands[i].at),
                         strlen(islands[i].text));
}

static void a_file_beyond_8_gib_says_its_size_and_its_holes_are_not_read(void **state)
{
    static struct unpacking unpacking;
    const struct scratch *scratch = *state;
    struct spool *spool = NULL;
    struct sized sized;
    char record[64];
    size_t text_bytes = 0;

    put_large(scratch);
    set_mtime(scratch, "", 1700000000, 5);
    set_mtime(scratch, "large", 1700000000, 5);
    capture_sized(scratch, LAYER_ZSTD, "/tmp", &spool, &sized);
    assert_ok(sized.answer, &sized.err);
    unpacking.zstd = ZSTD_createDStream();
    unpack(spool, &unpacking);
    (void)ZSTD_freeDStream(unpacking.zstd);
    drop_spool(&spool);

    (void)snprintf(record, sizeof(record), "19 size=%jd\n", (intmax_t)LARGE_BYTES);
    assert_non_null(memmem(unpacking.head, sizeof(unpacking.head), record, strlen(record)));
    for (size_t i = 0; i < ISLAND_COUNT; i++) {
        assert_string_equal(unpacking.found[i], islands[i].text);
        text_bytes += strlen(islands[i].text);
    }
    assert_int_equal(unpacking.non_zero, text_bytes);
    assert_int_equal(unpacking.at, sized.result.tar_bytes);
    assert_true(sized.progress.bytes_read <= 64 << 10); /* a few blocks of the file system */
    assert_true(sized.peak_kib < PEAK_MAX_KIB);
}

static void a_hole_of_a_tebibyte_is_refused_at_once(void **state)
{
    const struct scratch *scratch = *state;
    struct spool *spool = NULL;
    struct sized sized;

    put_file(scratch, "hole", "");
    assert_int_equal(truncate(scratch_path(scratch, "hole"), (off_t)1 << 40), 0);
    capture_sized(scratch, LAYER_ZSTD, "/tmp", &spool, &sized);
    drop_spool(&spool);
    assert_fails(sized.answer, &sized.err, ERR_EXHAUSTED, "capturing hole");
    assert_string_equal(sized.err.reason, "LayerTooLarge");
    assert_int_equal(sized.progress.bytes_read, 0);
    assert_true(sized.took_ms < 1000);
}

/* ---- bombs of folders ---- */

static unsigned entries_wanted(void)
{
    const char *text = getenv("STASIS_LAYER_ENTRIES");
    return text && *text ? (unsigned)strtoul(text, NULL, 10) : 100000;
}

/* In memory: a real disk is slow to make them. */
static void a_folder_of_very_many_entries_takes_time_and_no_memory(void **state)
{
    const struct scratch *scratch = *state;
    unsigned entries = entries_wanted();
    struct spool *spool = NULL;
    struct sized sized;
    char name[NAME_MAX + 1];

    overlay_require();
    assert_int_equal(mount("tmpfs", scratch->path, "tmpfs", 0, "nr_inodes=0,mode=755"), 0);
    struct scratch wide = {.fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    for (unsigned i = 0; i < entries; i++) { /* in no order, and long */
        (void)snprintf(name, sizeof(name), "%0200x", i * 2654435761u);
        assert_int_equal(mknodat(wide.fd, name, S_IFREG | 0644, 0), 0);
    }
    capture_sized(&wide, LAYER_ZSTD, "/tmp", &spool, &sized);
    drop_spool(&spool);
    (void)close(wide.fd);
    assert_int_equal(umount(scratch->path), 0);
    print_message("%u entries: %jd ms, %ld KiB\n", entries, (intmax_t)sized.took_ms, sized.peak_kib);
    assert_ok(sized.answer, &sized.err);
    assert_int_equal(sized.result.files, entries);
    assert_true(sized.peak_kib < PEAK_MAX_KIB / 3); /* the names alone are more */
}

static void a_tree_of_endless_depth_ends_where_paths_end_and_says_so(void **state)
{
    const struct scratch *scratch = *state;
    struct spool *spool = NULL;
    struct sized sized;
    SCOPED(fd) int fd = dup(scratch->fd);

    for (unsigned i = 0; i < 20000; i++) {
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        (void)close(fd);
        fd = next;
    }
    capture_sized(scratch, LAYER_ZSTD, "/tmp", &spool, &sized);
    drop_spool(&spool);
    assert_ok(sized.answer, &sized.err);
    assert_int_equal(sized.result.files, (LAYER_CARRIED_PATH_MAX_BYTES + 1) / 2);
    assert_int_equal(sized.result.lost[LAYER_LOST_PATH].count, 1);
    assert_true(sized.peak_kib < PEAK_MAX_KIB);
    assert_true(sized.took_ms < 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_file_beyond_8_gib_says_its_size_and_its_holes_are_not_read),
        IN_SCRATCH(a_hole_of_a_tebibyte_is_refused_at_once),
        IN_SCRATCH(a_folder_of_very_many_entries_takes_time_and_no_memory),
        IN_SCRATCH(a_tree_of_endless_depth_ends_where_paths_end_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
