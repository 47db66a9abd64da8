#include "shared/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    MS_PER_S = 1000,
    S_PER_MIN = 60,
    S_PER_HOUR = 3600,
};
#define NS_PER_MS       INT64_C(1000000)
#define FIRST_UNIX_S    INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_UNIX_S     INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define GOT_SHOWN_BYTES 60                    /* of a refused text, in an error */

static int64_t read_clock_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now); /* both clocks exist on every Linux */
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

int64_t clock_monotonic_ms(void)
{
    return read_clock_ms(CLOCK_MONOTONIC);
}

int64_t clock_realtime_ms(void)
{
    return read_clock_ms(CLOCK_REALTIME);
}

/* ---- RFC 3339 ---- */

static struct tm civil_time(int64_t unix_s)
{
    time_t inside = unix_s < FIRST_UNIX_S ? FIRST_UNIX_S : unix_s > LAST_UNIX_S ? LAST_UNIX_S : unix_s;
    struct tm tm = {0};
    (void)gmtime_r(&inside, &tm); /* fails only for years an int cannot hold */
    return tm;
}

const char *rfc3339_format(int64_t unix_s, char out[RFC3339_SIZE])
{
    struct tm tm = civil_time(unix_s);
    (void)snprintf(out, RFC3339_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", (tm.tm_year + 1900) % 10000,
                   (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100,
                   tm.tm_sec % 100);
    return out;
}

const char *rfc3339_format_ms(int64_t unix_ms, char out[RFC3339_SIZE])
{
    int64_t unix_s = unix_ms / MS_PER_S, rest_ms = unix_ms % MS_PER_S;
    if (rest_ms < 0) { /* before 1970 the fraction still counts upwards */
        rest_ms += MS_PER_S;
        unix_s--;
    }
    if (unix_s < FIRST_UNIX_S)
        rest_ms = 0;
    if (unix_s > LAST_UNIX_S)
        rest_ms = MS_PER_S - 1;
    (void)rfc3339_format(unix_s, out);
    size_t before_z = strlen(out) - 1;
    (void)snprintf(out + before_z, RFC3339_SIZE - before_z, ".%03dZ", (int)(rest_ms % MS_PER_S));
    return out;
}

/* The scanner: each step moves *at on success and leaves it alone otherwise. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool scan_number(const char **at, int digits, int least, int most, int *ret_number)
{
    int number = 0;
    for (int i = 0; i < digits; i++) {
        if (!is_digit((*at)[i]))
            return false;
        number = number * 10 + ((*at)[i] - '0');
    }
    if (number < least || number > most)
        return false;
    *at += digits;
    *ret_number = number;
    return true;
}

static bool scan_char(const char **at, const char *allowed)
{
    if (**at == '\0' || !strchr(allowed, **at))
        return false;
    ++*at;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool scan_date_time(const char **at, int64_t *ret_unix_s)
{
    int year, month, day, hour, minute, second;
    if (!scan_number(at, 4, 1, 9999, &year) || !scan_char(at, "-") || !scan_number(at, 2, 1, 12, &month) ||
        !scan_char(at, "-") || !scan_number(at, 2, 1, days_in_month(year, month), &day) ||
        !scan_char(at, "Tt") || !scan_number(at, 2, 0, 23, &hour) || !scan_char(at, ":") ||
        !scan_number(at, 2, 0, 59, &minute) || !scan_char(at, ":") || !scan_number(at, 2, 0, 59, &second))
        return false;

    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    *ret_unix_s = (int64_t)timegm(&tm) + hour * S_PER_HOUR + minute * S_PER_MIN + second;
    return true;
}

static bool scan_fraction(const char **at, int *ret_ms)
{
    int ms = 0, weight = MS_PER_S / 10;

    *ret_ms = 0;
    if (!scan_char(at, "."))
        return true;
    if (!is_digit(**at))
        return false;
    for (; is_digit(**at); ++*at, weight /= 10)
        ms += (**at - '0') * weight;
    *ret_ms = ms;
    return true;
}

static bool scan_offset(const char **at, int *ret_offset_s)
{
    int hours, minutes;
    int sign = **at == '-' ? -1 : 1;

    *ret_offset_s = 0;
    if (**at == '\0' || scan_char(at, "Zz"))
        return true;
    if (!scan_char(at, "+-") || !scan_number(at, 2, 0, 23, &hours) || !scan_char(at, ":") ||
        !scan_number(at, 2, 0, 59, &minutes))
        return false;
    *ret_offset_s = sign * (hours * S_PER_HOUR + minutes * S_PER_MIN);
    return true;
}

int rfc3339_parse(const char *text, int64_t *ret_unix_ms, struct error *err)
{
    const char *at = text;
    int64_t unix_s;
    int ms, offset_s;

    if (!scan_date_time(&at, &unix_s) || !scan_fraction(&at, &ms) || !scan_offset(&at, &offset_s) ||
        *at != '\0' || unix_s - offset_s < FIRST_UNIX_S || unix_s - offset_s > LAST_UNIX_S)
        return error_set(err, ERR_INVALID, "want a date and time like 2029-06-01T10:00:00Z, got \"%.*s\"",
                         GOT_SHOWN_BYTES, text);
    *ret_unix_ms = (unix_s - offset_s) * MS_PER_S + ms;
    return 0;
}

/* ---- durations ---- */

static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\u00b5s", 1000},
    {"\u03bcs", 1000}, /* the micro sign and the Greek letter, as Go has it */
    {"ms", NS_PER_MS},
    {"s", 1000 * NS_PER_MS},
    {"m", 60000 * NS_PER_MS},
    {"h", 3600000 * NS_PER_MS},
};

