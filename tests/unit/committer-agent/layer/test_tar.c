#include "committer-agent/layer/tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/digest.h"
#include "shared/base/strbuf.h"
#include "tar_reader.h"
#include "tests/unit/testing.h"

static int collect(void *arg, const void *bytes, size_t length, struct error *err)
{
    (void)err;
    assert_true(strbuf_append(arg, bytes, length));
    return 0;
}

static struct byte_sink into(struct strbuf *buf)
{
    return (struct byte_sink){.write = collect, .arg = buf};
}

/* A whole archive of these entries; the content of each file is its size in 'x'. */
static void write_archive(struct strbuf *ret_bytes, const struct tar_entry *entries, size_t count)
{
    SCOPED(tar_writer) struct tar_writer *tar = tar_writer_new(into(ret_bytes));
    struct error err = {0};

    for (size_t i = 0; i < count; i++) {
        assert_ok(tar_writer_entry(tar, &entries[i], &err), &err);
        for (uint64_t left = entries[i].size_bytes; left > 0; left--)
            assert_ok(tar_writer_content(tar, "x", 1, &err), &err);
    }
    assert_ok(tar_writer_finish(tar, &err), &err);
}

static void a_plain_file_is_one_ustar_header_and_no_more(void **state)
{
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    const struct tar_entry entry = {.type = TAR_FILE,
                                    .path = "etc/motd",
                                    .mode = 0644,
                                    .uid = 1000,
                                    .gid = 1000,
                                    .size_bytes = 3,
                                    .mtime = {.tv_sec = 1700000000}};
    static const struct {
        size_t at, length;
        const char *bytes;
    } golden[] = {
        {0, 9, "etc/motd"},
        {100, 8, "0000644"},
        {108, 8, "0001750"},
        {116, 8, "0001750"},
        {124, 12, "00000000003"},
        {136, 12, "14524770400"},
        {148, 8, "010733\0 "},
        {156, 1, "0"},
        {257, 8,
         "ustar\0"
         "00"},
        {329, 8, "0000000"},
        {337, 8, "0000000"},
    };
    char want[TAR_BLOCK_BYTES] = {0};

    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++)
        memcpy(want + golden[i].at, golden[i].bytes, golden[i].length);
    (void)state;
    write_archive(&bytes, &entry, 1);
    assert_int_equal(bytes.length, 4 * TAR_BLOCK_BYTES);
    assert_memory_equal(bytes.bytes, want, sizeof(want));
    assert_memory_equal(bytes.bytes + TAR_BLOCK_BYTES, "xxx", 4);
}

static void what_ustar_cannot_hold_comes_in_records_of_counted_length(void **state)
{
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    const struct tar_xattr xattr = {.name = "user.k", .value = "a\0b", .value_length = 3};
    const struct tar_entry entry = {.type = TAR_FILE,
                                    .path = "\xff",
                                    .mode = 04755,
                                    .uid = 1u << 21,
                                    .gid = UINT32_MAX - 1,
                                    .mtime = {.tv_sec = -2, .tv_nsec = 500000000},
                                    .xattrs = &xattr,
                                    .xattr_count = 1};
    static const char golden[] = "21 hdrcharset=BINARY\n"
                                 "9 path=\xff\n"
                                 "15 uid=2097152\n"
                                 "18 gid=4294967294\n"
                                 "14 mtime=-1.5\n"
                                 "27 SCHILY.xattr.user.k=a\0b\n";

    (void)state;
    write_archive(&bytes, &entry, 1);
    assert_int_equal(bytes.bytes[156], 'x');
    assert_memory_equal(bytes.bytes + TAR_BLOCK_BYTES, golden, sizeof(golden)); /* a zero follows */
    assert_memory_equal(bytes.bytes + 2 * TAR_BLOCK_BYTES, "_\0", 2);
}

