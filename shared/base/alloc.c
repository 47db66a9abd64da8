#include "shared/base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *memory)
{
    if (!memory) {
        static const char last_words[] = "fatal: out of memory\n";
        (void)fwrite(last_words, 1, sizeof(last_words) - 1, stderr);
        abort();
    }
    return memory;
}

void *xcalloc(size_t count, size_t size)
{
    return or_die(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc_array(void *old, size_t count, size_t size)
{
    return or_die(reallocarray(old, count ? count : 1, size ? size : 1));
}

char *xstrdup(const char *text)
{
    return or_die(strdup(text ? text : ""));
}

char *xstrndup(const char *text, size_t length)
{
    return or_die(strndup(text, length));
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int length = vasprintf(&text, fmt, args);
    va_end(args);
    return or_die(length < 0 ? NULL : text);
}
