#include "lifecycle-svc/ctl/message.h"

struct map_entry {
    ProtobufCMessage base;
    char *key, *value;
};

void *map_entry_new(const ProtobufCMessageDescriptor *type, const char *key, size_t key_length,
                    const char *value)
{
    struct map_entry *entry = xcalloc(1, sizeof(*entry));

    protobuf_c_message_init(type, entry);
    entry->key = xstrndup(key, key_length);
    entry->value = xstrdup(value);
    return entry;
}

char **copy_words(const struct words *words)
{
    char **copies = xcalloc((size_t)words->count + 1, sizeof(*copies));

    for (int i = 0; i < words->count; i++)
        copies[i] = xstrdup(words->items[i]);
    return copies;
}