/* The length of a record counts its own digits, which changes at 10, 100, 1000... */
static void record_lengths_are_right_around_each_power_of_ten(void **state)
{
    (void)state;
    for (size_t length = 1; length<11000; length += length> 1100 && length < 9900 ? 97 : 1) {
        SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
        SCOPED_TAR_ARCHIVE struct tar_archive archive = {0};
        SCOPED(memory) char *value = xcalloc(1, length);
        const struct tar_xattr xattr = {.name = "user.k", .value = value, .value_length = length};
        const struct tar_entry entry = {.type = TAR_FIFO, .path = "f", .xattrs = &xattr, .xattr_count = 1};
        write_archive(&bytes, &entry, 1);
        tar_archive_read(&archive, (unsigned char *)bytes.bytes, bytes.length);
        assert_int_equal(archive.members[0].xattrs[0].value_length, length);
    }
}

static void paths_of_every_length_come_back(void **state)
{
    static const char alphabet[] = "abc/defghijk";

    (void)state;
    for (size_t length = 1; length < 400; length++) {
        for (int type = 0; type < 2; type++) {
            SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
            SCOPED_TAR_ARCHIVE struct tar_archive archive = {0};
            char path[401] = "", want[402];
            for (size_t i = 0; i < length; i++)
                path[i] = i == 0 || i + 1 == length ? 'x' : alphabet[i * 7 % 12];
            const struct tar_entry entry = {
                .type = type ? TAR_DIRECTORY : TAR_SYMLINK, .path = path, .target = path};
            write_archive(&bytes, &entry, 1);
            tar_archive_read(&archive, (unsigned char *)bytes.bytes, bytes.length);
            (void)snprintf(want, sizeof(want), "%s%s", path, type ? "/" : "");
            assert_string_equal(archive.members[0].path, want);
            assert_string_equal(archive.members[0].target, path);
        }
    }
}

static void ascii_paths_need_no_record_while_ustar_can_split_them(void **state)
{
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    char path[256 + 1];

    (void)state;
    memset(path, 'p', 155);
    path[155] = '/';
    memset(path + 156, 'n', 100);
    path[256] = '\0';
    const struct tar_entry entry = {.type = TAR_FILE, .path = path};
    write_archive(&bytes, &entry, 1);
    assert_int_equal(bytes.length, 3 * TAR_BLOCK_BYTES);
    assert_memory_equal(bytes.bytes, path + 156, 100);
    assert_memory_equal(bytes.bytes + 345, path, 155);
}

static void times_come_back_to_the_nanosecond(void **state)
{
    static const struct timespec times[] = {
        {0, 0},
        {0, 1},
        {0, 999999999},
        {-1, 0},
        {-1, 999999999},
        {-1, 1},
        {-62135596800, 1},
        {1, 100000000},
        {1700000000, 123456789},
        {077777777777, 0},
        {077777777777 + 1LL, 0},
        {253402300799, 999999999},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
        SCOPED_TAR_ARCHIVE struct tar_archive archive = {0};
        const struct tar_entry entry = {.type = TAR_FILE, .path = "f", .mtime = times[i]};
        write_archive(&bytes, &entry, 1);
        tar_archive_read(&archive, (unsigned char *)bytes.bytes, bytes.length);
        assert_int_equal(archive.members[0].mtime.tv_sec, times[i].tv_sec);
        assert_int_equal(archive.members[0].mtime.tv_nsec, times[i].tv_nsec);
    }
}

static int swallow(void *arg, const void *bytes, size_t length, struct error *err)
{
    (void)bytes;
    (void)err;
    *(uint64_t *)arg += length;
    return 0;
}

static void files_beyond_8_gib_have_a_size_record(void **state)
{
    SCOPED_STRBUF struct strbuf header = STRBUF_INIT;
    SCOPED(tar_writer) struct tar_writer *tar = tar_writer_new(into(&header));
    const struct tar_entry entry = {.type = TAR_FILE, .path = "big", .size_bytes = 1ULL << 33};
    struct error err = {0};

    (void)state;
    assert_ok(tar_writer_entry(tar, &entry, &err), &err);
    assert_memory_equal(header.bytes + TAR_BLOCK_BYTES, "19 size=8589934592\n", 20);
    assert_string_equal(header.bytes + 2 * TAR_BLOCK_BYTES + 124, "00000000000");
}

