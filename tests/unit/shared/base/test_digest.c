#include "shared/base/digest.h"
#include "tests/unit/testing.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void known_bytes_have_their_known_digest(void **state)
{
    (void)state;
    assert_string_equal(digest_of("", 0).text, EMPTY);
    assert_string_equal(digest_of("abc", 3).text, ABC); /* FIPS 180-4, the first example */
}

static void parsing_undoes_spelling(void **state)
{
    struct error err;
    (void)state;

    for (unsigned i = 0; i < 500; i++) {
        struct digest digest = digest_of(&i, sizeof(i)), parsed;
        assert_ok(digest_parse(digest.text, &parsed, &err), &err);
        assert_true(digest_equal(&digest, &parsed));
        assert_memory_equal(digest.bytes, parsed.bytes, sizeof(digest.bytes));
        assert_string_equal(digest.text, parsed.text);
    }
}

static void these_are_no_digests(void **state)
{
    static const char *const rows[] = {
        "",
        "sha256",
        "sha256:",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
        "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85/",
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct digest digest = {0};
        assert_fails(digest_parse(rows[i], &digest, &err), &err, ERR_INVALID,
                     "want sha256: and 64 lowercase hex digits, got \"");
        assert_false(digest_is_set(&digest));
        assert_contains(err.text, rows[i]);
    }
}

static void only_a_digest_that_was_given_is_set(void **state)
{
    struct digest none = {0}, some = digest_of("", 0);
    (void)state;

    assert_false(digest_is_set(&none));
    assert_true(digest_is_set(&some));
    assert_false(digest_equal(&none, &some));
}

static void a_stream_has_the_digest_of_its_bytes_however_it_is_cut(void **state)
{
    uint8_t bytes[1000];
    (void)state;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 31);
    struct digest whole = digest_of(bytes, sizeof(bytes));
    for (size_t step = 1; step <= sizeof(bytes); step += 13) {
        struct hasher *hasher = hasher_new();
        for (size_t at = 0; at < sizeof(bytes); at += step)
            hasher_update(hasher, bytes + at, sizeof(bytes) - at < step ? sizeof(bytes) - at : step);
        struct digest streamed = hasher_finish(hasher);
        assert_string_equal(streamed.text, whole.text);
    }
}

static void a_stream_may_be_given_up(void **state)
{
    SCOPED(hasher) struct hasher *hasher = hasher_new();
    (void)state;

    hasher_update(hasher, "abc", 3);
    hasher_free(NULL);
} /* the leak checker says whether it is gone */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_bytes_have_their_known_digest),
        cmocka_unit_test(parsing_undoes_spelling),
        cmocka_unit_test(these_are_no_digests),
        cmocka_unit_test(only_a_digest_that_was_given_is_set),
        cmocka_unit_test(a_stream_has_the_digest_of_its_bytes_however_it_is_cut),
        cmocka_unit_test(a_stream_may_be_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
