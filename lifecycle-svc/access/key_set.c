#include "lifecycle-svc/access/key_set.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/digest.h"

static const char BLANKS[] = " \t\r";
static const char NAME_LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

struct named_key {
    char name[KEY_NAME_SIZE];
    struct digest digest;
};

struct key_set {
    struct named_key *keys;
    size_t count;
};

struct span {
    const char *at;
    size_t length;
};

/* Also true for NUL, which strchr finds. */
static bool is_blank(char c)
{
    return strchr(BLANKS, c) != NULL;
}

static struct span trimmed(struct span text)
{
    while (text.length > 0 && is_blank(text.at[0])) {
        text.at++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.at[text.length - 1]))
        text.length--;
    return text;
}

/* Takes the first word off the front of a trimmed text. */
static struct span next_word(struct span *text)
{
    struct span word = {text->at, 0};

    while (word.length < text->length && !is_blank(text->at[word.length]))
        word.length++;
    *text = trimmed((struct span){text->at + word.length, text->length - word.length});
    return word;
}

static void add_key(struct key_set *set, struct span name, struct span key)
{
    set->keys = xrealloc_array(set->keys, set->count + 1, sizeof(*set->keys));
    struct named_key *added = &set->keys[set->count++];

    (void)snprintf(added->name, sizeof(added->name), "%.*s", (int)name.length, name.at);
    added->digest = digest_of(key.at, key.length);
}

static bool is_name(struct span text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!text.at[i] || !strchr(NAME_LETTERS, text.at[i]))
            return false;
    return text.length > 0 && text.length < KEY_NAME_SIZE;
}

static int add_line(struct key_set *set, struct span line, unsigned number, const char *where,
                    struct error *err)
{
    char made_name[KEY_NAME_SIZE];
    struct span rest = trimmed(line);

    if (rest.length == 0 || rest.at[0] == '#')
        return 0;
    struct span name = next_word(&rest);
    struct span key = next_word(&rest);
    if (rest.length > 0 || (key.length > 0 && !is_name(name)))
        return error_set(
            err, ERR_INVALID,
            "%s, line %u: want KEY or NAME KEY, without blanks inside; a name has letters, digits, "
            "'.', '_' and '-', at most %d",
            where, number, KEY_NAME_SIZE - 1);
    if (key.length == 0) {
        key = name;
        name = (struct span){made_name, (size_t)snprintf(made_name, sizeof(made_name), "key-%u", number)};
    }
    add_key(set, name, key);
    return 0;
}

int key_set_parse(const char *text, size_t length, const char *where, struct key_set **ret_set,
                  struct error *err)
{
    SCOPED(key_set) struct key_set *set = xcalloc(1, sizeof(*set));
    unsigned number = 0;

    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        struct span line = {text + at, end ? (size_t)(end - text) - at : length - at};

        if (add_line(set, line, ++number, where, err) < 0)
            return -1;
        at += line.length + 1;
    }
    *ret_set = TAKE(set);
    return 0;
}

int key_set_of_one(const char *text, const char *where, struct key_set **ret_set, struct error *err)
{
    SCOPED(key_set) struct key_set *set = xcalloc(1, sizeof(*set));
    struct span rest = trimmed((struct span){text, strcspn(text, "\n")});
    struct span key = next_word(&rest);

    if (rest.length > 0)
        return error_set(err, ERR_INVALID, "%s: an API key has no blanks inside", where);
    if (key.length > 0)
        add_key(set, (struct span){"default", strlen("default")}, key);
    *ret_set = TAKE(set);
    return 0;
}

void key_set_free(struct key_set *set)
{
    if (!set)
        return;
    free(set->keys);
    free(set);
}

size_t key_set_count(const struct key_set *set)
{
    return set->count;
}

/* Looks at every byte whatever it finds (OpenSSL's CRYPTO_memcmp would do; its headers take our error names). */
static unsigned difference_of(const struct digest *a, const struct digest *b)
{
    unsigned difference = 0;

    for (size_t i = 0; i < sizeof(a->bytes); i++)
        difference |= (unsigned)(a->bytes[i] ^ b->bytes[i]);
    return difference;
}

const char *key_set_find(const struct key_set *set, const char *presented)
{
    struct digest digest = digest_of(presented, strlen(presented));
    size_t found = set->count;

    for (size_t i = 0; i < set->count; i++) { /* all of them, so that time tells nothing */
        bool same = difference_of(&digest, &set->keys[i].digest) == 0;
        found = same ? i : found;
    }
    explicit_bzero(&digest, sizeof(digest));
    return found < set->count ? set->keys[found].name : NULL;
}
