/* bench-commit-floor OUTPUT LEVEL THREADS FILE... - what the hardware allows: each step of a commit alone, on the same
 * bytes, one after the other. Prints seconds as JSON: reading once (page cache as it is found, large reads), sha256 of
 * what was read, zstd of it (level and threads as given), writing the compressed bytes to OUTPUT, a new file (no fsync:
 * the spool is not synced before the push either). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "committer-agent/layer/compress.h"
#include "shared/base/alloc.h"
#include "shared/base/digest.h"
#include "shared/base/file.h"

enum { STEP_BYTES = 256 << 10 };

struct bytes {
    char *at;
    size_t length, room;
};

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static size_t total_bytes(char **files)
{
    size_t total = 0;
    struct stat st;

    for (; *files; files++) {
        if (stat(*files, &st) < 0)
            die(*files);
        total += (size_t)st.st_size;
    }
    return total;
}

/* keep NULL: into a buffer that stays in the cache, as whoever reads to hash does. */
static void read_all(char **files, struct bytes *keep)
{
    char *buffer = xcalloc(1, STEP_BYTES);

    for (; *files; files++) {
        int fd = open(*files, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd;
        while (got >= 0) {
            size_t room =
                keep && keep->room - keep->length < STEP_BYTES ? keep->room - keep->length : STEP_BYTES;
            got = read(fd, keep ? keep->at + keep->length : buffer, room);
            if (got == 0)
                break;
            if (got > 0 && keep)
                keep->length += (size_t)got;
        }
        if (got < 0)
            die(*files);
        (void)close(fd);
    }
    free(buffer);
}

static int collect(void *arg, const void *bytes, size_t length, struct error *err)
{
    struct bytes *into = arg;

    if (length > into->room - into->length)
        return error_set(err, ERR_EXHAUSTED, "the compressed bytes do not fit");
    memcpy(into->at + into->length, bytes, length);
    into->length += length;
    return 0;
}

static double hash(const struct bytes *bytes)
{
    struct hasher *hasher = hasher_new();
    double began = now_s();

    for (size_t at = 0; at < bytes->length; at += STEP_BYTES)
        hasher_update(hasher, bytes->at + at,
                      bytes->length - at < STEP_BYTES ? bytes->length - at : STEP_BYTES);
    (void)hasher_finish(hasher);
    return now_s() - began;
}

static double compress(const struct bytes *bytes, int level, unsigned threads, struct bytes *into)
{
    const struct compress_options options = {.compression = LAYER_ZSTD, .level = level, .threads = threads};
    const struct byte_sink sink = {.write = collect, .arg = into};
    struct compressor *compressor = NULL;
    struct error err = {0};

    if (compressor_new(&options, &compressor, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double began = now_s();
    int result = 0;
    for (size_t at = 0; result == 0 && at < bytes->length; at += STEP_BYTES)
        result =
            compressor_write(compressor, bytes->at + at,
                             bytes->length - at < STEP_BYTES ? bytes->length - at : STEP_BYTES, sink, &err);
    if (result == 0)
        result = compressor_finish(compressor, sink, &err);
    double took = now_s() - began;
    if (result < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    compressor_free(compressor);
    return took;
}

static double spool(const char *path, const struct bytes *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    double began = now_s();

    if (fd < 0)
        die(path);
    for (size_t at = 0; at < bytes->length;) {
        size_t length = bytes->length - at < STEP_BYTES ? bytes->length - at : STEP_BYTES;
        ssize_t wrote = write(fd, bytes->at + at, length);
        if (wrote <= 0)
            die(path);
        at += (size_t)wrote;
    }
    double took = now_s() - began;
    (void)close(fd);
    return took;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        (void)fprintf(stderr, "usage: %s OUTPUT LEVEL THREADS FILE...\n", argv[0]);
        return 2;
    }
    size_t total = total_bytes(argv + 4);
    struct bytes raw = {.at = xcalloc(1, total + 1), .room = total};
    struct bytes packed = {.at = xcalloc(1, total + total / 64 + (1 << 20)),
                           .room = total + total / 64 + (1 << 20)};

    double began = now_s();
    read_all(argv + 4, NULL);
    double reading = now_s() - began;
    read_all(argv + 4, &raw);
    memset(packed.at, 1, packed.room); /* its pages are there before the clock runs */
    double hashing = hash(&raw);
    double compressing = compress(&raw, atoi(argv[2]), (unsigned)atoi(argv[3]), &packed);
    double writing = spool(argv[1], &packed);
    (void)printf(
        "{\"read\":%.4f,\"sha256\":%.4f,\"zstd\":%.4f,\"write\":%.4f,\"bytes\":%zu,\"packed\":%zu}\n",
        reading, hashing, compressing, writing, raw.length, packed.length);
    free(raw.at);
    free(packed.at);
    return 0;
}
