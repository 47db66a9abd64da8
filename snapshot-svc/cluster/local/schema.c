#include "snapshot-svc/cluster/local/schema.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "snapshot-svc/cluster/local/refusal.h"

enum member_type {
    MEMBER_ANY, /* opaque: anything goes, null too */
    MEMBER_STRING,
    MEMBER_TIME,
    MEMBER_INT32,
    MEMBER_INT64,
    MEMBER_BOOL,
    MEMBER_OBJECT,
    MEMBER_LIST, /* of objects */
};

struct member {
    const char *name;
    enum member_type type;
    bool required;
    const struct member *members; /* OBJECT, LIST: what is inside; members not named are pruned */
    const char *list_key;         /* LIST: the member whose values differ between items */
    const char *const *one_of;    /* STRING: the allowed words */
    bool not_negative;            /* INT32, INT64 */
    const char *default_string;
    int default_int; /* INT32, when has_default_int */
    bool has_default_int;
};
/* clang-format off */
#define MEMBER(name_, type_, ...) {.name = (name_), .type = MEMBER_##type_, __VA_ARGS__}
#define MEMBERS_END               {.name = NULL}
/* clang-format on */
#define PATH_SIZE 160

/* ---- the tables ---- */

static const char *const condition_states[] = {"True", "False", NULL};
static const char *const sandbox_phases[] = {"Pending",  "Succeed", "Pausing", "Paused",
                                             "Resuming", "Failed",  NULL};
static const char *const snapshot_phases[] = {"Pending", "Committing", "Succeed", "Failed", NULL};
static const char *const recycle_strategies[] = {"Delete", "Restart", "Noop", NULL};
static const char *const committers[] = {"agent", "job", NULL};

/* clang-format off */
static const struct member condition_members[] = {
    MEMBER("type", STRING, .required = true),
    MEMBER("status", STRING, .required = true, .one_of = condition_states),
    MEMBER("reason", STRING),
    MEMBER("message", STRING),
    MEMBER("lastTransitionTime", TIME),
    MEMBERS_END,
};

static const struct member sandbox_spec[] = {
    MEMBER("replicas", INT32, .required = true, .not_negative = true, .has_default_int = true, .default_int = 1),
    MEMBER("poolRef", STRING),
    MEMBER("template", ANY),
    MEMBER("shardPatches", ANY),
    MEMBER("expireTime", TIME),
    MEMBER("taskTemplate", ANY),
    MEMBER("shardTaskPatches", ANY),
    MEMBER("taskResourcePolicyWhenCompleted", STRING, .default_string = "Retain"),
    MEMBER("pause", BOOL),
    MEMBERS_END,
};

static const struct member sandbox_status[] = {
    MEMBER("replicas", INT32, .required = true),
    MEMBER("allocated", INT32, .required = true),
    MEMBER("ready", INT32, .required = true),
    MEMBER("taskRunning", INT32, .required = true),
    MEMBER("taskSucceed", INT32, .required = true),
    MEMBER("taskFailed", INT32, .required = true),
    MEMBER("taskPending", INT32, .required = true),
    MEMBER("taskUnknown", INT32, .required = true),
    MEMBER("observedGeneration", INT64),
    MEMBER("pauseObservedGeneration", INT64),
    MEMBER("phase", STRING, .one_of = sandbox_phases),
    MEMBER("conditions", LIST, .members = condition_members, .list_key = "type"),
    MEMBER("observedPause", STRING),
    MEMBER("observedSpecDigest", STRING),
    MEMBERS_END,
};

static const struct member snapshot_spec[] = {
    MEMBER("sandboxName", STRING, .required = true),
    MEMBERS_END,
};

static const struct member container_members[] = {
    MEMBER("containerName", STRING, .required = true),
    MEMBER("imageUri", STRING, .required = true),
    MEMBER("imageDigest", STRING),
    MEMBERS_END,
};

