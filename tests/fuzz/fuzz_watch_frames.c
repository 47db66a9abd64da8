/* A watch's stream: however the bytes are cut, the same lines come out; and what is found in them lies inside them. The
 * first byte is the size of the pieces. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/strbuf.h"
#include "snapshot-svc/cluster/kube/frames.h"
#include "snapshot-svc/cluster/kube/scan.h"

enum { LINE_MAX_BYTES = 256 };

static void check_inside(struct json_span outer, struct json_span inner)
{
    FUZZ_CHECK(inner.length > 0);
    FUZZ_CHECK(inner.at >= outer.at && inner.at + inner.length <= outer.at + outer.length);
}

static void check_spans(const char *line, size_t length)
{
    struct json_span frame = {line, length}, object, items, rest, element;
    size_t found = 0;

    if (!json_scan_member(frame, "object", &object))
        return;
    check_inside(frame, object);
    rest = object;
    if (json_scan_member(object, "items", &items)) {
        check_inside(object, items);
        rest = items;
    }
    while (json_scan_element(&rest, &element, NULL)) {
        check_inside(frame, element);
        FUZZ_CHECK(++found <= length);
    }
}

static int note_line(void *self, const char *line, size_t length, struct error *err)
{
    struct strbuf *lines = self;

    (void)err;
    FUZZ_CHECK(length > 0 && length <= LINE_MAX_BYTES);
    check_spans(line, length);
    (void)strbuf_append(lines, line, length);
    (void)strbuf_addc(lines, '\n');
    return 0;
}

static int feed(const char *bytes, size_t length, size_t piece, struct strbuf *lines)
{
    struct frames frames;
    struct error err = {0};
    int result = 0;

    frames_init(&frames, LINE_MAX_BYTES);
    for (size_t at = 0; at < length && result == 0; at += piece)
        result = frames_feed(&frames, bytes + at, length - at < piece ? length - at : piece, note_line, lines,
                             &err);
    FUZZ_CHECK(result == 0 || err.code == ERR_EXHAUSTED);
    frames_done(&frames);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED_STRBUF struct strbuf whole = STRBUF_INIT, pieces = STRBUF_INIT;

    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t piece = data[0] ? data[0] : 1;
    int whole_result = feed(bytes, size - 1, size - 1, &whole),
        piece_result = feed(bytes, size - 1, piece, &pieces);
    FUZZ_CHECK(whole_result == piece_result);
    FUZZ_CHECK(strcmp(strbuf_text(&whole), strbuf_text(&pieces)) == 0);
    strbuf_done(&pieces);
    strbuf_done(&whole);
    return 0;
}
