#include "shared/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

static void drop_storage(struct strbuf *buf)
{
    if (buf->secret && buf->bytes)
        explicit_bzero(buf->bytes, buf->capacity);
    free(buf->bytes);
}

void strbuf_done(struct strbuf *buf)
{
    drop_storage(buf);
    *buf = (struct strbuf)STRBUF_INIT;
}

void strbuf_reset(struct strbuf *buf)
{
    buf->length = 0;
    if (buf->bytes)
        buf->bytes[0] = '\0';
}

static void grow(struct strbuf *buf, size_t capacity)
{
    if (buf->secret) {
        char *bytes = xcalloc(1, capacity); /* realloc would leave the old place as it is */
        if (buf->bytes)
            memcpy(bytes, buf->bytes, buf->length + 1);
        drop_storage(buf);
        buf->bytes = bytes;
    } else {
        buf->bytes = xrealloc_array(buf->bytes, capacity, 1);
    }
    buf->capacity = capacity;
}

static bool reserve(struct strbuf *buf, size_t more)
{
    if (buf->limit && (more > buf->limit || buf->length > buf->limit - more))
        return false;
    size_t need = buf->length + more + 1;
    if (need <= buf->capacity)
        return true;
    size_t capacity = buf->capacity ? buf->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    grow(buf, capacity);
    return true;
}

bool strbuf_append(struct strbuf *buf, const void *bytes, size_t length)
{
    if (!reserve(buf, length))
        return false;
    if (length)
        memcpy(buf->bytes + buf->length, bytes, length);
    buf->length += length;
    buf->bytes[buf->length] = '\0';
    return true;
}

bool strbuf_adds(struct strbuf *buf, const char *text)
{
    return strbuf_append(buf, text, strlen(text));
}

bool strbuf_addc(struct strbuf *buf, char c)
{
    return strbuf_append(buf, &c, 1);
}

bool strbuf_addf(struct strbuf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    bool fits = length >= 0 && reserve(buf, (size_t)length);
    if (fits) {
        (void)vsnprintf(buf->bytes + buf->length, (size_t)length + 1, fmt, again);
        buf->length += (size_t)length;
    }
    va_end(again);
    return fits;
}

const char *strbuf_text(const struct strbuf *buf)
{
    return buf->bytes ? buf->bytes : "";
}

char *strbuf_take(struct strbuf *buf)
{
    char *text = buf->bytes ? buf->bytes : xstrdup("");
    *buf = (struct strbuf){.limit = buf->limit, .secret = buf->secret};
    return text;
}
