#include "committer-agent/image/reference.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"

enum { TEXT_MAX = REFERENCE_NAME_MAX + 1 + REFERENCE_TAG_MAX + 1 + (int)DIGEST_TEXT_SIZE };

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* How many characters of a separator start here: ".", "_", "__" or any number of "-"; 0: none. */
static size_t separator_length(const char *at)
{
    if (*at == '-')
        return strspn(at, "-");
    if (*at == '.')
        return 1;
    if (*at == '_')
        return at[1] == '_' ? 2 : 1;
    return 0;
}

/* [a-z0-9]+ joined by separators, segments joined by '/' */
static bool repository_is_valid(const char *at)
{
    for (;;) {
        const char *start = at;
        while (is_lower_or_digit(*at))
            at++;
        if (at == start)
            return false;
        if (!*at)
            return true;
        size_t separator = *at == '/' ? 1 : separator_length(at);
        if (separator == 0)
            return false;
        at += separator;
    }
}

static bool tag_is_valid(const char *tag)
{
    size_t length = strlen(tag);
    if (length == 0 || length > REFERENCE_TAG_MAX || !is_word(*tag))
        return false;
    for (const char *c = tag; *c; c++)
        if (!is_word(*c) && *c != '.' && *c != '-')
            return false;
    return true;
}

static bool port_is_valid(const char *port)
{
    size_t length = strlen(port);
    if (length < 1 || length > 5 || strspn(port, "0123456789") != length)
        return false;
    long number = strtol(port, NULL, 10); /* five digits at most */
    return number >= 1 && number <= 65535;
}

static bool ipv6_host_is_valid(const char *host)
{
    size_t inside = strspn(host + 1, "0123456789abcdefABCDEF:.");
    const char *end = host + 1 + inside;
    return inside >= 2 && *end == ']' && (!end[1] || (end[1] == ':' && port_is_valid(end + 2)));
}

static bool host_is_valid(const char *host)
{
    if (*host == '[')
        return ipv6_host_is_valid(host);
    const char *at = host;
    for (;;) {
        const char *start = at;
        while (isalnum((unsigned char)*at) || *at == '-')
            at++;
        if (at == start || *start == '-' || at[-1] == '-')
            return false;
        if (*at != '.')
            break;
        at++;
    }
    return !*at || (*at == ':' && port_is_valid(at + 1));
}

static int refuse(struct error *err, const char *text, const char *rule)
{
    (void)error_set(err, ERR_INVALID, "image reference \"%.120s\": %s", text, rule);
    return error_reason(err, "InvalidImageReference");
}

static bool is_host(const char *segment)
{
    return strpbrk(segment, ".:") || strcmp(segment, "localhost") == 0;
}

/* Cuts name into host and repository, filling in what docker leaves out. */
static bool split_name(char *name, struct reference *reference)
{
    const char *host = "docker.io", *repository = name, *prefix = "";
    char *slash = strchr(name, '/');

    if (slash) {
        *slash = '\0';
        if (is_host(name)) {
            host = strcmp(name, "index.docker.io") == 0 ? "docker.io" : name;
            repository = slash + 1;
        } else {
            *slash = '/';
        }
    }
    if (strcmp(host, "docker.io") == 0 && !strchr(repository, '/'))
        prefix = "library/";
    int host_length = snprintf(reference->host, sizeof(reference->host), "%s", host);
    int repository_length =
        snprintf(reference->repository, sizeof(reference->repository), "%s%s", prefix, repository);
    return host_length + 1 + repository_length <= REFERENCE_NAME_MAX;
}

int reference_parse(const char *text, struct reference *ret_reference, struct error *err)
{
    struct reference reference = {0};
    char name[TEXT_MAX + 1];

    if (!*text)
        return refuse(err, text, "want [host[:port]/]repository[:tag][@sha256:...], got nothing");
    if (strlen(text) > TEXT_MAX)
        return refuse(err, text, "longer than a reference can be");
    (void)snprintf(name, sizeof(name), "%s", text);

    char *at = strchr(name, '@');
    if (at) {
        *at = '\0';
        if (digest_parse(at + 1, &reference.digest, err) < 0)
            return refuse(err, text, "want sha256: and 64 lowercase hex digits behind the @");
    }
    char *colon = strrchr(name, ':');
    if (colon && !strchr(colon, '/')) {
        *colon = '\0';
        if (!tag_is_valid(colon + 1))
            return refuse(err, text,
                          "want a tag of at most 128 letters, digits, _, . and -, not starting with . or -");
        (void)snprintf(reference.tag, sizeof(reference.tag), "%s", colon + 1);
    }
    if (!split_name(name, &reference))
        return refuse(err, text, "host and repository are longer than 255 characters");
    if (!host_is_valid(reference.host))
        return refuse(err, text, "the part before the first / is no host[:port]");
    if (!repository_is_valid(reference.repository))
        return refuse(
            err, text,
            "want a repository of lowercase letters and digits, joined by single / . _ or by __ or -");
    *ret_reference = reference;
    return 0;
}

char *reference_text(const struct reference *reference)
{
    bool has_tag = *reference->tag, has_digest = digest_is_set(&reference->digest);
    return xasprintf("%s/%s%s%s%s%s", reference->host, reference->repository, has_tag ? ":" : "",
                     reference->tag, has_digest ? "@" : "", has_digest ? reference->digest.text : "");
}

const char *reference_target(const struct reference *reference)
{
    if (digest_is_set(&reference->digest))
        return reference->digest.text;
    return *reference->tag ? reference->tag : NULL;
}
