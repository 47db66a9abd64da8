#include "committer-agent/layer/compress.h"

#include <zlib.h>
#include <zstd.h>

#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "tests/unit/testing.h"

static int collect(void *arg, const void *bytes, size_t length, struct error *err)
{
    (void)err;
    assert_true(strbuf_append(arg, bytes, length));
    return 0;
}

static int refuse(void *arg, const void *bytes, size_t length, struct error *err)
{
    (void)arg;
    (void)bytes;
    (void)length;
    return error_set(err, ERR_EXHAUSTED, "no room here");
}

/* Half text-like, half noise; the same for the same seed. */
static void fill(unsigned char *bytes, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        bytes[i] = i / 4096 % 2 ? (unsigned char)(seed >> 56) : "the quick brown fox "[i % 20];
    }
}

static void squeeze(const struct compress_options *options, const unsigned char *bytes, size_t length,
                    size_t step, struct strbuf *ret_output)
{
    SCOPED(compressor) struct compressor *compressor = NULL;
    const struct byte_sink sink = {.write = collect, .arg = ret_output};
    struct error err = {0};

    assert_ok(compressor_new(options, &compressor, &err), &err);
    for (size_t at = 0; at < length; at += step)
        assert_ok(
            compressor_write(compressor, bytes + at, length - at < step ? length - at : step, sink, &err),
            &err);
    assert_ok(compressor_finish(compressor, sink, &err), &err);
}

/* By the libraries' one-shot functions, which share nothing with the streaming loop. */
static size_t decompress(enum layer_compression compression, const struct strbuf *input,
                         unsigned char *ret_bytes, size_t room)
{
    if (compression == LAYER_ZSTD) {
        ZSTD_DCtx *zstd = ZSTD_createDCtx();
        size_t got = ZSTD_decompressDCtx(zstd, ret_bytes, room, input->bytes, input->length);
        ZSTD_freeDCtx(zstd);
        assert_false(ZSTD_isError(got));
        return got;
    }
    if (compression == LAYER_GZIP) {
        z_stream stream = {.next_in = (unsigned char *)input->bytes,
                           .avail_in = (unsigned)input->length,
                           .next_out = ret_bytes,
                           .avail_out = (unsigned)room};
        assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
        assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
        assert_int_equal(stream.avail_in, 0);
        assert_int_equal(inflateEnd(&stream), Z_OK);
        return room - stream.avail_out;
    }
    memcpy(ret_bytes, input->bytes, input->length);
    return input->length;
}

static void decompressing_gives_back_the_bytes(void **state)
{
    static const size_t lengths[] = {0, 1, 511, 4096, 262143, 262144, 262145, 3000000};

    (void)state;
    for (int c = 0; c < LAYER_COMPRESSION_MAX; c++)
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            const struct compress_options options = {.compression = (enum layer_compression)c, .threads = 2};
            SCOPED(memory)
            unsigned char *bytes = xcalloc(1, lengths[i] + 1), *again = xcalloc(1, lengths[i] + 1);
            SCOPED_STRBUF struct strbuf output = STRBUF_INIT;
            fill(bytes, lengths[i], i);
            (void)strbuf_adds(&output, "");
            squeeze(&options, bytes, lengths[i], 100000, &output);
            assert_int_equal(decompress(options.compression, &output, again, lengths[i] + 1), lengths[i]);
            assert_memory_equal(bytes, again, lengths[i] + 1);
        }
}

static void the_sizes_of_writes_do_not_matter(void **state)
{
    enum { LENGTH = 2500000 };
    SCOPED(memory) unsigned char *bytes = xcalloc(1, LENGTH);

    (void)state;
    fill(bytes, LENGTH, 7);
    for (int c = 0; c < LAYER_COMPRESSION_MAX; c++)
        for (unsigned threads = 0; threads < 3; threads++) {
            const struct compress_options options = {.compression = (enum layer_compression)c,
                                                     .threads = threads};
            SCOPED_STRBUF struct strbuf large = STRBUF_INIT, small = STRBUF_INIT;
            squeeze(&options, bytes, LENGTH, LENGTH, &large);
            squeeze(&options, bytes, LENGTH, 3331, &small);
            assert_int_equal(large.length, small.length);
            assert_memory_equal(large.bytes, small.bytes, large.length);
        }
}

