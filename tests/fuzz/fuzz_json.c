/* json_parse and json_read over a table with a member of every kind: what json_write makes of a document reads back as
 * the same struct, which writes the same bytes. */
#include "tests/unit/testing.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/shared/json/everything.h"

/* Whatever has one spelling only is written as it was read. */
static void check_kept(const json_t *doc, const json_t *written)
{
    for (const struct json_field *field = everything_fields; field->name; field++) {
        const json_t *was = json_object_get(doc, field->name), *is = json_object_get(written, field->name);
        bool may_differ = field->kind == JSON_TIME || field->kind == JSON_STRUCT || field->kind == JSON_LIST;
        if (was && is && !json_is_null(was) && !may_differ)
            FUZZ_CHECK(json_equal(was, is));
    }
}

/* NULL: refused. */
static char *read_and_write(const json_t *doc)
{
    struct everything all = {0};
    struct error err = {0};

    if (json_read(doc, everything_fields, "doc", &all, &err) < 0) {
        FUZZ_CHECK(err.code == ERR_INVALID || err.code == ERR_EXHAUSTED);
        return NULL;
    }
    SCOPED(json) json_t *written = json_write(everything_fields, &all);
    json_free_fields(everything_fields, &all);
    check_kept(doc, written);
    return json_text(written);
}

static json_t *parse(const char *text, size_t length)
{
    json_t *doc = NULL;
    struct error err = {0};

    return json_parse(text, length, "doc", &doc, &err) == 0 ? doc : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(json) json_t *doc = parse((const char *)data, size);
    if (!doc)
        return 0;
    SCOPED(string) char *canonical = json_canonical(doc);
    SCOPED(json) json_t *same = parse(canonical, strlen(canonical));
    FUZZ_CHECK(same);
    SCOPED(string) char *canonical_again = json_canonical(same);
    FUZZ_CHECK(strcmp(canonical, canonical_again) == 0);

    SCOPED(string) char *written = read_and_write(doc);
    if (!written)
        return 0;
    SCOPED(json) json_t *second = parse(written, strlen(written));
    FUZZ_CHECK(second);
    SCOPED(string) char *written_again = read_and_write(second);
    FUZZ_CHECK(written_again && strcmp(written, written_again) == 0);
    return 0;
}
