#include "shared/yaml/scalar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char DECIMAL[] = "0123456789", OCTAL[] = "01234567", HEX[] = "0123456789abcdefABCDEF";

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static bool is_all(const char *text, const char *digits)
{
    return *text && strspn(text, digits) == strlen(text);
}

/* The base of a whole number without its sign; 0: it is none. *ret_digits is where its digits begin. */
static int base_of(const char *text, const char **ret_digits)
{
    bool prefixed = text[0] == '0' && (text[1] == 'x' || text[1] == 'o');
    const char *digits = prefixed ? text + 2 : text;

    *ret_digits = digits;
    if (prefixed)
        return text[1] == 'x' ? (is_all(digits, HEX) ? 16 : 0) : (is_all(digits, OCTAL) ? 8 : 0);
    if (text[0] == '0' && text[1] != '\0')
        return is_all(digits, OCTAL) ? 8 : 0;
    return is_all(digits, DECIMAL) ? 10 : 0;
}

/* With a point or an exponent: what has neither is a whole number, or none. */
static bool is_fraction(const char *text)
{
    size_t whole = strspn(text, DECIMAL), part = 0;
    bool pointed = text[whole] == '.';

    text += whole;
    if (pointed) {
        part = strspn(text + 1, DECIMAL);
        text += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        return is_all(text, DECIMAL);
    }
    return pointed && *text == '\0';
}

static json_t *whole_number(const char *digits, int base, bool negative)
{
    errno = 0;
    long long value = strtoll(digits, NULL, base);
    return errno ? NULL : json_integer(negative ? -value : value);
}

json_t *yaml_scalar(const char *text)
{
    static const char *const yes[] = {"true", "True", "TRUE", NULL}, *const no[] = {"false", "False", "FALSE",
                                                                                    NULL};
    static const char *const disputed[] = {"yes", "Yes", "YES", "no",  "No",  "NO", "on",
                                           "On",  "ON",  "off", "Off", "OFF", NULL};
    bool negative = *text == '-';
    const char *digits, *number = text + (*text == '-' || *text == '+');
    int base = base_of(number, &digits);

    if (is_one_of(text, yes) || is_one_of(text, no))
        return json_boolean(is_one_of(text, yes));
    if (is_one_of(text, disputed))
        return NULL;
    if (base)
        return whole_number(digits, base, negative);
    return is_fraction(number) ? json_real(strtod(text, NULL)) : json_string(text);
}
