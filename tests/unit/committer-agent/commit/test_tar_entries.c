#include "committer-agent/commit/tar_entries.h"

#include "shared/base/alloc.h"
#include "tests/unit/testing.h"

enum { BLOCK = TAR_BLOCK_BYTES };

static void add_header(struct strbuf *tar, char type, const char *size)
{
    char header[BLOCK] = {0};

    memcpy(header + 124, size, strlen(size) < 12 ? strlen(size) : 12);
    header[156] = type;
    memcpy(header + 257, "ustar", 6);
    strbuf_append(tar, header, sizeof(header));
}

static void add_content(struct strbuf *tar, const char *bytes, size_t length)
{
    static const char zeroes[BLOCK];

    strbuf_append(tar, bytes, length);
    strbuf_append(tar, zeroes, (BLOCK - length % BLOCK) % BLOCK);
}

static void add_end(struct strbuf *tar)
{
    static const char zeroes[2 * BLOCK];
    strbuf_append(tar, zeroes, sizeof(zeroes));
}

static int count_in_pieces(const struct strbuf *tar, size_t piece, uint64_t *ret_count, struct error *err)
{
    SCOPED_TAR_ENTRIES struct tar_entries entries = {0};

    for (size_t at = 0; at < tar->length; at += piece) {
        size_t length = tar->length - at < piece ? tar->length - at : piece;
        if (tar_entries_add(&entries, tar->bytes + at, length, err) < 0)
            return -1;
    }
    *ret_count = entries.count;
    return 0;
}

static void build_example(struct strbuf *tar)
{
    static const char looks_like_a_header[700] = "ustar";

    add_header(tar, '5', "00000000000");
    add_header(tar, '0', "00000001274"); /* 700 */
    add_content(tar, looks_like_a_header, sizeof(looks_like_a_header));
    add_header(tar, 'L', "00000000005");
    add_content(tar, "name", 5);
    add_header(tar, '1', "00000001274"); /* a hard link has no content, whatever its header says */
    add_header(tar, 'x', "00000000032"); /* 26 */
    add_content(tar, "13 size=0003\n13 mtime=1.5\n", 26);
    add_header(tar, '0', "00000000000");
    add_content(tar, "abc", 3);
    add_header(tar, '0', "\x80\0\0\0\0\0\0\0\0\0\0\x03");
    add_end(tar);
}

static void entries_are_counted_and_what_lies_between_is_not(void **state)
{
    SCOPED_STRBUF struct strbuf tar = STRBUF_INIT;
    struct error err = {0};
    uint64_t count = 0;

    (void)state;
    build_example(&tar);
    assert_ok(count_in_pieces(&tar, tar.length, &count, &err), &err);
    assert_int_equal(count, 5);
}

static void the_size_of_the_pieces_does_not_matter(void **state)
{
    SCOPED_STRBUF struct strbuf tar = STRBUF_INIT;
    struct error err = {0};

    (void)state;
    build_example(&tar);
    for (size_t piece = 1; piece < 2 * BLOCK; piece += piece < 8 ? 1 : 61) {
        uint64_t count = 0;
        assert_ok(count_in_pieces(&tar, piece, &count, &err), &err);
        assert_int_equal(count, 5);
    }
}

static void a_file_beyond_8_gib_has_its_size_in_the_pax_header(void **state)
{
    SCOPED_TAR_ENTRIES struct tar_entries entries = {0};
    SCOPED_STRBUF struct strbuf tar = STRBUF_INIT;
    static const char mebibyte[1 << 20];
    struct error err = {0};

    (void)state;
    add_header(&tar, 'x', "00000000024"); /* 20 */
    add_content(&tar, "20 size=10737418240\n", 20);
    add_header(&tar, '0', "00000000000");
    assert_ok(tar_entries_add(&entries, tar.bytes, tar.length, &err), &err);
    for (int i = 0; i < 10240; i++)
        assert_ok(tar_entries_add(&entries, mebibyte, sizeof(mebibyte), &err), &err);
    strbuf_reset(&tar);
    add_header(&tar, '0', "00000000000");
    assert_ok(tar_entries_add(&entries, tar.bytes, tar.length, &err), &err);
    assert_int_equal(entries.count, 2);
}

static void what_is_no_tar_is_refused_by_reason(void **state)
{
    static const struct {
        char type;
        const char *size, *content, *why;
    } examples[] = {
        {'0', "000000000x0", NULL, "octal"},
        {'0', "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", NULL, "absurd"},
        {'x', "00017777777", NULL, "too large"},
        {'x', "00000000011", "999 a=b\n", "wrong length"},
        {'x', "00000000011", "1 a=bcd\n", "wrong length"},
        {'x', "00000000011", "abcdefgh", "no length"},
        {'x', "00000000011", "-1 a=bc\n", "no length"},
        {'x', "00000000014", "11 size=-1\n\n", "no number"},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        SCOPED_STRBUF struct strbuf tar = STRBUF_INIT;
        uint64_t count;
        add_header(&tar, examples[i].type, examples[i].size);
        if (examples[i].content)
            add_content(&tar, examples[i].content, strlen(examples[i].content));
        assert_fails(count_in_pieces(&tar, 100, &count, &err), &err, ERR_CORRUPT, examples[i].why);
    }
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    uint64_t count;
    add_content(&text, "this is no tar", 14);
    assert_fails(count_in_pieces(&text, 100, &count, &err), &err, ERR_CORRUPT, "ustar");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_counted_and_what_lies_between_is_not),
        cmocka_unit_test(the_size_of_the_pieces_does_not_matter),
        cmocka_unit_test(a_file_beyond_8_gib_has_its_size_in_the_pax_header),
        cmocka_unit_test(what_is_no_tar_is_refused_by_reason),
    };
    return cmocka_run_group_tests_name("tar_entries", tests, NULL, NULL);
}
