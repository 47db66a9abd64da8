#include "snapshot-svc/cluster/local/grammar.h"

#include <string.h>

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool is_dns_label_span(const char *text, size_t length)
{
    if (length == 0 || length > DNS_LABEL_MAX || !is_lower_alnum(text[0]) ||
        !is_lower_alnum(text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_lower_alnum(text[i]) && text[i] != '-')
            return false;
    return true;
}

bool is_dns_label(const char *text)
{
    return is_dns_label_span(text, strlen(text));
}

/* As the API server's: the parts between the dots are not limited to 63 characters each. */
static bool is_dns_subdomain_span(const char *text, size_t length)
{
    if (length == 0 || length > SUBDOMAIN_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool at_edge = i == 0 || i == length - 1 || text[i - 1] == '.' || text[i + 1] == '.';
        if (is_lower_alnum(text[i]))
            continue;
        if (at_edge || (text[i] != '-' && text[i] != '.'))
            return false;
    }
    return true;
}

bool is_dns_subdomain(const char *text)
{
    return is_dns_subdomain_span(text, strlen(text));
}

static bool is_name_part(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > LABEL_VALUE_MAX || !is_alnum(text[0]) || !is_alnum(text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alnum(text[i]) && !strchr("-_.", text[i]))
            return false;
    return true;
}

bool is_label_value(const char *text)
{
    return text[0] == '\0' || is_name_part(text);
}

bool is_qualified_name(const char *text)
{
    const char *slash = strchr(text, '/');
    if (!slash)
        return is_name_part(text);
    return is_dns_subdomain_span(text, (size_t)(slash - text)) && is_name_part(slash + 1);
}
