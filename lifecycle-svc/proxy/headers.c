#include "lifecycle-svc/proxy/headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"

static const char *const hop_by_hop[] = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te",         "trailer",    "trailers",           "transfer-encoding",   "upgrade",
    NULL,
};

static const char *const not_for_sandboxes[] = {
    "host", "authorization", "cookie", "open-sandbox-api-key", "content-length", "expect", NULL,
};

void header_list_add(struct header_list *list, const char *name, const char *value)
{
    list->items = xrealloc_array(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = (struct http_header){xstrdup(name), xstrdup(value)};
}

const char *header_list_get(const struct header_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcasecmp(list->items[i].name, name) == 0)
            return list->items[i].value;
    return NULL;
}

void header_list_done(struct header_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        explicit_bzero((char *)list->items[i].value, strlen(list->items[i].value));
        free((char *)list->items[i].value);
        free((char *)list->items[i].name);
    }
    free(list->items);
    *list = (struct header_list){0};
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

/* Is `word` an element of the comma-separated list? */
static bool list_has(const char *list, const char *word)
{
    size_t want = strlen(word);

    while (*list) {
        list += strspn(list, ", \t");
        size_t length = strcspn(list, ", \t");
        if (length == want && strncasecmp(list, word, want) == 0)
            return true;
        list += length;
    }
    return false;
}

/* A field may come more than once: all of them count. */
static bool any_lists(const struct http_header *headers, size_t count, const char *field, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(headers[i].name, field) == 0 && list_has(headers[i].value, word))
            return true;
    return false;
}

static void add_if_absent(struct header_list *list, const char *name, const char *value)
{
    if (value && !header_list_get(list, name))
        header_list_add(list, name, value);
}

void headers_for_sandbox(const struct header_list *from_client, const struct forwarded *forwarded,
                         struct header_list *out)
{
    for (size_t i = 0; i < from_client->count; i++) {
        const struct http_header *header = &from_client->items[i];

        if (!is_one_of(header->name, hop_by_hop) && !is_one_of(header->name, not_for_sandboxes) &&
            !any_lists(from_client->items, from_client->count, "connection", header->name))
            header_list_add(out, header->name, header->value);
    }
    add_if_absent(out, "X-Forwarded-Proto", forwarded->proto);
    add_if_absent(out, "X-Forwarded-Host", forwarded->host);
    add_if_absent(out, "X-Forwarded-For", forwarded->client);
}

bool header_is_for_client(const struct http_response *answer, const char *name)
{
    return !is_one_of(name, hop_by_hop) && strcasecmp(name, "content-length") != 0 &&
           !any_lists(answer->headers, answer->header_count, "connection", name);
}

enum upgrade_wish upgrade_wished(const struct header_list *from_client)
{
    if (!header_list_get(from_client, "upgrade") ||
        !any_lists(from_client->items, from_client->count, "connection", "upgrade"))
        return UPGRADE_NONE;
    return any_lists(from_client->items, from_client->count, "upgrade", "websocket") ? UPGRADE_WEBSOCKET
                                                                                     : UPGRADE_OTHER;
}

int64_t content_length_of(const char *text)
{
    enum { MAX_DIGITS = 18 }; /* no overflow below it, and 10^18 bytes are enough */
    size_t digits = text ? strspn(text, "0123456789") : 0;

    if (digits == 0 || digits > MAX_DIGITS || text[digits])
        return -1;
    return strtoll(text, NULL, 10);
}
