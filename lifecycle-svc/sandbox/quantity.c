#include "lifecycle-svc/sandbox/quantity.h"

#include <stddef.h>
#include <string.h>

static size_t digits_at(const char *text)
{
    return strspn(text, "0123456789");
}

static bool is_decimal_exponent(const char *text)
{
    if (*text != 'e' && *text != 'E')
        return false;
    text++;
    if (*text == '+' || *text == '-')
        text++;
    return digits_at(text) > 0 && text[digits_at(text)] == '\0';
}

static bool is_suffix(const char *text)
{
    static const char *const suffixes[] = {"",  "n", "u",  "m",  "k",  "M",  "G",  "T",
                                           "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (strcmp(text, suffixes[i]) == 0)
            return true;
    return is_decimal_exponent(text);
}

bool is_quantity(const char *text)
{
    if (*text == '+')
        text++;
    size_t whole = digits_at(text), fraction = 0;
    text += whole;
    if (*text == '.') {
        fraction = digits_at(text + 1);
        text += 1 + fraction;
    }
    return whole + fraction > 0 && is_suffix(text);
}
