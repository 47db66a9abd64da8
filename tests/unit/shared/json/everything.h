/* everything.h - one struct with a member of every kind, for the tests of both directions. */
#pragma once

#include "shared/base/digest.h"
#include "shared/json/json.h"

struct inner {
    char *name;
    struct digest digest;
    int ready;
};

struct everything {
    char *text;
    bool flag;
    int maybe;
    int32_t small;
    int64_t wide;
    uint64_t size_bytes;
    struct digest digest;
    int64_t created_unix_ms;
    struct json_strings words;
    struct json_map labels;
    struct json_map patch;
    struct inner inner;
    struct json_list layers; /* of struct inner */
    json_t *any, *any_object, *any_array;
};

// clang-format off
static const struct json_field inner_fields[] = {
    {"name",   JSON_STR,      offsetof(struct inner, name),   JSON_REQUIRED, NULL, 0},
    {"digest", JSON_DIGEST,   offsetof(struct inner, digest), JSON_OPTIONAL, NULL, 0},
    {"ready",  JSON_TRISTATE, offsetof(struct inner, ready),  JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field everything_fields[] = {
    {"text",    JSON_STR,        offsetof(struct everything, text),            0, NULL, 0},
    {"flag",    JSON_BOOL,       offsetof(struct everything, flag),            0, NULL, 0},
    {"maybe",   JSON_TRISTATE,   offsetof(struct everything, maybe),           0, NULL, 0},
    {"small",   JSON_INT32,      offsetof(struct everything, small),           0, NULL, 0},
    {"wide",    JSON_INT64,      offsetof(struct everything, wide),            0, NULL, 0},
    {"size",    JSON_SIZE,       offsetof(struct everything, size_bytes),      0, NULL, 0},
    {"digest",  JSON_DIGEST,     offsetof(struct everything, digest),          0, NULL, 0},
    {"created", JSON_TIME,       offsetof(struct everything, created_unix_ms), 0, NULL, 0},
    {"words",   JSON_STR_LIST,   offsetof(struct everything, words),           0, NULL, 0},
    {"labels",  JSON_STR_MAP,    offsetof(struct everything, labels),          0, NULL, 0},
    {"patch",   JSON_STR_MAP,    offsetof(struct everything, patch),           JSON_NULLABLE_VALUES, NULL, 0},
    {"inner",   JSON_STRUCT,     offsetof(struct everything, inner),           0, inner_fields, 0},
    {"layers",  JSON_LIST,       offsetof(struct everything, layers),          0, inner_fields, sizeof(struct inner)},
    {"any",     JSON_ANY,        offsetof(struct everything, any),             0, NULL, 0},
    {"object",  JSON_ANY_OBJECT, offsetof(struct everything, any_object),      0, NULL, 0},
    {"array",   JSON_ANY_ARRAY,  offsetof(struct everything, any_array),       0, NULL, 0},
    JSON_FIELDS_END,
};
// clang-format on

#define DIGEST_A "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define DIGEST_B "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* In the order of the table and without spaces, so that writing gives these very bytes. */
#define FULL_DOCUMENT                                                                                        \
    "{\"text\":\"t\",\"flag\":true,\"maybe\":false,\"small\":-2147483648,\"wide\":-9223372036854775808,"     \
    "\"size\":9223372036854775807,\"digest\":\"" DIGEST_A "\",\"created\":\"2029-06-01T10:00:00Z\","         \
    "\"words\":[\"x\",\"\",\"y\"],\"labels\":{\"z\":\"1\",\"a\":\"2\"},\"patch\":{\"keep\":\"1\",\"drop\":"  \
    "null},"                                                                                                 \
    "\"inner\":{\"name\":\"i\",\"ready\":true},\"layers\":[{\"name\":\"l0\",\"digest\":\"" DIGEST_B          \
    "\"},{\"name\":\"l1\",\"ready\":false}],\"any\":[1,null],\"object\":{\"k\":1.5},\"array\":[]}"

static inline json_t *parsed(const char *text)
{
    struct error err;
    json_t *doc = NULL;
    assert_ok(json_parse(text, strlen(text), "doc", &doc, &err), &err);
    return doc;
}