static void the_number_of_zstd_workers_does_not_matter(void **state)
{
    enum { LENGTH = 9000000 };
    SCOPED(memory) unsigned char *bytes = xcalloc(1, LENGTH);
    SCOPED_STRBUF struct strbuf one = STRBUF_INIT, three = STRBUF_INIT;

    (void)state;
    fill(bytes, LENGTH, 8);
    squeeze(&(struct compress_options){.compression = LAYER_ZSTD, .threads = 1}, bytes, LENGTH, 262144, &one);
    squeeze(&(struct compress_options){.compression = LAYER_ZSTD, .threads = 3}, bytes, LENGTH, 262144,
            &three);
    assert_int_equal(one.length, three.length);
    assert_memory_equal(one.bytes, three.bytes, one.length);
}

static void a_sink_that_fails_ends_the_write(void **state)
{
    static unsigned char bytes[1 << 20];

    (void)state;
    fill(bytes, sizeof(bytes), 9);
    for (int c = 0; c < LAYER_COMPRESSION_MAX; c++) {
        SCOPED(compressor) struct compressor *compressor = NULL;
        const struct compress_options options = {.compression = (enum layer_compression)c};
        const struct byte_sink sink = {.write = refuse};
        struct error err = {0};
        assert_ok(compressor_new(&options, &compressor, &err), &err);
        assert_fails(compressor_write(compressor, bytes, sizeof(bytes), sink, &err), &err, ERR_EXHAUSTED,
                     "no room");
    }
}

static void names_and_media_types_are_those_of_the_specification(void **state)
{
    (void)state;
    for (int c = 0; c < LAYER_COMPRESSION_MAX; c++) {
        enum layer_compression parsed;
        struct error err = {0};
        assert_ok(layer_compression_parse(layer_compression_name((enum layer_compression)c), &parsed, &err),
                  &err);
        assert_int_equal(parsed, c);
    }
    assert_string_equal(layer_media_type(LAYER_ZSTD), "application/vnd.oci.image.layer.v1.tar+zstd");
    assert_string_equal(layer_media_type(LAYER_GZIP), "application/vnd.oci.image.layer.v1.tar+gzip");
    assert_string_equal(layer_media_type(LAYER_NONE), "application/vnd.oci.image.layer.v1.tar");
}

static void what_does_not_exist_is_refused_with_what_does(void **state)
{
    static const struct compress_options wrong[] = {{.compression = LAYER_ZSTD, .level = 20},
                                                    {.compression = LAYER_ZSTD, .level = -1},
                                                    {.compression = LAYER_GZIP, .level = 10},
                                                    {.compression = LAYER_ZSTD, .threads = 1000}};
    enum layer_compression compression;
    struct compressor *compressor = NULL;
    struct error err = {0};

    (void)state;
    assert_fails(layer_compression_parse("lz4", &compression, &err), &err, ERR_INVALID,
                 "want zstd, gzip or none");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_fails(compressor_new(&wrong[i], &compressor, &err), &err, ERR_INVALID, "want");
    assert_null(compressor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decompressing_gives_back_the_bytes),
        cmocka_unit_test(the_sizes_of_writes_do_not_matter),
        cmocka_unit_test(the_number_of_zstd_workers_does_not_matter),
        cmocka_unit_test(a_sink_that_fails_ends_the_write),
        cmocka_unit_test(names_and_media_types_are_those_of_the_specification),
        cmocka_unit_test(what_does_not_exist_is_refused_with_what_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
