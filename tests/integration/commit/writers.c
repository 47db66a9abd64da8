/* writers.c - a hundred processes that write without pause and note, outside of their file system, what was acknowledged to
 * them. For containers: linked statically.
 *
 *   writers DATA OUT COUNT
 *
 * DATA is a folder of theirs, made when it is missing. OUT has "acks", COUNT numbers of 64 bits that all of them map, and
 * "ready", a FIFO that gets "r" once everyone has written, or "l" when one does not find what was acknowledged to its
 * predecessor. A writer goes on behind its last acknowledged number n:
 *
 *   i % 3 == 0   appends 8 bytes, n, to "append-<i>"; n counts from then on
 *   i % 3 == 1   creates "create-<i>-<n>" and removes the one of 20 steps ago
 *   i % 3 == 2   stores n in a mapping of "mmap-<i>" */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEPT = 20, MAPPED_BYTES = 16384 };

struct writer {
    unsigned number;
    _Atomic uint64_t *ack; /* the last number that the kernel has taken */
    int told;              /* a pipe to the parent */
    int go;                /* ends when all have written once; or the first would leave no time to the last */
};

static void tell(const struct writer *writer, char what)
{
    if (write(writer->told, &what, 1) != 1 || what == 'l')
        _exit(1);
}

static void wait_for_the_others(const struct writer *writer)
{
    char byte;

    tell(writer, 'r');
    (void)!read(writer->go, &byte, 1);
}

static void name_of(const struct writer *writer, const char *kind, char *name, size_t size)
{
    (void)snprintf(name, size, "%s-%u", kind, writer->number);
}

static void append(const struct writer *writer)
{
    char name[32];
    uint64_t n = *writer->ack, last = 0;
    struct stat st;

    name_of(writer, "append", name, sizeof(name));
    int fd = open(name, O_RDWR | O_CREAT | O_APPEND, 0644);
    if (fd < 0 || fstat(fd, &st) < 0)
        tell(writer, 'l');
    if (n > 0 &&
        (pread(fd, &last, sizeof(last), st.st_size - (off_t)sizeof(last)) != sizeof(last) || last < n))
        tell(writer, 'l');
    if (ftruncate(fd, 0) < 0) /* or it would grow for ever */
        tell(writer, 'l');
    for (bool waited = false;; waited = true) {
        n++;
        if (write(fd, &n, sizeof(n)) != sizeof(n))
            _exit(1);
        *writer->ack = n;
        if (!waited)
            wait_for_the_others(writer);
    }
}

static void create_name(const struct writer *writer, uint64_t n, char *name, size_t size)
{
    (void)snprintf(name, size, "create-%u-%ju", writer->number, (uintmax_t)n);
}

static void create(const struct writer *writer)
{
    char name[64];
    uint64_t n = *writer->ack;

    create_name(writer, n, name, sizeof(name));
    if (n > 0 && access(name, F_OK) < 0)
        tell(writer, 'l');
    for (bool waited = false;; waited = true) {
        create_name(writer, ++n, name, sizeof(name));
        int fd = open(name, O_WRONLY | O_CREAT, 0644);
        if (fd < 0 || close(fd) < 0)
            _exit(1);
        *writer->ack = n;
        if (!waited)
            wait_for_the_others(writer);
        if (n > KEPT) {
            create_name(writer, n - KEPT, name, sizeof(name));
            (void)unlink(name); /* a predecessor that was killed may have had no time to make it */
        }
    }
}

static void map(const struct writer *writer)
{
    char name[32];
    uint64_t n = *writer->ack;

    name_of(writer, "mmap", name, sizeof(name));
    int fd = open(name, O_RDWR | O_CREAT, 0644);
    if (fd < 0 || ftruncate(fd, MAPPED_BYTES) < 0)
        tell(writer, 'l');
    _Atomic uint64_t *cell = mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (cell == MAP_FAILED || *cell < n)
        tell(writer, 'l');
    for (bool waited = false;; waited = true) {
        *cell = ++n;
        *writer->ack = n;
        if (!waited)
            wait_for_the_others(writer);
    }
}

static void write_forever(const struct writer *writer)
{
    switch (writer->number % 3) {
    case 0:
        append(writer);
        break;
    case 1:
        create(writer);
        break;
    default:
        map(writer);
    }
}

static _Atomic uint64_t *map_acks(const char *out, unsigned count)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/acks", out);
    int fd = open(path, O_RDWR);
    void *acks = mmap(NULL, count * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return acks == MAP_FAILED ? NULL : acks;
}

/* "r" when all have told that. */
static char wait_for_all(int told, unsigned count)
{
    char what = 'r';

    for (unsigned i = 0; i < count && what == 'r'; i++)
        if (read(told, &what, 1) != 1)
            return 'l';
    return what;
}

static int report(const char *out, char what)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/ready", out);
    int fd = open(path, O_WRONLY);
    return fd < 0 || write(fd, &what, 1) != 1 ? -1 : close(fd);
}

int main(int argc, char **argv)
{
    unsigned count = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    _Atomic uint64_t *acks = count ? map_acks(argv[2], count) : NULL;
    int told[2], go[2];

    if (!acks || pipe(told) < 0 || pipe(go) < 0 || (mkdir(argv[1], 0755), chdir(argv[1])) < 0)
        return 2;
    for (unsigned i = 0; i < count; i++) {
        const struct writer writer = {.number = i, .ack = &acks[i], .told = told[1], .go = go[0]};
        pid_t pid = fork();
        if (pid < 0)
            return 2;
        if (pid == 0) {
            (void)close(go[1]);
            write_forever(&writer);
        }
    }
    (void)close(told[1]); /* so that reading ends when all have died */
    char what = wait_for_all(told[0], count);
    (void)close(go[1]);
    if (report(argv[2], what) < 0)
        return 2;
    for (;;)
        (void)pause();
}
