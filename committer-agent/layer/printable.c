#include "committer-agent/layer/printable.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x7f && c != '\\';
}

/* The start of the longest end of path that fits into room characters once spelled. */
static const char *fitting_end(const char *path, size_t room)
{
    const char *at = path + strlen(path);
    while (at > path) {
        size_t width = is_plain((unsigned char)at[-1]) ? 1 : 4;
        if (width > room)
            break;
        room -= width;
        at--;
    }
    return at;
}

struct printable printable_path(const char *path)
{
    static const char cut[] = "...";
    struct printable ret = {.text = "/"};
    size_t used = 0;

    if (path[0] == '\0')
        return ret;
    const char *at = fitting_end(path, sizeof(ret.text) - 1);
    if (at != path) {
        at = fitting_end(path, sizeof(ret.text) - sizeof(cut));
        memcpy(ret.text, cut, sizeof(cut));
        used = sizeof(cut) - 1;
    }
    for (; *at; at++) {
        unsigned char c = (unsigned char)*at;
        int width = snprintf(ret.text + used, sizeof(ret.text) - used, is_plain(c) ? "%c" : "\\x%02x", c);
        used += (size_t)width;
    }
    return ret;
}
