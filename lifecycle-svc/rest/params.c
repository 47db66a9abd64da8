#include "lifecycle-svc/rest/params.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lifecycle-svc/sandbox/contract_code.h"

int param_read_int(const char *name, const char *text, int64_t *ret_value, struct error *err)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (!*digits || strspn(digits, "0123456789") != strlen(digits) || errno)
        return refuse(err, CODE_INVALID_PARAMETER, "%s: want a whole number", name);
    *ret_value = value;
    return 0;
}

int param_read_bool(const char *name, const char *text, bool *ret_value, struct error *err)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true},  {"0", false},
                 {"yes", true},  {"no", false},    {"on", true}, {"off", false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i].word) != 0)
            continue;
        *ret_value = words[i].value;
        return 0;
    }
    return refuse(err, CODE_INVALID_PARAMETER, "%s: want true or false", name);
}

int param_read_bounded(const char *name, const char *text, int64_t max, int64_t *ret_value, struct error *err)
{
    int64_t value;

    if (param_read_int(name, text, &value, err) < 0)
        return -1;
    if (value < 1 || value > max)
        return refuse(err, CODE_INVALID_PARAMETER, "%s: want 1 to %" PRId64 ", got %" PRId64, name, max,
                      value);
    *ret_value = value;
    return 0;
}

int list_query_read_pair(struct list_query *query, const char *name, const char *value, struct error *err)
{
    if (strcmp(name, "page") == 0)
        return param_read_bounded(name, value, INT32_MAX, &query->page, err);
    if (strcmp(name, "pageSize") == 0)
        return param_read_bounded(name, value, LIST_MAX_PAGE_SIZE, &query->page_size, err);
    if (strcmp(name, "metadata") == 0)
        return list_query_read_metadata(query, value, err);
    if (strcmp(name, "state") == 0)
        json_strings_add(&query->states, value);
    return 0;
}
