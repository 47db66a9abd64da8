#include "committer-agent/layer/compress.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#define ZLIB_CONST /* its input pointer is to const bytes */
#include <zlib.h>
#include <zstd.h>

#include "shared/base/alloc.h"

#define OUTPUT_BYTES ((size_t)256 << 10)
#define THREADS_MAX  64

/* clang-format off */
static const struct {
    const char *name, *media_type;
    int level_default, level_max;
} encodings[] = {
    [LAYER_ZSTD] = {"zstd", "application/vnd.oci.image.layer.v1.tar+zstd", 1, 19},
    [LAYER_GZIP] = {"gzip", "application/vnd.oci.image.layer.v1.tar+gzip", 1, 9},
    [LAYER_NONE] = {"none", "application/vnd.oci.image.layer.v1.tar",      0, 0},
};
/* clang-format on */
_Static_assert(sizeof(encodings) / sizeof(encodings[0]) == LAYER_COMPRESSION_MAX, "every encoding has a row");

struct compressor {
    enum layer_compression compression;
    ZSTD_CCtx *zstd;
    z_stream gzip;
    bool gzip_ready;
    unsigned char *output; /* OUTPUT_BYTES of it */
};

const char *layer_compression_name(enum layer_compression compression)
{
    return encodings[compression].name;
}

const char *layer_media_type(enum layer_compression compression)
{
    return encodings[compression].media_type;
}

int layer_compression_parse(const char *name, enum layer_compression *ret_compression, struct error *err)
{
    for (int i = 0; i < LAYER_COMPRESSION_MAX; i++)
        if (strcmp(encodings[i].name, name) == 0) {
            *ret_compression = (enum layer_compression)i;
            return 0;
        }
    return error_set(err, ERR_INVALID, "compression \"%.40s\": want zstd, gzip or none", name);
}

static int zstd_error(struct error *err, size_t code)
{
    return error_set(err, ERR_INTERNAL, "zstd: %s", ZSTD_getErrorName(code));
}

static int zstd_begin(struct compressor *compressor, int level, unsigned threads, struct error *err)
{
    compressor->zstd = ZSTD_createCCtx();
    if (!compressor->zstd)
        return error_set(err, ERR_EXHAUSTED, "zstd: no memory for a compressor");
    size_t code = ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(code) && threads > 0)
        code = ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_nbWorkers, (int)threads);
    return ZSTD_isError(code) ? zstd_error(err, code) : 0;
}

static int gzip_begin(struct compressor *compressor, int level, struct error *err)
{
    enum { WINDOW_BITS_AND_GZIP_WRAPPER = 15 + 16, MEMORY_LEVEL = 9 };

    if (deflateInit2(&compressor->gzip, level, Z_DEFLATED, WINDOW_BITS_AND_GZIP_WRAPPER, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return error_set(err, ERR_EXHAUSTED, "gzip: no memory for a compressor");
    compressor->gzip_ready = true;
    return 0;
}

int compressor_new(const struct compress_options *options, struct compressor **ret_compressor,
                   struct error *err)
{
    SCOPED(compressor)
    struct compressor *compressor = xcalloc(1, sizeof(*compressor));
    int level = options->level ? options->level : encodings[options->compression].level_default;
    int answer = 0;

    if (options->compression != LAYER_NONE &&
        (level < 0 || level > encodings[options->compression].level_max))
        return error_set(err, ERR_INVALID, "%s level %d: want 1 to %d, or 0 for the default",
                         encodings[options->compression].name, level,
                         encodings[options->compression].level_max);
    if (options->threads > THREADS_MAX)
        return error_set(err, ERR_INVALID, "%u compression threads: want at most %d", options->threads,
                         THREADS_MAX);

    compressor->compression = options->compression;
    compressor->output = xcalloc(1, OUTPUT_BYTES);
    switch (options->compression) {
    case LAYER_ZSTD:
        answer = zstd_begin(compressor, level, options->threads, err);
        break;
    case LAYER_GZIP:
        answer = gzip_begin(compressor, level, err);
        break;
    case LAYER_NONE:
    case LAYER_COMPRESSION_MAX:
        break;
    }
    if (answer == 0)
        *ret_compressor = TAKE(compressor);
    return answer;
}

void compressor_free(struct compressor *compressor)
{
    if (!compressor)
        return;
    ZSTD_freeCCtx(compressor->zstd);
    if (compressor->gzip_ready)
        (void)deflateEnd(
            &compressor->gzip); /* complains about a stream cut short, which is what this is for */
    free(compressor->output);
    free(compressor);
}

static int zstd_run(struct compressor *compressor, const void *bytes, size_t length,
                    ZSTD_EndDirective directive, struct byte_sink sink, struct error *err)
{
    ZSTD_inBuffer in = {.src = bytes, .size = length};

    for (;;) {
        ZSTD_outBuffer out = {.dst = compressor->output, .size = OUTPUT_BYTES};
        size_t left = ZSTD_compressStream2(compressor->zstd, &out, &in, directive);
        if (ZSTD_isError(left))
            return zstd_error(err, left);
        if (out.pos > 0 && sink.write(sink.arg, compressor->output, out.pos, err) < 0)
            return -1;
        if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size)
            return 0;
    }
}

static int gzip_run(struct compressor *compressor, const void *bytes, size_t length, int flush,
                    struct byte_sink sink, struct error *err)
{
    z_stream *stream = &compressor->gzip;

    assert(length <= UINT_MAX);
    stream->next_in = bytes;
    stream->avail_in = (unsigned)length;
    do {
        stream->next_out = compressor->output;
        stream->avail_out = (unsigned)OUTPUT_BYTES;
        int code = deflate(stream, flush);
        if (code == Z_STREAM_ERROR)
            return error_set(err, ERR_INTERNAL, "gzip: stream state is inconsistent");
        size_t ready = OUTPUT_BYTES - stream->avail_out;
        if (ready > 0 && sink.write(sink.arg, compressor->output, ready, err) < 0)
            return -1;
    } while (stream->avail_out == 0);
    return 0;
}

int compressor_write(struct compressor *compressor, const void *bytes, size_t length, struct byte_sink sink,
                     struct error *err)
{
    if (length == 0)
        return 0;
    switch (compressor->compression) {
    case LAYER_ZSTD:
        return zstd_run(compressor, bytes, length, ZSTD_e_continue, sink, err);
    case LAYER_GZIP:
        return gzip_run(compressor, bytes, length, Z_NO_FLUSH, sink, err);
    case LAYER_NONE:
    case LAYER_COMPRESSION_MAX:
        break;
    }
    return sink.write(sink.arg, bytes, length, err);
}

int compressor_finish(struct compressor *compressor, struct byte_sink sink, struct error *err)
{
    switch (compressor->compression) {
    case LAYER_ZSTD:
        return zstd_run(compressor, NULL, 0, ZSTD_e_end, sink, err);
    case LAYER_GZIP:
        return gzip_run(compressor, NULL, 0, Z_FINISH, sink, err);
    case LAYER_NONE:
    case LAYER_COMPRESSION_MAX:
        break;
    }
    return 0;
}
