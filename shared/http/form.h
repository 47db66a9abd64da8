/* http/form.h - the form spelling of query strings: "a=1&b=two+words&c=%2F". Threads: any.
 * Spec: WHATWG URL, "application/x-www-form-urlencoded". */
#pragma once

#include <stddef.h>

/* Decodes percent escapes in place, and '+' to a space when `plus_is_space`; answers the new length. An
 * invalid escape stays as it is, and so does %00: a decoded text never ends earlier than it looks. */
size_t form_decode(char *text, int plus_is_space);

/* Calls back for each pair of `text` in order, decoded; the value is "" when there is no '='. Empty segments
 * are skipped. The strings are valid for the call. */
void form_each(const char *text, void (*each)(void *self, const char *name, const char *value), void *self);
