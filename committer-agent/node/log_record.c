#include "committer-agent/node/log_record.h"

#include <string.h>

#include "shared/base/clock.h"

enum { TIME_MAX_LENGTH = 40, NS_PER_MS = 1000000 };

/* The word up to the next space; NULL when there is none. */
static const char *take_word(const char **at, const char *end, size_t *ret_length)
{
    const char *word = *at;
    const char *space = memchr(word, ' ', (size_t)(end - word));

    if (!space)
        return NULL;
    *ret_length = (size_t)(space - word);
    *at = space + 1;
    return word;
}

/* rfc3339_parse stops at milliseconds; the digits of the fraction below them are read here. */
static int64_t below_ms(const char *text)
{
    const char *dot = strchr(text, '.');
    int64_t ns = 0, scale = 100000000;

    for (const char *c = dot ? dot + 1 : ""; *c >= '0' && *c <= '9' && scale > 0; c++, scale /= 10)
        ns += (*c - '0') * scale;
    return ns % NS_PER_MS;
}

static bool parse_time(const char *word, size_t length, int64_t *ret_unix_ns)
{
    char text[TIME_MAX_LENGTH + 1];
    struct error ignored = {0};
    int64_t unix_ms;

    if (length == 0 || length > TIME_MAX_LENGTH)
        return false;
    memcpy(text, word, length);
    text[length] = '\0';
    if (rfc3339_parse(text, &unix_ms, &ignored) < 0 || unix_ms > INT64_MAX / NS_PER_MS ||
        unix_ms < INT64_MIN / NS_PER_MS + 1)
        return false;
    *ret_unix_ns = unix_ms * NS_PER_MS + below_ms(text);
    return true;
}

static bool word_is(const char *word, size_t length, const char *text)
{
    return length == strlen(text) && memcmp(word, text, length) == 0;
}

/* Tags are separated by ':'; the first one counts. */
static bool parse_tag(const char *word, size_t length, bool *ret_partial)
{
    if (length == 0 || (length > 1 && word[1] != ':') || (word[0] != 'P' && word[0] != 'F'))
        return false;
    *ret_partial = word[0] == 'P';
    return true;
}

/* "time stream tag", each followed by a space (a tag may also end the record: an empty line). */
static bool parse_head(const char **at, const char *end, struct log_record *record)
{
    size_t length;
    const char *word = take_word(at, end, &length);

    if (!word || !parse_time(word, length, &record->time_unix_ns))
        return false;
    word = take_word(at, end, &length);
    if (!word || !(word_is(word, length, "stdout") || word_is(word, length, "stderr")))
        return false;
    record->is_stderr = word_is(word, length, "stderr");
    word = take_word(at, end, &length);
    if (!word) {
        word = *at;
        length = (size_t)(end - word);
        *at = end;
    }
    return parse_tag(word, length, &record->is_partial);
}

bool log_record_parse(const char *line, size_t length, struct log_record *ret_record)
{
    const char *at = line, *end = line + length;
    struct log_record record = {0};

    if (!parse_head(&at, end, &record))
        return false;
    record.text = at;
    record.length = (size_t)(end - at);
    *ret_record = record;
    return true;
}

int log_record_ends_line(const char *head, size_t length)
{
    const char *at = head, *end = head + length;
    const char *newline = memchr(head, '\n', length);
    struct log_record record = {0};

    if (newline)
        end = newline;
    if (!parse_head(&at, end, &record))
        return -1;
    return !record.is_partial;
}
