/* testing.h - what unit tests say about errors, texts and folders, on top of CMocka.
 *
 *   assert_ok(digest_parse(text, &digest, &err), &err);               a failure prints err.text
 *   assert_fails(digest_parse("md5:", &digest, &err), &err, ERR_INVALID, "want sha256:");  */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/error.h"

#define assert_ok(call, err) testing_expect_ok((call), (err), #call, __FILE__, __LINE__)
#define assert_fails(call, err, code, in)                                                                    \
    testing_expect_failure((call), (err), (code), (in), #call, __FILE__, __LINE__)
#define assert_contains(text, part) testing_expect_part((text), (part), __FILE__, __LINE__)
#define assert_lacks(text, part)    testing_expect_no_part((text), (part), __FILE__, __LINE__)

static inline void testing_expect_ok(int result, const struct error *err, const char *call, const char *file,
                                     int line)
{
    if (result >= 0)
        return;
    print_error("%s: %s: %s\n", call, error_code_name(err->code), err->text);
    _fail(file, line);
}

static inline void testing_expect_part(const char *text, const char *part, const char *file, int line)
{
    if (strstr(text, part))
        return;
    print_error("want \"%s\" in \"%s\"\n", part, text);
    _fail(file, line);
}

static inline void testing_expect_no_part(const char *text, const char *part, const char *file, int line)
{
    if (!strstr(text, part))
        return;
    print_error("want no \"%s\" in \"%s\"\n", part, text);
    _fail(file, line);
}

static inline void testing_expect_failure(int result, const struct error *err, enum error_code code,
                                          const char *part, const char *call, const char *file, int line)
{
    if (result != -1) {
        print_error("%s: want a failure, got %d\n", call, result);
        _fail(file, line);
    }
    if (err->code != code) {
        print_error("%s: want %s, got %s: %s\n", call, error_code_name(code), error_code_name(err->code),
                    err->text);
        _fail(file, line);
    }
    testing_expect_part(err->text, part, file, line);
}
