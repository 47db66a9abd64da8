#include "snapshot-svc/model/names.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/digest.h"
#include "shared/base/strbuf.h"

enum {
    OBJECT_NAME_MAX = 253, /* a DNS subdomain */
    LABEL_VALUE_MAX = 63,
    REPOSITORY_MAX = 255,     /* registry host and path, as registries and runtimes allow */
    REPOSITORY_PART_MIN = 32, /* what the registry prefix must leave for the sandbox's part */
    TAG_MAX = 128,
    HASH_DIGITS = 10, /* of a name that was cut: 40 bits, within one namespace */
    PUBLIC_ID_DIGITS = 32,
};

#define PUBLIC_NAME_PREFIX "osb-snap-"

/* The hex digits of a digest's text. */
static const char *hex_of(const struct digest *digest)
{
    return digest->text + strlen("sha256:");
}

/* text itself while it fits, else its beginning, '-' and a hash of all of it. */
static char *shortened(const char *text, size_t max)
{
    const size_t length = strlen(text);
    if (length <= max)
        return xstrdup(text);

    const struct digest digest = digest_of(text, length);
    size_t kept = max - HASH_DIGITS - 1;
    while (kept > 1 && !isalnum((unsigned char)text[kept - 1]))
        kept--; /* no "--" or ".-" at the seam */
    return xasprintf("%.*s-%.*s", (int)kept, text, HASH_DIGITS, hex_of(&digest));
}

static char *with_suffix_within(const char *name, const char *suffix, size_t max)
{
    SCOPED(string)
    char *stem = shortened(name, max - strlen(suffix));
    return xasprintf("%s%s", stem, suffix);
}

static char *with_suffix(const char *name, const char *suffix)
{
    return with_suffix_within(name, suffix, OBJECT_NAME_MAX);
}

char *name_pod(const char *sandbox, int32_t index)
{
    SCOPED(string)
    char *suffix = xasprintf("-%d", (int)index);
    return with_suffix(sandbox, suffix);
}

char *name_pool_pod(const char *pool, const char *pool_uid, uint32_t number)
{
    /* Those that Kubernetes generates names of: no vowels, so no words. */
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    SCOPED(string) char *seed = xasprintf("%s/%" PRIu32, pool_uid, number);
    const struct digest digest = digest_of(seed, strlen(seed));
    char suffix[6] = "";

    for (size_t i = 0; i < 5; i++)
        suffix[i] = letters[digest.bytes[i] % (sizeof(letters) - 1)];
    return xasprintf("%.57s-%s", pool, suffix);
}

char *name_internal_snapshot(const char *sandbox)
{
    return with_suffix(sandbox, "-pause");
}

char *name_commit_job(const char *snapshot)
{
    return with_suffix_within(snapshot, "-commit", LABEL_VALUE_MAX);
}

char *name_unpause_job(const char *snapshot)
{
    return with_suffix_within(snapshot, "-unpause", LABEL_VALUE_MAX);
}

char *name_label_value(const char *name)
{
    return shortened(name, LABEL_VALUE_MAX);
}

int64_t pause_cycle_parse(const char *text)
{
    char *end = NULL;

    if (!text)
        return 0;
    errno = 0;
    long long cycle = strtoll(text, &end, 10);
    return errno || end == text || *end || cycle < 1 || cycle == INT64_MAX ? -1 : cycle;
}

char *tag_internal(int64_t cycle)
{
    return xasprintf("snap-gen%lld", (long long)cycle);
}

static bool is_hex_id(const char *text)
{
    return strlen(text) == PUBLIC_ID_DIGITS && strspn(text, "0123456789abcdef") == PUBLIC_ID_DIGITS;
}

char *tag_public(const char *snapshot_name)
{
    const size_t prefix = strlen(PUBLIC_NAME_PREFIX);

    if (strncmp(snapshot_name, PUBLIC_NAME_PREFIX, prefix) == 0 && is_hex_id(snapshot_name + prefix))
        return xasprintf("snap-%s", snapshot_name + prefix);
    const struct digest digest = digest_of(snapshot_name, strlen(snapshot_name));
    return xasprintf("snap-%.*s", PUBLIC_ID_DIGITS, hex_of(&digest));
}

/* Writes the digits of a UUID without its hyphens, lowercase; false: it is none. */
static bool uuid_digits(const char *id, char out[PUBLIC_ID_DIGITS + 1])
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t digits = 0;

    if (strlen(id) != strlen(shape))
        return false;
    for (size_t i = 0; shape[i]; i++) {
        if (shape[i] == '-' ? id[i] != '-' : !isxdigit((unsigned char)id[i]))
            return false;
        if (shape[i] != '-')
            out[digits++] = (char)tolower((unsigned char)id[i]);
    }
    out[digits] = '\0';
    return true;
}

