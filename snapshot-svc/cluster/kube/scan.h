/* scan.h - finds members and elements in JSON text without reading the values: a value that our reader refuses then costs
 * only itself, not the list it is in. Looks at structure alone; who reads a found value learns whether it is JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json_span {
    const char *at;
    size_t length;
};

/* The value of a member of the object that `text` is. false: no object, no such member, or its end is missing. */
bool json_scan_member(struct json_span text, const char *name, struct json_span *ret_value);

/* Cuts the first element off *rest, which is first set to the array's own span (with its brackets). false: none left.
 * *ret_whole (may be NULL) then tells whether the array's end was seen. */
bool json_scan_element(struct json_span *rest, struct json_span *ret_element, bool *ret_whole);
