#include "snapshot-svc/cluster/kube/scan.h"

#include <string.h>

static struct json_span skip_blanks(struct json_span text)
{
    while (text.length > 0 && strchr(" \t\r\n", *text.at) && *text.at)
        text.at++, text.length--;
    return text;
}

static struct json_span behind(struct json_span text, size_t length)
{
    return skip_blanks((struct json_span){text.at + length, text.length - length});
}

static bool starts_with(struct json_span text, char c)
{
    return text.length > 0 && *text.at == c;
}

/* Length of the string literal that text starts with, quotes included; 0: it does not end. */
static size_t string_length(struct json_span text)
{
    for (size_t i = 1; i < text.length; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == '"')
            return i + 1;
    }
    return 0;
}

static size_t nested_length(struct json_span text)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if (c == '"') {
            size_t skipped = string_length((struct json_span){text.at + i, text.length - i});
            if (skipped == 0)
                return 0;
            i += skipped - 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static size_t plain_length(struct json_span text)
{
    size_t length = 0;
    while (length < text.length && text.at[length] && !strchr(",:]}[{\" \t\r\n", text.at[length]))
        length++;
    return length;
}

/* Length of the value that text starts with; 0: there is none, or it does not end. */
static size_t value_length(struct json_span text)
{
    if (starts_with(text, '"'))
        return string_length(text);
    if (starts_with(text, '{') || starts_with(text, '['))
        return nested_length(text);
    return plain_length(text);
}

bool json_scan_member(struct json_span text, const char *name, struct json_span *ret_value)
{
    size_t name_length = strlen(name);

    text = skip_blanks(text);
    if (!starts_with(text, '{'))
        return false;
    text = behind(text, 1);
    while (starts_with(text, '"')) {
        size_t key_length = string_length(text);
        struct json_span key = {text.at + 1, key_length - 2};
        struct json_span value = behind(text, key_length);
        if (key_length == 0 || !starts_with(value, ':'))
            return false;
        value = behind(value, 1);
        size_t length = value_length(value);
        if (length == 0)
            return false;
        if (key.length == name_length && memcmp(key.at, name, name_length) == 0) {
            *ret_value = (struct json_span){value.at, length};
            return true;
        }
        text = behind(value, length);
        if (!starts_with(text, ','))
            return false;
        text = behind(text, 1);
    }
    return false;
}

bool json_scan_element(struct json_span *rest, struct json_span *ret_element, bool *ret_whole)
{
    struct json_span text = skip_blanks(*rest);
    bool at_separator = starts_with(text, '[') || starts_with(text, ',');
    struct json_span element = at_separator ? behind(text, 1) : text;
    size_t length = at_separator ? value_length(element) : 0;

    if (length == 0) {
        if (ret_whole)
            *ret_whole = starts_with(element, ']');
        return false;
    }
    *ret_element = (struct json_span){element.at, length};
    *rest = behind(element, length);
    return true;
}