static bool scan_unit(const char **at, int64_t *ret_ns)
{
    size_t length = strcspn(*at, "0123456789.");
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == length && memcmp(*at, units[i].name, length) == 0) {
            *at += length;
            *ret_ns = units[i].ns;
            return true;
        }
    }
    return false;
}

/* Digits after the point that no nanosecond can hold are dropped, as in Go. */
static bool scan_decimal(const char **at, int64_t *ret_whole, double *ret_fraction)
{
    const char *from = *at;
    int64_t whole = 0;
    double weight = 0.1, fraction = 0;

    for (; is_digit(**at); ++*at)
        if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, **at - '0', &whole))
            return false;
    bool any = *at != from;
    if (scan_char(at, "."))
        for (; is_digit(**at); ++*at, weight /= 10, any = true)
            fraction += (**at - '0') * weight;
    *ret_whole = whole;
    *ret_fraction = fraction;
    return any;
}

/* One "1.5h" of "1.5h10m". */
static bool scan_term(const char **at, int64_t *total_ns)
{
    int64_t whole, unit_ns, ns;
    double fraction;

    return scan_decimal(at, &whole, &fraction) && scan_unit(at, &unit_ns) &&
           !__builtin_mul_overflow(whole, unit_ns, &ns) &&
           !__builtin_add_overflow(ns, (int64_t)(fraction * (double)unit_ns + 0.5), &ns) &&
           !__builtin_add_overflow(*total_ns, ns, total_ns);
}

static bool scan_duration(const char *text, int64_t *ret_ns)
{
    const char *at = text;

    *ret_ns = 0;
    (void)scan_char(&at, "+");
    if (strcmp(at, "0") == 0)
        return true;
    do {
        if (!scan_term(&at, ret_ns))
            return false;
    } while (*at != '\0');
    return true;
}

int duration_parse(const char *text, int64_t *ret_ms, struct error *err)
{
    int64_t ns;
    if (!scan_duration(text, &ns))
        return error_set(err, ERR_INVALID,
                         "want a duration like 250ms, 1.5s, 10m or 1h30m, not negative, got \"%.*s\"",
                         GOT_SHOWN_BYTES, text);
    *ret_ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);
    return 0;
}
