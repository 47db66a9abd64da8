/* Image references: the full spelling parses to an equal reference. */
#include "tests/fuzz/fuzz.h"

#include "committer-agent/image/reference.h"

static void check_same(const struct reference *a, const struct reference *b)
{
    FUZZ_CHECK(strcmp(a->host, b->host) == 0 && strcmp(a->repository, b->repository) == 0);
    FUZZ_CHECK(strcmp(a->tag, b->tag) == 0 && digest_equal(&a->digest, &b->digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    struct reference reference, again;
    struct error err = {0};

    if (reference_parse(text, &reference, &err) < 0) {
        FUZZ_CHECK(err.code == ERR_INVALID && strcmp(err.reason, "InvalidImageReference") == 0);
        return 0;
    }
    SCOPED(string) char *full = reference_text(&reference);
    FUZZ_CHECK(reference_parse(full, &again, &err) == 0);
    check_same(&reference, &again);
    FUZZ_CHECK(!reference_target(&reference) == (!*reference.tag && !digest_is_set(&reference.digest)));
    return 0;
}
