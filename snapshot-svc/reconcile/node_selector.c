#include "snapshot-svc/reconcile/node_selector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/json.h"

#define REQUIRED "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"

static bool is_among(const json_t *values, const char *value)
{
    size_t i;
    json_t *one;

    json_array_foreach(values, i, one)
    {
        if (value && json_is_string(one) && strcmp(json_string_value(one), value) == 0)
            return true;
    }
    return false;
}

static bool read_number(const char *text, long long *ret_number)
{
    char *end;

    if (!text || !*text)
        return false;
    errno = 0;
    *ret_number = strtoll(text, &end, 10);
    return !*end && errno == 0;
}

/* -1, 0, 1: less, equal, greater. false: one of them is no number. */
static bool compare_to(const json_t *values, const char *value, int *ret_order)
{
    long long have, bound;

    if (json_array_size(values) != 1 || !read_number(value, &have) ||
        !read_number(json_string_value(json_array_get(values, 0)), &bound))
        return false;
    *ret_order = (have > bound) - (have < bound);
    return true;
}

static bool expression_matches(const json_t *expression, const json_t *labels)
{
    const char *key = json_path_string(expression, "key");
    const char *operator= json_path_string(expression, "operator");
    const json_t *values = json_object_get(expression, "values");
    const char *value = key ? json_string_value(json_object_get(labels, key)) : NULL;
    int order;

    if (!key || !operator)
        return false;
    if (strcmp(operator, "In") == 0)
        return is_among(values, value);
    if (strcmp(operator, "NotIn") == 0)
        return !is_among(values, value);
    if (strcmp(operator, "Exists") == 0)
        return value != NULL;
    if (strcmp(operator, "DoesNotExist") == 0)
        return value == NULL;
    if (strcmp(operator, "Gt") == 0)
        return compare_to(values, value, &order) && order > 0;
    if (strcmp(operator, "Lt") == 0)
        return compare_to(values, value, &order) && order < 0;
    return false;
}

static bool term_matches(const json_t *term, const json_t *labels)
{
    const json_t *expressions = json_object_get(term, "matchExpressions");
    size_t i;
    json_t *expression;

    if (json_array_size(json_object_get(term, "matchFields")) > 0 || json_array_size(expressions) == 0)
        return false;
    json_array_foreach(expressions, i, expression)
    {
        if (!expression_matches(expression, labels))
            return false;
    }
    return true;
}

static bool some_term_matches(const json_t *required, const json_t *labels)
{
    size_t i;
    json_t *term;

    json_array_foreach(json_object_get(required, "nodeSelectorTerms"), i, term)
    {
        if (term_matches(term, labels))
            return true;
    }
    return false;
}

static bool has_labels(const json_t *selector, const json_t *labels)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)selector, key, value)
    {
        if (!json_is_string(value) || !json_equal(value, json_object_get(labels, key)))
            return false;
    }
    return true;
}

bool node_selector_matches(const json_t *spec, const json_t *labels)
{
    const json_t *required = json_path(spec, REQUIRED);

    if (!has_labels(json_object_get(spec, "nodeSelector"), labels))
        return false;
    return !required || json_is_null(required) || some_term_matches(required, labels);
}
