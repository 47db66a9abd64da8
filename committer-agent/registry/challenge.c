#include "committer-agent/registry/challenge.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TOKEN_CHARS "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

static const char *skip_separators(const char *at)
{
    return at + strspn(at, " \t,");
}

/* A token or quoted string into `into`; NULL: malformed, or longer than its place. */
static const char *read_value(const char *at, char *into, size_t size)
{
    size_t used = 0;
    bool quoted = *at == '"';

    if (!quoted) {
        used = strcspn(at, ", \t");
        if (used >= size)
            return NULL;
        memcpy(into, at, used);
        into[used] = '\0';
        return at + used;
    }
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            at++;
        if (used + 1 >= size)
            return NULL;
        into[used++] = *at;
    }
    into[used] = '\0';
    return *at == '"' ? at + 1 : NULL;
}

struct member {
    const char *name;
    char *into;
    size_t size;
};

static struct member member_of(struct challenge *challenge, const char *name, size_t length, char *spare,
                               size_t spare_size)
{
    const struct member members[] = {
        {"realm", challenge->realm, sizeof(challenge->realm)},
        {"service", challenge->service, sizeof(challenge->service)},
        {"scope", challenge->scope, sizeof(challenge->scope)},
        {"error", challenge->error, sizeof(challenge->error)},
    };
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (strlen(members[i].name) == length && strncasecmp(members[i].name, name, length) == 0)
            return members[i];
    return (struct member){"", spare, spare_size};
}

/* Reads name=value pairs until something follows that is no pair: the next scheme. NULL: malformed. */
static const char *read_members(const char *at, struct challenge *challenge)
{
    char spare[1024]; /* members nobody reads: error_description, charset */

    for (;;) {
        const char *name = skip_separators(at);
        size_t length = strspn(name, TOKEN_CHARS);
        const char *equals = skip_blanks(name + length);
        if (length == 0 || *equals != '=')
            return name;
        struct member member = member_of(challenge, name, length, spare, sizeof(spare));
        at = read_value(skip_blanks(equals + 1), member.into, member.size);
        if (!at)
            return NULL;
    }
}

static enum challenge_scheme scheme_of(const char *word, size_t length)
{
    if (length == 5 && strncasecmp(word, "Basic", 5) == 0)
        return CHALLENGE_BASIC;
    if (length == 6 && strncasecmp(word, "Bearer", 6) == 0)
        return CHALLENGE_BEARER;
    return CHALLENGE_NONE;
}

struct challenge challenge_parse(const char *header)
{
    struct challenge best = {0};

    for (const char *at = skip_separators(header ? header : ""); *at;) {
        struct challenge next = {0};
        size_t length = strspn(at, TOKEN_CHARS);
        if (length == 0)
            break; /* what follows is no challenge */
        next.scheme = scheme_of(at, length);
        at = read_members(at + length, &next);
        if (!at)
            break;
        if (next.scheme == CHALLENGE_BEARER && !*next.realm)
            next.scheme = CHALLENGE_NONE;
        if (next.scheme > best.scheme)
            best = next;
    }
    return best;
}
