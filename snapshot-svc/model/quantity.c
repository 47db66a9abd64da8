#include "snapshot-svc/model/quantity.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/utf8.h"

typedef unsigned __int128 wide;

#define MANTISSA_MAX 1000000000000000000u /* times 2^60 ("Ei") it still fits */

enum { EXPONENT_MAX = 40 };

/* mantissa * 10^decimal * 2^binary */
struct scaled {
    uint64_t mantissa;
    int decimal, binary;
};

static const struct suffix {
    const char *text;
    int decimal, binary;
} suffixes[] = {
    {"", 0, 0},    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"k", 3, 0},   {"M", 6, 0},
    {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0},  {"Ki", 0, 10}, {"Mi", 0, 20},
    {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60},
};

static bool read_digits(const char **at, struct scaled *out, int *digits, bool fraction)
{
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        (*digits)++;
        if (out->mantissa >= MANTISSA_MAX / 10)
            return false;
        out->mantissa = out->mantissa * 10 + (uint64_t)(**at - '0');
        out->decimal -= fraction;
    }
    return true;
}

static bool read_exponent(const char *at, struct scaled *out)
{
    char *end;

    if ((*at != 'e' && *at != 'E') || at[1 + (at[1] == '+' || at[1] == '-')] < '0' ||
        at[1 + (at[1] == '+' || at[1] == '-')] > '9')
        return false;
    long exponent = strtol(at + 1, &end, 10);
    if (*end || exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)
        return false;
    out->decimal += (int)exponent;
    return true;
}

static bool read_suffix(const char *at, struct scaled *out)
{
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
        if (strcmp(at, suffixes[i].text) == 0) {
            out->decimal += suffixes[i].decimal;
            out->binary = suffixes[i].binary;
            return true;
        }
    return read_exponent(at, out);
}

static bool parse(const char *text, struct scaled *ret_scaled)
{
    struct scaled scaled = {0};
    int digits = 0;

    if (*text == '+')
        text++;
    if (!read_digits(&text, &scaled, &digits, false))
        return false;
    if (*text == '.') {
        text++;
        if (!read_digits(&text, &scaled, &digits, true))
            return false;
    }
    *ret_scaled = scaled;
    return digits > 0 && read_suffix(text, ret_scaled);
}

/* Divides last and once, so that rounding up happens once. */
static bool evaluate(struct scaled scaled, int64_t *ret_value)
{
    const wide limit = (wide)1 << 100;
    wide value = scaled.mantissa, divisor = 1;

    if (value == 0) {
        *ret_value = 0;
        return true;
    }
    value <<= scaled.binary;
    for (; scaled.decimal < 0 && divisor < value; scaled.decimal++) /* beyond it, it rounds up to 1 anyway */
        divisor *= 10;
    for (; scaled.decimal > 0; scaled.decimal--)
        if ((value *= 10) >= limit)
            return false;
    value = (value + divisor - 1) / divisor;
    if (value > INT64_MAX)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

static int refuse(const char *text, struct error *err)
{
    size_t shown = utf8_cut_length(text, strnlen(text, 40));
    return error_set(err, ERR_INVALID, "want a quantity such as 500m, 2 or 1.5Gi, got \"%.*s\"", (int)shown,
                     text);
}

static int read_scaled(const json_t *value, int shift, int64_t *ret_value, struct error *err)
{
    char number[40] = "";
    const char *text = json_is_string(value) ? json_string_value(value) : number;
    struct scaled scaled;

    if (json_is_integer(value))
        (void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(number, sizeof(number), "%.15g", json_real_value(value));
    if (!parse(text, &scaled))
        return refuse(text, err);
    scaled.decimal += shift;
    if (!evaluate(scaled, ret_value))
        return refuse(text, err);
    return 0;
}

int quantity_units(const json_t *value, int64_t *ret_units, struct error *err)
{
    return read_scaled(value, 0, ret_units, err);
}

int quantity_millis(const json_t *value, int64_t *ret_millis, struct error *err)
{
    return read_scaled(value, 3, ret_millis, err);
}
