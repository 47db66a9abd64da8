#include "lifecycle-svc/sandbox/labels.h"

#include <stdbool.h>
#include <string.h>

#include "lifecycle-svc/sandbox/contract_code.h"

enum { MAX_NAME = 63, MAX_PREFIX = 253 };

/* Not isalnum(): the grammar is ASCII whatever the locale. */
static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* ^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$ over exactly `length` characters, 1 to 63. */
static bool is_name(const char *text, size_t length)
{
    if (length == 0 || length > MAX_NAME || !is_alnum(text[0]) || !is_alnum(text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alnum(text[i]) && !(text[i] == '-' || text[i] == '_' || text[i] == '.'))
            return false;
    return true;
}

static bool is_dns_part(const char *text, size_t length)
{
    if (length == 0 || !is_lower_alnum(text[0]) || !is_lower_alnum(text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_lower_alnum(text[i]) && text[i] != '-')
            return false;
    return true;
}

bool is_dns_label(const char *text, size_t max)
{
    size_t length = strlen(text);

    return length <= max && is_dns_part(text, length);
}

static bool is_dns_subdomain(const char *text, size_t length)
{
    if (length > MAX_PREFIX)
        return false;
    for (size_t begin = 0; begin <= length;) {
        const char *dot = memchr(text + begin, '.', length - begin);
        size_t end = dot ? (size_t)(dot - text) : length;

        if (!is_dns_part(text + begin, end - begin))
            return false;
        begin = end + 1;
    }
    return true;
}

static int check_key(const char *key, struct error *err)
{
    const char *slash = strchr(key, '/');
    const char *name = slash ? slash + 1 : key;

    if (strncmp(key, RESERVED_LABEL_PREFIX, strlen(RESERVED_LABEL_PREFIX)) == 0)
        return refuse(err, CODE_INVALID_METADATA_LABEL, "metadata key \"%.80s\": the prefix %s is reserved",
                      key, RESERVED_LABEL_PREFIX);
    if (slash && !is_dns_subdomain(key, (size_t)(slash - key)))
        return refuse(
            err, CODE_INVALID_METADATA_LABEL,
            "metadata key \"%.80s\": want a DNS subdomain of at most %d characters before the slash", key,
            MAX_PREFIX);
    if (!is_name(name, strlen(name)))
        return refuse(
            err, CODE_INVALID_METADATA_LABEL,
            "metadata key \"%.80s\": want 1 to %d letters, digits, '-', '_' or '.', with a letter or digit "
            "at both ends",
            key, MAX_NAME);
    return 0;
}

int metadata_check(const struct json_map *metadata, struct error *err)
{
    for (size_t i = 0; i < metadata->count; i++) {
        const char *key = metadata->pairs[i].key, *value = metadata->pairs[i].value;

        if (!value)
            continue;
        if (check_key(key, err) < 0)
            return -1;
        if (*value && !is_name(value, strlen(value)))
            return refuse(
                err, CODE_INVALID_METADATA_LABEL,
                "metadata value of \"%.80s\": want nothing, or at most %d letters, digits, '-', '_' or '.' "
                "with a letter or digit at both ends",
                key, MAX_NAME);
    }
    return 0;
}