char *name_public_snapshot(const char *id)
{
    char digits[PUBLIC_ID_DIGITS + 1];

    if (uuid_digits(id, digits))
        return xasprintf(PUBLIC_NAME_PREFIX "%s", digits);
    const struct digest digest = digest_of(id, strlen(id));
    return xasprintf(PUBLIC_NAME_PREFIX "%.*s", PUBLIC_ID_DIGITS, hex_of(&digest));
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* How many characters at text are one separator of a path component: ".", "_", "__" or dashes; 0: none. */
static size_t separator_length(const char *text)
{
    if (*text == '.')
        return 1;
    if (*text == '_')
        return text[1] == '_' ? 2 : 1;
    return strspn(text, "-");
}

/* Spec: OCI distribution-spec, <name>: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static bool is_path_component(const char *text, size_t length)
{
    size_t at = 0;

    for (;;) {
        size_t start = at;
        while (at < length && is_lower_alnum(text[at]))
            at++;
        if (at == start)
            return false;
        if (at == length)
            return true;
        size_t separator = separator_length(text + at);
        if (separator == 0 || at + separator >= length)
            return false;
        at += separator;
    }
}

static bool is_host(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(".-:[]_", text[i]))
            return false;
    return length > 0 && text[length - 1] != ':';
}

/* "host[:port]" and any number of "/component". */
static bool is_registry_prefix(const char *text, size_t length)
{
    const char *end = text + length, *slash = memchr(text, '/', length);
    const char *at = slash ? slash : end;

    if (!is_host(text, (size_t)(at - text)))
        return false;
    while (at < end) {
        const char *component = at + 1, *next = memchr(component, '/', (size_t)(end - component));
        at = next ? next : end;
        if (!is_path_component(component, (size_t)(at - component)))
            return false;
    }
    return true;
}

static bool is_tag(const char *tag)
{
    const size_t length = strlen(tag);

    if (length == 0 || length > TAG_MAX || *tag == '.' || *tag == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)tag[i]) && !strchr("._-", tag[i]))
            return false;
    return true;
}

/* What is no component becomes one: dashes for what is not allowed, and a hash, so that no two become the
 * same. */
static char *made_component(const char *name, size_t max)
{
    SCOPED_STRBUF struct strbuf clean = STRBUF_INIT;

    for (const char *c = name; *c; c++) {
        char lower = (char)tolower((unsigned char)*c);
        bool allowed = is_lower_alnum(lower);
        if (allowed || (clean.length && clean.bytes[clean.length - 1] != '-'))
            (void)strbuf_addc(&clean, allowed ? lower : '-'); /* unbounded: cannot refuse */
    }
    const size_t room = max - HASH_DIGITS - 1;
    size_t kept = clean.length < room ? clean.length : room;
    while (kept && clean.bytes[kept - 1] == '-')
        kept--;
    const struct digest digest = digest_of(name, strlen(name));
    return xasprintf("%.*s%s%.*s", (int)kept, strbuf_text(&clean), kept ? "-" : "", HASH_DIGITS,
                     hex_of(&digest));
}

int name_snapshot_image(const char *registry, const char *sandbox, const char *container, const char *tag,
                        char **ret_image, struct error *err)
{
    size_t prefix = strlen(registry);
    while (prefix && registry[prefix - 1] == '/')
        prefix--;
    if (!is_registry_prefix(registry, prefix))
        return error_set(
            err, ERR_INVALID,
            "--snapshot-registry: want host[:port][/path] in lowercase, without a scheme, got \"%s\"",
            registry);
    if (prefix + 1 + REPOSITORY_PART_MIN > REPOSITORY_MAX)
        return error_set(err, ERR_INVALID, "--snapshot-registry: want at most %d characters, got %zu",
                         REPOSITORY_MAX - REPOSITORY_PART_MIN - 1, prefix);
    if (!is_tag(tag))
        return error_set(err, ERR_INVALID, "image tag: want [A-Za-z0-9_][A-Za-z0-9._-]{0,127}, got \"%s\"",
                         tag);

    const size_t room = REPOSITORY_MAX - prefix - 1;
    SCOPED(string)
    char *wanted = xasprintf("%s-%s", sandbox, container);
    bool fits = strlen(wanted) <= room && is_path_component(wanted, strlen(wanted));
    SCOPED(string)
    char *component = fits ? xstrdup(wanted) : made_component(wanted, room);
    *ret_image = xasprintf("%.*s/%s:%s", (int)prefix, registry, component, tag);
    return 0;
}