static void padding_follows_content_of_any_size(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < 1100; size += 7) {
        uint64_t written = 0;
        SCOPED(tar_writer) struct tar_writer *tar = tar_writer_new((struct byte_sink){swallow, &written});
        const struct tar_entry entry = {.type = TAR_FILE, .path = "f", .size_bytes = size};
        struct error err = {0};
        assert_ok(tar_writer_entry(tar, &entry, &err), &err);
        tar_writer_content_passed(tar, size);
        assert_ok(tar_writer_finish(tar, &err), &err);
        assert_int_equal((written + size) % TAR_BLOCK_BYTES, 0);
    }
}

static void an_extended_header_that_go_would_refuse_is_refused_and_nothing_written(void **state)
{
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    SCOPED(tar_writer) struct tar_writer *tar = tar_writer_new(into(&bytes));
    SCOPED(memory) char *value = xcalloc(1, TAR_EXTENDED_MAX_BYTES);
    const struct tar_xattr xattr = {.name = "user.k", .value = value, .value_length = TAR_EXTENDED_MAX_BYTES};
    const struct tar_entry entry = {.type = TAR_FILE, .path = "f", .xattrs = &xattr, .xattr_count = 1};
    struct error err = {0};

    (void)state;
    assert_fails(tar_writer_entry(tar, &entry, &err), &err, ERR_INVALID, "extended header");
    assert_int_equal(bytes.length, 0);
}

static void an_equals_sign_in_an_attribute_name_does_not_fit(void **state)
{
    (void)state;
    assert_true(tar_xattr_name_fits("user.\xff \n"));
    assert_false(tar_xattr_name_fits("user.a=b"));
}

/* ---- what other readers say ---- */

static const struct tar_xattr sample_xattrs[] = {
    {.name = "security.capability", .value = "\1\0\0\2\0 \0\0\0\0\0\0\0\0\0\0\0\0\0\0", .value_length = 20},
    {.name = "user.k", .value = "v", .value_length = 1},
};

static const struct tar_entry sample[] = {
    {.type = TAR_DIRECTORY, .path = ".", .mode = 0755, .mtime = {1700000000, 0}},
    {.type = TAR_DIRECTORY, .path = "dir", .mode = 01777, .uid = 3, .gid = 4, .mtime = {1700000000, 5}},
    {.type = TAR_FILE,
     .path = "dir/file",
     .mode = 04755,
     .uid = 3000000,
     .gid = 4,
     .size_bytes = 700,
     .mtime = {1700000000, 123456789},
     .xattrs = sample_xattrs,
     .xattr_count = 2},
    {.type = TAR_HARD_LINK,
     .path = "dir/link",
     .target = "dir/file",
     .mode = 04755,
     .mtime = {1700000000, 0}},
    {.type = TAR_SYMLINK, .path = "sym", .target = "../\xc3\xa4", .mode = 0777, .mtime = {1, 0}},
    {.type = TAR_CHAR_DEVICE, .path = "null", .mode = 0666, .device_major = 1, .device_minor = 3},
    {.type = TAR_BLOCK_DEVICE, .path = "blk", .mode = 0600, .device_major = 4095, .device_minor = 1048575},
    {.type = TAR_FIFO, .path = "fifo", .mode = 0600},
    {.type = TAR_FILE, .path = "odd\xff\nname", .mode = 0600},
};

static const char sample_as_python_sees_it[] =
    "b'.' 5 755 0 0 0 1700000000.0 b'' 0 0\n"
    "b'dir' 5 1777 3 4 0 1700000000.000000005 b'' 0 0\n"
    "b'dir/file' 0 4755 3000000 4 700 1700000000.123456789 b'' 0 0\n"
    "b'dir/link' 1 4755 0 0 0 1700000000.0 b'dir/file' 0 0\n"
    "b'sym' 2 777 0 0 0 1.0 b'../\\xc3\\xa4' 0 0\n"
    "b'null' 3 666 0 0 0 0.0 b'' 1 3\n"
    "b'blk' 4 600 0 0 0 0.0 b'' 4095 1048575\n"
    "b'fifo' 6 600 0 0 0 0.0 b'' 0 0\n"
    "b'odd\\xff\\nname' 0 600 0 0 0 0.0 b'' 0 0\n";

