#include "snapshot-svc/cluster/kube/frames.h"

#include <string.h>

void frames_init(struct frames *frames, size_t max_length)
{
    *frames = (struct frames){.max_length = max_length, .line = {.limit = max_length}};
}

void frames_done(struct frames *frames)
{
    strbuf_done(&frames->line);
}

static int too_long(const struct frames *frames, struct error *err)
{
    return error_set(err, ERR_EXHAUSTED, "a line of the answer is longer than %zu bytes", frames->max_length);
}

static int tell(const char *line, size_t length, frames_each *each, void *self, struct error *err)
{
    if (length > 0 && line[length - 1] == '\r')
        length--;
    return length > 0 ? each(self, line, length, err) : 0;
}

/* The piece ends the line. One that came in one piece is told where it is. */
static int end_line(struct frames *frames, const char *piece, size_t length, frames_each *each, void *self,
                    struct error *err)
{
    if (frames->line.length == 0)
        return length > frames->max_length ? too_long(frames, err) : tell(piece, length, each, self, err);
    if (!strbuf_append(&frames->line, piece, length))
        return too_long(frames, err);
    int result = tell(frames->line.bytes, frames->line.length, each, self, err);
    strbuf_reset(&frames->line);
    return result;
}

int frames_feed(struct frames *frames, const char *bytes, size_t length, frames_each *each, void *self,
                struct error *err)
{
    const char *newline;

    while (length > 0 && (newline = memchr(bytes, '\n', length))) {
        size_t piece = (size_t)(newline - bytes);
        if (end_line(frames, bytes, piece, each, self, err) < 0)
            return -1;
        bytes += piece + 1;
        length -= piece + 1;
    }
    return strbuf_append(&frames->line, bytes, length) ? 0 : too_long(frames, err);
}
