#include "snapshot-svc/model/pool.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/digest.h"
#include "shared/json/json.h"

enum { DEFAULT_MAX_UNAVAILABLE_PERCENT = 25, REVISION_DIGITS = 16 };

static const char *const recycle_names[] = {
    [RECYCLE_DELETE] = "Delete",
    [RECYCLE_RESTART] = "Restart",
    [RECYCLE_NOOP] = "Noop",
};
_Static_assert(sizeof(recycle_names) / sizeof(*recycle_names) == RECYCLE_STRATEGY_MAX,
               "a recycle strategy without a name");

/* clang-format off */
static const struct json_field capacity_fields[] = {
    {"bufferMin", JSON_INT32, offsetof(struct pool_capacity_spec, buffer_min), JSON_REQUIRED, NULL, 0},
    {"bufferMax", JSON_INT32, offsetof(struct pool_capacity_spec, buffer_max), JSON_REQUIRED, NULL, 0},
    {"poolMin",   JSON_INT32, offsetof(struct pool_capacity_spec, pool_min),   JSON_REQUIRED, NULL, 0},
    {"poolMax",   JSON_INT32, offsetof(struct pool_capacity_spec, pool_max),   JSON_REQUIRED, NULL, 0},
    JSON_FIELDS_END,
};

/* These four tables fill members of struct pool itself: offset 0 in their parents. */
static const struct json_field scale_fields[] = {
    {"maxUnavailable", JSON_ANY, offsetof(struct pool, scale_max_unavailable_json), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field update_fields[] = {
    {"maxUnavailable", JSON_ANY, offsetof(struct pool, update_max_unavailable_json), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field recycle_fields[] = {
    {"type", JSON_STR, offsetof(struct pool, recycle_name), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field spec_fields[] = {
    {"template",        JSON_ANY,    offsetof(struct pool, template_), JSON_OPTIONAL, NULL, 0},
    {"capacitySpec",    JSON_STRUCT, offsetof(struct pool, capacity),  JSON_REQUIRED, capacity_fields, 0},
    {"scaleStrategy",   JSON_STRUCT, 0,                                JSON_OPTIONAL, scale_fields, 0},
    {"updateStrategy",  JSON_STRUCT, 0,                                JSON_OPTIONAL, update_fields, 0},
    {"recycleStrategy", JSON_STRUCT, 0,                                JSON_OPTIONAL, recycle_fields, 0},
    JSON_FIELDS_END,
};

static const struct json_field status_fields[] = {
    {"total",     JSON_INT32, offsetof(struct pool_status, total),     JSON_OPTIONAL, NULL, 0},
    {"allocated", JSON_INT32, offsetof(struct pool_status, allocated), JSON_OPTIONAL, NULL, 0},
    {"available", JSON_INT32, offsetof(struct pool_status, available), JSON_OPTIONAL, NULL, 0},
    {"updated",   JSON_INT32, offsetof(struct pool_status, updated),   JSON_OPTIONAL, NULL, 0},
    {"revision",  JSON_STR,   offsetof(struct pool_status, revision),  JSON_OPTIONAL, NULL, 0},
    {"observedGeneration", JSON_INT64, offsetof(struct pool_status, observed_generation), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field pool_fields[] = {
    {"metadata", JSON_STRUCT, offsetof(struct pool, meta),   JSON_REQUIRED, object_meta_fields, 0},
    {"spec",     JSON_STRUCT, 0,                             JSON_REQUIRED, spec_fields, 0},
    {"status",   JSON_STRUCT, offsetof(struct pool, status), JSON_OPTIONAL, status_fields, 0},
    JSON_FIELDS_END,
};
/* clang-format on */

const char *recycle_strategy_name(enum recycle_strategy strategy)
{
    return recycle_names[strategy];
}

static enum recycle_strategy recycle_of(const char *name)
{
    for (int i = 0; name && i < RECYCLE_STRATEGY_MAX; i++)
        if (strcmp(name, recycle_names[i]) == 0)
            return (enum recycle_strategy)i;
    return RECYCLE_DELETE;
}

/* ---- int or percent ---- */

static bool read_percent(const char *text, struct int_or_percent *out)
{
    const size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 9 || strcmp(text + digits, "%") != 0)
        return false;
    *out = (struct int_or_percent){.value = (int32_t)strtol(text, NULL, 10), .is_percent = true};
    return true;
}

static bool read_amount(const json_t *value, struct int_or_percent *out)
{
    const json_int_t number = json_integer_value(value);

    if (json_is_string(value))
        return read_percent(json_string_value(value), out);
    if (!json_is_integer(value) || number < 0 || number > INT32_MAX)
        return false;
    *out = (struct int_or_percent){.value = (int32_t)number};
    return true;
}

static int read_max_unavailable(const json_t *value, const char *strategy, struct int_or_percent *out,
                                struct error *err)
{
    *out = (struct int_or_percent){.value = DEFAULT_MAX_UNAVAILABLE_PERCENT, .is_percent = true};
    if (!value || json_is_null(value) || read_amount(value, out))
        return 0;
    return error_set(
        err, ERR_INVALID,
        "spec.%s.maxUnavailable: want a number of pods that is not negative, or a percentage like \"25%%\"",
        strategy);
}

int32_t int_or_percent_of(const struct int_or_percent *amount, int32_t base)
{
    int64_t count = amount->value;

    if (amount->is_percent)
        count = ((int64_t)amount->value * (base > 0 ? base : 0) + 99) / 100;
    if (count < 1)
        return 1;
    return count > INT32_MAX ? INT32_MAX : (int32_t)count;
}

/* ---- the pool ---- */

static int read_strategies(struct pool *pool, struct error *err)
{
    pool->recycle = recycle_of(pool->recycle_name);
    if (read_max_unavailable(pool->scale_max_unavailable_json, "scaleStrategy", &pool->scale_max_unavailable,
                             err) < 0)
        return -1;
    return read_max_unavailable(pool->update_max_unavailable_json, "updateStrategy",
                                &pool->update_max_unavailable, err);
}

int pool_read(const json_t *object, struct pool *out, struct error *err)
{
    if (json_read(object, pool_fields, "Pool", out, err) < 0)
        return -1;
    out->has_status = json_is_object(json_object_get(object, "status"));
    if (read_strategies(out, err) == 0)
        return 0;
    error_wrap(err, "Pool %s", out->meta.name);
    pool_done(out);
    return -1;
}

void pool_done(struct pool *pool)
{
    json_free_fields(pool_fields, pool);
    *pool = (struct pool){0};
}

char *pool_revision(const struct pool *pool)
{
    SCOPED(string) char *text = pool->template_ ? json_canonical(pool->template_) : xstrdup("null");
    const struct digest digest = digest_of(text, strlen(text));

    return xstrndup(digest.text + strlen("sha256:"), REVISION_DIGITS);
}

json_t *pool_status_write(const struct pool_status *status)
{
    return json_write(status_fields, status);
}