static const char python_reader[] =
    "import os,sys,tarfile\n"
    "for m in tarfile.open(sys.argv[1], errors='surrogateescape', encoding='utf-8'):\n"
    "  e=lambda s: os.fsencode(s)\n"
    "  t=m.pax_headers.get('mtime', float(m.mtime))\n"
    "  print(e(m.name), m.type.decode(), '%o' % m.mode, m.uid, m.gid, m.size, t, e(m.linkname), m.devmajor, "
    "m.devminor)\n";

static const char sample_as_gnu_tar_sees_it[] =
    "drwxr-xr-x 0/0               0 2023-11-14 22:13:20 ./\n"
    "drwxrwxrwt 3/4               0 2023-11-14 22:13:20.000000005 dir/\n"
    "-rwsr-xr-x 3000000/4       700 2023-11-14 22:13:20.123456789 dir/file\n"
    "hrwsr-xr-x 0/0               0 2023-11-14 22:13:20           dir/link link to dir/file\n"
    "lrwxrwxrwx 0/0               0 1970-01-01 00:00:01           sym -> ../\\303\\244\n"
    "crw-rw-rw- 0/0             1,3 1970-01-01 00:00:00           null\n"
    "brw------- 0/0    4095,1048575 1970-01-01 00:00:00           blk\n"
    "prw------- 0/0               0 1970-01-01 00:00:00           fifo\n"
    "-rw------- 0/0               0 1970-01-01 00:00:00           odd\\377\\nname\n";

/* Writes the sample to a file, runs the command with it as $1 and collects what that prints. */
static void show_sample_to(const char *command, char *ret_output, size_t size)
{
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    char path[] = "/tmp/stasis-tar-XXXXXX", line[2048];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    write_archive(&bytes, sample, sizeof(sample) / sizeof(sample[0]));
    assert_int_equal(write(fd, bytes.bytes, bytes.length), bytes.length);
    (void)close(fd);
    (void)snprintf(line, sizeof(line), "set -- %s; %s", path, command);
    FILE *out = popen(line, "r");
    assert_non_null(out);
    size_t got = fread(ret_output, 1, size - 1, out);
    ret_output[got] = '\0';
    int status = pclose(out);
    (void)unlink(path);
    assert_int_equal(status, 0);
}

static void skip_without(const char *program)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
    if (system(command) != 0)
        skip();
}

static void python_reads_every_attribute(void **state)
{
    char output[4096], command[1500];

    (void)state;
    skip_without("python3");
    (void)snprintf(command, sizeof(command), "python3 - $1 <<'END'\n%s\nEND\n", python_reader);
    show_sample_to(command, output, sizeof(output));
    assert_string_equal(output, sample_as_python_sees_it);
}

static void gnu_tar_reads_every_attribute(void **state)
{
    char output[4096];

    (void)state;
    skip_without("tar");
    show_sample_to(
        "LC_ALL=C TZ=UTC tar --full-time --numeric-owner --quoting-style=escape -tvf $1 2>/dev/null", output,
        sizeof(output));
    assert_string_equal(output, sample_as_gnu_tar_sees_it);
}

static void libarchive_reads_every_name(void **state)
{
    char output[4096];

    (void)state;
    skip_without("bsdtar");
    show_sample_to("LC_ALL=C.UTF-8 bsdtar -tf $1 | wc -l", output, sizeof(output));
    assert_string_equal(output, "9\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_file_is_one_ustar_header_and_no_more),
        cmocka_unit_test(what_ustar_cannot_hold_comes_in_records_of_counted_length),
        cmocka_unit_test(record_lengths_are_right_around_each_power_of_ten),
        cmocka_unit_test(paths_of_every_length_come_back),
        cmocka_unit_test(ascii_paths_need_no_record_while_ustar_can_split_them),
        cmocka_unit_test(times_come_back_to_the_nanosecond),
        cmocka_unit_test(files_beyond_8_gib_have_a_size_record),
        cmocka_unit_test(padding_follows_content_of_any_size),
        cmocka_unit_test(an_extended_header_that_go_would_refuse_is_refused_and_nothing_written),
        cmocka_unit_test(an_equals_sign_in_an_attribute_name_does_not_fit),
        cmocka_unit_test(python_reads_every_attribute),
        cmocka_unit_test(gnu_tar_reads_every_attribute),
        cmocka_unit_test(libarchive_reads_every_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
