/* json/secret.h - documents that hold secrets: wiped before they are freed.
 * jansson has no wiping free, so the strings are overwritten in place first. Keys are not secret. */
#pragma once

#include <jansson.h>

/* Wipes every string of the document and gives the reference back, which must be the last one. NULL is fine. */
void json_secret_free(json_t *document);

__attribute__((unused)) static inline void json_secret_freep(json_t **document)
{
    json_secret_free(*document);
    *document = NULL;
}