static const struct member progress_members[] = {
    MEMBER("phase", STRING),
    MEMBER("bytesRead", INT64, .not_negative = true),
    MEMBER("bytesTotal", INT64, .not_negative = true),
    MEMBER("bytesPushed", INT64, .not_negative = true),
    MEMBER("files", INT64, .not_negative = true),
    MEMBERS_END,
};

static const struct member snapshot_status[] = {
    MEMBER("phase", STRING, .one_of = snapshot_phases),
    MEMBER("conditions", LIST, .members = condition_members, .list_key = "type"),
    MEMBER("sourcePodName", STRING),
    MEMBER("sourceNodeName", STRING),
    MEMBER("sourcePodUid", STRING),
    MEMBER("containers", LIST, .members = container_members),
    MEMBER("observedGeneration", INT64),
    MEMBER("progress", OBJECT, .members = progress_members),
    MEMBER("startTime", TIME),
    MEMBER("completionTime", TIME),
    MEMBER("size", INT64, .not_negative = true),
    MEMBER("layers", INT32, .not_negative = true),
    MEMBER("attempts", INT32, .not_negative = true),
    MEMBER("committer", STRING, .one_of = committers),
    MEMBER("path", STRING),
    MEMBER("pathMessage", STRING),
    MEMBER("frozenMs", INT64, .not_negative = true),
    MEMBER("keptOnNode", STRING),
    MEMBERS_END,
};

static const struct member sandbox_members[] = {
    MEMBER("apiVersion", STRING),
    MEMBER("kind", STRING),
    MEMBER("metadata", ANY),
    MEMBER("spec", OBJECT, .members = sandbox_spec),
    MEMBER("status", OBJECT, .members = sandbox_status),
    MEMBERS_END,
};

static const struct member snapshot_members[] = {
    MEMBER("apiVersion", STRING),
    MEMBER("kind", STRING),
    MEMBER("metadata", ANY),
    MEMBER("spec", OBJECT, .members = snapshot_spec),
    MEMBER("status", OBJECT, .members = snapshot_status),
    MEMBERS_END,
};

static const struct member capacity_members[] = {
    MEMBER("bufferMin", INT32, .required = true, .not_negative = true),
    MEMBER("bufferMax", INT32, .required = true, .not_negative = true),
    MEMBER("poolMin", INT32, .required = true, .not_negative = true),
    MEMBER("poolMax", INT32, .required = true, .not_negative = true),
    MEMBERS_END,
};

static const struct member unavailable_members[] = {
    MEMBER("maxUnavailable", ANY), /* a number or a percentage */
    MEMBERS_END,
};

static const struct member recycle_members[] = {
    MEMBER("type", STRING, .one_of = recycle_strategies, .default_string = "Delete"),
    MEMBERS_END,
};

static const struct member pool_spec[] = {
    MEMBER("template", ANY),
    MEMBER("capacitySpec", OBJECT, .required = true, .members = capacity_members),
    MEMBER("scaleStrategy", OBJECT, .members = unavailable_members),
    MEMBER("updateStrategy", OBJECT, .members = unavailable_members),
    MEMBER("recycleStrategy", OBJECT, .members = recycle_members),
    MEMBERS_END,
};

static const struct member pool_status[] = {
    MEMBER("total", INT32, .required = true),
    MEMBER("allocated", INT32, .required = true),
    MEMBER("available", INT32, .required = true),
    MEMBER("revision", STRING, .required = true),
    MEMBER("updated", INT32),
    MEMBER("observedGeneration", INT64),
    MEMBERS_END,
};

static const struct member pool_members[] = {
    MEMBER("apiVersion", STRING),
    MEMBER("kind", STRING),
    MEMBER("metadata", ANY),
    MEMBER("spec", OBJECT, .members = pool_spec),
    MEMBER("status", OBJECT, .members = pool_status),
    MEMBERS_END,
};

