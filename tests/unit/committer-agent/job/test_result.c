/* What a Job tells. */
#include "committer-agent/job/result.h"
#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "tests/unit/testing.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct commit_result result_of(const char *name, const char *image)
{
    return (struct commit_result){
        .container = (char *)(uintptr_t)name, .image = (char *)(uintptr_t)image, .digest = (char *)DIGEST};
}

static void names_become_variables(void **state)
{
    (void)state;
    const struct commit_result results[] = {result_of("main-box", "r/a:1"), result_of("side2", "r/b:1")};
    SCOPED_STRBUF struct strbuf lines = STRBUF_INIT;

    job_digest_lines(results, 2, &lines);
    assert_string_equal(strbuf_text(&lines),
                        "SNAPSHOT_DIGEST_MAIN_BOX=" DIGEST "\nSNAPSHOT_DIGEST_SIDE2=" DIGEST
                        "\nSNAPSHOT_DIGEST=" DIGEST "\n");
}

static void the_message_is_one_line_of_the_contract(void **state)
{
    (void)state;
    const struct commit_result results[] = {result_of("main", "r/a:1")};
    SCOPED(string) char *message = job_success_message(results, 1);

    assert_string_equal(
        message, "{\"containers\":[{\"name\":\"main\",\"image\":\"r/a:1\",\"digest\":\"" DIGEST "\"}]}");
}

/* A law over all counts and lengths of images: short enough, and whole, or none. */
static void a_message_always_fits_or_is_none(void **state)
{
    (void)state;
    char image[300], name[64];
    bool shortened = false, none = false;

    memset(image, 'i', sizeof(image));
    memset(name, 'n', 63);
    name[63] = '\0';
    for (size_t count = 1; count <= COMMIT_CONTAINERS_MAX; count++)
        for (size_t length = 1; length < sizeof(image); length += 49) {
            struct commit_result results[COMMIT_CONTAINERS_MAX];
            image[length] = '\0';
            for (size_t i = 0; i < count; i++)
                results[i] = result_of(name, image);
            image[length] = '\0';
            SCOPED(string) char *message = job_success_message(results, count);
            image[length] = 'i';
            none = none || !message;
            if (!message)
                continue;
            SCOPED(json) json_t *document = NULL;
            struct error err;
            assert_true(strlen(message) < 4096);
            assert_ok(json_parse(message, strlen(message), "message", &document, &err), &err);
            const json_t *told = json_object_get(document, "containers");
            assert_int_equal(json_array_size(told), count);
            assert_string_equal(json_string_value(json_object_get(json_array_get(told, 0), "digest")),
                                DIGEST);
            shortened = shortened || !json_object_get(json_array_get(told, 0), "image");
        }
    assert_true(shortened);
    assert_true(none);
}

static void a_failure_tells_its_reason_and_whether_another_try_may_help(void **state)
{
    (void)state;
    struct error failed;

    (void)error_set(&failed, ERR_UNAVAILABLE, "registry r: HTTP 503");
    (void)error_reason(&failed, "RegistryUnreachable");
    SCOPED(string) char *message = job_failure_message(&failed);
    assert_string_equal(message, "{\"reason\":\"RegistryUnreachable\",\"message\":\"registry r: HTTP 503\","
                                 "\"retryable\":true}");
    (void)error_set(&failed, ERR_DENIED, "no");
    SCOPED(string) char *nameless = job_failure_message(&failed);
    assert_string_equal(nameless, "{\"reason\":\"DENIED\",\"message\":\"no\",\"retryable\":false}");
}

static void a_failure_is_text_whatever_the_bytes_are(void **state)
{
    (void)state;
    struct error failed = {.code = ERR_INTERNAL};

    memset(failed.text, '\001', sizeof(failed.text) - 1); /* six bytes each, as JSON writes them */
    SCOPED(string) char *longest = job_failure_message(&failed);
    assert_true(strlen(longest) < 4096);
    memset(failed.text, 0xc3, sizeof(failed.text) - 1); /* no character at all */
    SCOPED(string) char *message = job_failure_message(&failed);
    SCOPED(json) json_t *document = NULL;
    struct error err;
    assert_true(strlen(message) < 4096);
    assert_ok(json_parse(message, strlen(message), "message", &document, &err), &err);
}

static void a_message_replaces_what_the_mounted_file_had_and_makes_no_file(void **state)
{
    (void)state;
    char path[] = "/tmp/message.XXXXXX", text[64] = "";
    int fd = mkstemp(path);
    struct error err;

    assert_true(fd >= 0 && write(fd, "a longer text from before", 25) == 25);
    assert_ok(job_message_write(path, "{}", &err), &err);
    assert_int_equal(pread(fd, text, sizeof(text), 0), 2);
    assert_string_equal(text, "{}");
    (void)close(fd);
    (void)unlink(path);
    assert_fails(job_message_write(path, "{}", &err), &err, ERR_NOT_FOUND, path);
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_variables),
        cmocka_unit_test(the_message_is_one_line_of_the_contract),
        cmocka_unit_test(a_message_always_fits_or_is_none),
        cmocka_unit_test(a_failure_tells_its_reason_and_whether_another_try_may_help),
        cmocka_unit_test(a_failure_is_text_whatever_the_bytes_are),
        cmocka_unit_test(a_message_replaces_what_the_mounted_file_had_and_makes_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
