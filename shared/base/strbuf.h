/* strbuf.h - a growing byte buffer that is always NUL-terminated.
 * The caller owns the storage (init/done); a limit turns hostile growth into a refusal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *bytes; /* never NULL after the first append; NUL-terminated */
    size_t length;
    size_t capacity;
    bool secret;  /* what it held is wiped wherever it was: when it grows, and when it is done */
    size_t limit; /* 0: unbounded; else appends beyond it are refused and leave the buffer as it was */
};

// clang-format off
#define STRBUF_INIT {0}
// clang-format on

void strbuf_done(struct strbuf *buf);
void strbuf_reset(struct strbuf *buf); /* length 0, storage kept */

/* Each answers false when the limit refuses, true otherwise. */
bool strbuf_append(struct strbuf *buf, const void *bytes, size_t length);
bool strbuf_adds(struct strbuf *buf, const char *text);
bool strbuf_addc(struct strbuf *buf, char c);
bool strbuf_addf(struct strbuf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The text so far, "" when empty. Borrowed until the next change. */
const char *strbuf_text(const struct strbuf *buf);

/* Moves the text out as a malloc'ed string and leaves the buffer empty. */
char *strbuf_take(struct strbuf *buf);

#define SCOPED_STRBUF __attribute__((cleanup(strbuf_done)))