static const struct member *const schemas[KIND_MAX] = {
    [KIND_BATCH_SANDBOX]    = sandbox_members,
    [KIND_SANDBOX_SNAPSHOT] = snapshot_members,
    [KIND_POD]              = NULL, /* no custom resources */
    [KIND_SECRET]           = NULL,
    [KIND_EVENT]            = NULL,
    [KIND_POOL]             = pool_members,
};
/* clang-format on */

/* ---- defaults ---- */

static void default_member(const struct member *member, json_t *object)
{
    if (json_object_get(object, member->name))
        return;
    if (member->default_string)
        json_object_set_new(object, member->name, json_string(member->default_string));
    else if (member->has_default_int)
        json_object_set_new(object, member->name, json_integer(member->default_int));
}

static void default_members(const struct member *members, json_t *object)
{
    for (const struct member *member = members; member->name; member++) {
        default_member(member, object);
        if (member->type == MEMBER_OBJECT && json_is_object(json_object_get(object, member->name)))
            default_members(member->members, json_object_get(object, member->name));
    }
}

/* ---- pruning ---- */

static const struct member *member_named(const struct member *members, const char *name)
{
    for (const struct member *member = members; member->name; member++)
        if (strcmp(member->name, name) == 0)
            return member;
    return NULL;
}

static void prune_members(const struct member *members, json_t *object);

static void prune_items(const struct member *member, json_t *list)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        prune_members(member->members, item);
    }
}

static void prune_members(const struct member *members, json_t *object)
{
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, name, value)
    {
        const struct member *member = member_named(members, name);
        if (!member || json_is_null(value)) /* none of ours is nullable: null is as good as absent */
            json_object_del(object, name);
        else if (member->type == MEMBER_OBJECT)
            prune_members(member->members, value);
        else if (member->type == MEMBER_LIST)
            prune_items(member, value);
    }
}

void schema_apply(enum cluster_kind kind, json_t *object)
{
    if (!schemas[kind])
        return;
    prune_members(schemas[kind], object);
    default_members(schemas[kind], object);
}

/* ---- checks ---- */

static const char *type_name(enum member_type type)
{
    switch (type) {
    case MEMBER_ANY:
    case MEMBER_OBJECT:
        return "object";
    case MEMBER_STRING:
        return "string";
    case MEMBER_TIME:
        return "date-time";
    case MEMBER_INT32:
    case MEMBER_INT64:
        return "integer";
    case MEMBER_BOOL:
        return "boolean";
    case MEMBER_LIST:
        return "array";
    }
    return "";
}

static const char *json_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        return "null";
    }
    return "";
}

static int refuse_type(const struct member *member, const json_t *value, const char *path, struct error *err)
{
    const char *found = json_type_name(value);
    return error_set(err, ERR_INVALID, "%s: Invalid value: \"%s\": %s in body must be of type %s: \"%s\"",
                     path, found, path, type_name(member->type), found);
}

static int check_one_of(const struct member *member, const char *text, const char *path, struct error *err)
{
    char allowed[128] = "";
    for (const char *const *word = member->one_of; word && *word; word++) {
        if (strcmp(*word, text) == 0)
            return 0;
        size_t used = strlen(allowed);
        (void)snprintf(allowed + used, sizeof(allowed) - used, "%s\"%s\"", used ? ", " : "", *word);
    }
    if (!member->one_of)
        return 0;
    return error_set(err, ERR_INVALID, "%s: Unsupported value: \"%.*s\": supported values: %s", path,
                     QUOTED(text), allowed);
}

static int check_time(const json_t *value, const char *path, struct error *err)
{
    int64_t unix_ms;
    if (rfc3339_parse(json_string_value(value), &unix_ms, err) == 0)
        return 0;
    return error_set(err, ERR_INVALID, "%s: Invalid value: \"%.*s\": %s in body must be of type date-time",
                     path, QUOTED(json_string_value(value)), path);
}

