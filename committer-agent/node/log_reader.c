#include "committer-agent/node/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "committer-agent/node/log_record.h"
#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"

enum { BLOCK_BYTES = 16 << 10 }; /* on the stack of a stream's thread */

struct log_reader {
    int fd;
    off_t offset;           /* of the next byte to read */
    struct strbuf unparsed; /* the beginning of a record whose newline has not come yet */
    bool skipping;          /* a record longer than LOG_RECORD_MAX_BYTES: up to its newline */
    struct {
        struct strbuf text;
        int64_t time_unix_ns;
        bool begun;
    } parts[2]; /* stdout, stderr */
};

/* 1 the record that begins there ends a line, 0 it does not (or is none), -1. */
static int ends_line_at(int fd, off_t offset, struct error *err)
{
    char head[LOG_RECORD_HEAD_MAX_BYTES];
    ssize_t got = pread(fd, head, sizeof(head), offset);

    if (got < 0)
        return error_sys(err, errno, "reading the log");
    return log_record_ends_line(head, (size_t)got) == 1;
}

/* Where the last `lines` lines begin: behind the record that ends the line before them. Walks back block by block and
 * looks only at the records' heads. */
static int find_tail(int fd, off_t end, int64_t lines, off_t *ret_offset, struct error *err)
{
    char block[BLOCK_BYTES];
    off_t record_end = end; /* behind the newline of the record whose beginning is looked for */
    int64_t seen = 0;

    for (off_t block_end = end; block_end > 0;) {
        size_t length = block_end < BLOCK_BYTES ? (size_t)block_end : BLOCK_BYTES;
        off_t block_start = block_end - (off_t)length;
        ssize_t got = pread(fd, block, length, block_start);
        if (got != (ssize_t)length)
            return error_sys(err, got < 0 ? errno : EIO, "reading the log");
        for (size_t i = length; i-- > 0;) {
            off_t begin = block_start + (off_t)i + 1;
            if (block[i] != '\n' || begin >= record_end)
                continue;
            int ends = ends_line_at(fd, begin, err);
            if (ends < 0)
                return -1;
            if (ends && ++seen > lines) {
                *ret_offset = record_end;
                return 0;
            }
            record_end = begin;
        }
        block_end = block_start;
    }
    int ends = end > 0 ? ends_line_at(fd, 0, err) : 0;
    if (ends < 0)
        return -1;
    *ret_offset = ends && seen + 1 > lines ? record_end : 0;
    return 0;
}

int log_reader_open(const char *path, int64_t tail_lines, struct log_reader **ret_reader, struct error *err)
{
    SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    off_t offset = 0;

    if (fd < 0)
        return error_sys(err, errno, "opening %s", path);
    if (fstat(fd, &st) < 0)
        return error_sys(err, errno, "looking at %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INVALID, "%s: want a regular file", path);
    if (tail_lines > 0 && find_tail(fd, st.st_size, tail_lines, &offset, err) < 0)
        return error_wrap(err, "%s", path);

    struct log_reader *reader = xcalloc(1, sizeof(*reader));
    reader->fd = TAKE_FD(fd);
    reader->offset = offset;
    reader->unparsed.limit = LOG_RECORD_MAX_BYTES;
    *ret_reader = reader;
    return 0;
}

void log_reader_free(struct log_reader *reader)
{
    if (!reader)
        return;
    fd_freep(&reader->fd);
    strbuf_done(&reader->unparsed);
    strbuf_done(&reader->parts[0].text);
    strbuf_done(&reader->parts[1].text);
    free(reader);
}

static int emit(struct log_reader *reader, bool is_stderr, const struct log_sink *sink, struct error *err)
{
    struct strbuf *text = &reader->parts[is_stderr].text;
    struct log_line line = {.time_unix_ns = reader->parts[is_stderr].time_unix_ns,
                            .is_stderr = is_stderr,
                            .text = strbuf_text(text),
                            .length = text->length};
    int result = sink->line(sink->self, &line, err);

    strbuf_reset(text);
    reader->parts[is_stderr].begun = false;
    return result;
}

static int take_record(struct log_reader *reader, const struct log_record *record,
                       const struct log_sink *sink, struct error *err)
{
    struct strbuf *text = &reader->parts[record->is_stderr].text;

    if (text->length > 0 && text->length + record->length > LOG_LINE_MAX_BYTES &&
        emit(reader, record->is_stderr, sink, err) < 0)
        return -1;
    if (!reader->parts[record->is_stderr].begun) {
        reader->parts[record->is_stderr].begun = true;
        reader->parts[record->is_stderr].time_unix_ns = record->time_unix_ns;
    }
    strbuf_append(text, record->text, record->length);
    return record->is_partial ? 0 : emit(reader, record->is_stderr, sink, err);
}

static int take_line(struct log_reader *reader, const struct log_sink *sink, struct error *err)
{
    struct log_record record;
    bool understood = !reader->skipping &&
                      log_record_parse(strbuf_text(&reader->unparsed), reader->unparsed.length, &record);
    int result = understood ? take_record(reader, &record, sink, err) : 0;

    reader->skipping = false;
    strbuf_reset(&reader->unparsed);
    return result;
}

static int take_block(struct log_reader *reader, const char *bytes, size_t length,
                      const struct log_sink *sink, struct error *err)
{
    while (length > 0) {
        const char *newline = memchr(bytes, '\n', length);
        size_t piece = newline ? (size_t)(newline - bytes) : length;
        if (!reader->skipping && !strbuf_append(&reader->unparsed, bytes, piece))
            reader->skipping = true;
        if (!newline)
            return 0;
        if (take_line(reader, sink, err) < 0)
            return -1;
        bytes += piece + 1;
        length -= piece + 1;
    }
    return 0;
}

int log_reader_drain(struct log_reader *reader, const struct log_sink *sink, struct error *err)
{
    char block[BLOCK_BYTES];

    for (;;) {
        ssize_t got = pread(reader->fd, block, sizeof(block), reader->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_sys(err, errno, "reading the log");
        if (got == 0)
            return 0;
        reader->offset += got;
        if (take_block(reader, block, (size_t)got, sink, err) < 0)
            return -1;
    }
}

int log_reader_finish(struct log_reader *reader, const struct log_sink *sink, struct error *err)
{
    for (int stream = 0; stream < 2; stream++)
        if (reader->parts[stream].begun && emit(reader, stream, sink, err) < 0)
            return -1;
    return 0;
}