static int check_int(const struct member *member, const json_t *value, const char *path, struct error *err)
{
    json_int_t number = json_integer_value(value);
    if (member->not_negative && number < 0)
        return error_set(err, ERR_INVALID,
                         "%s: Invalid value: %" JSON_INTEGER_FORMAT
                         ": %s in body should be greater than or equal to 0",
                         path, number, path);
    if (member->type == MEMBER_INT32 && (number < INT32_MIN || number > INT32_MAX))
        return error_set(err, ERR_INVALID,
                         "%s: Invalid value: %" JSON_INTEGER_FORMAT ": %s in body must be of type int32",
                         path, number, path);
    return 0;
}

static int check_members(const struct member *members, const json_t *object, const char *path,
                         struct error *err);

/* A list that stands for a map ("x-kubernetes-list-type: map"). The item `at` must be the first of its key.
 */
static int check_list_key(const struct member *member, const json_t *list, size_t at, const char *path,
                          struct error *err)
{
    const json_t *key = json_object_get(json_array_get(list, at), member->list_key);
    for (size_t i = 0; i < at; i++)
        if (json_equal(json_object_get(json_array_get(list, i), member->list_key), key))
            return error_set(err, ERR_INVALID, "%s: Duplicate value: {\"%s\":\"%.*s\"}", path,
                             member->list_key, QUOTED(json_string_value(key)));
    return 0;
}

static int check_list(const struct member *member, const json_t *list, const char *path, struct error *err)
{
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        char item_path[PATH_SIZE + 24];
        (void)snprintf(item_path, sizeof(item_path), "%s[%zu]", path, i);
        if (!json_is_object(item))
            return refuse_type(&(struct member){.type = MEMBER_OBJECT}, item, item_path, err);
        if (check_members(member->members, item, item_path, err) < 0)
            return -1;
        if (member->list_key && check_list_key(member, list, i, item_path, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_right_type(const struct member *member, const json_t *value)
{
    switch (member->type) {
    case MEMBER_ANY:
        return true;
    case MEMBER_STRING:
    case MEMBER_TIME:
        return json_is_string(value);
    case MEMBER_INT32:
    case MEMBER_INT64:
        return json_is_integer(value);
    case MEMBER_BOOL:
        return json_is_boolean(value);
    case MEMBER_OBJECT:
        return json_is_object(value);
    case MEMBER_LIST:
        return json_is_array(value);
    }
    return false;
}

static int check_value(const struct member *member, const json_t *value, const char *path, struct error *err)
{
    if (!has_right_type(member, value))
        return refuse_type(member, value, path, err);
    switch (member->type) {
    case MEMBER_STRING:
        return check_one_of(member, json_string_value(value), path, err);
    case MEMBER_TIME:
        return check_time(value, path, err);
    case MEMBER_INT32:
    case MEMBER_INT64:
        return check_int(member, value, path, err);
    case MEMBER_OBJECT:
        return check_members(member->members, value, path, err);
    case MEMBER_LIST:
        return check_list(member, value, path, err);
    case MEMBER_ANY:
    case MEMBER_BOOL:
        return 0;
    }
    return 0;
}

static int check_members(const struct member *members, const json_t *object, const char *path,
                         struct error *err)
{
    for (const struct member *member = members; member->name; member++) {
        const json_t *value = json_object_get(object, member->name);
        char member_path[PATH_SIZE];
        (void)snprintf(member_path, sizeof(member_path), "%s%s%s", path, path[0] ? "." : "", member->name);
        if (!value && member->required)
            return error_set(err, ERR_INVALID, "%s: Required value", member_path);
        if (value && check_value(member, value, member_path, err) < 0)
            return -1;
    }
    return 0;
}

int schema_check(enum cluster_kind kind, const json_t *object, struct error *err)
{
    return schemas[kind] ? check_members(schemas[kind], object, "", err) : 0;
}
