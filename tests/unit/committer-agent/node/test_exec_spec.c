#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/node/exec_spec.h"
#include "shared/base/cleanup.h"

static void an_exec_is_the_containers_process_with_another_command(void **state)
{
    char *words[] = {(char *)"ls", (char *)"-l", (char *)"a \"b\""};
    SCOPED(string) char *json = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(
        exec_process_json("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/w\","
                          "\"terminal\":true,\"user\":{\"uid\":5,\"gid\":6},\"consoleSize\":{\"height\":1}},"
                          "\"root\":{}}",
                          words, 3, &json, &err),
        0);
    assert_non_null(strstr(json, "\"args\":[\"ls\",\"-l\",\"a \\\"b\\\"\"]"));
    assert_non_null(strstr(json, "\"cwd\":\"/w\""));
    assert_non_null(strstr(json, "\"uid\":5"));
    assert_non_null(strstr(json, "\"terminal\":false"));
    assert_null(strstr(json, "consoleSize"));
    assert_null(strstr(json, "root"));
}

static void specs_without_a_process_and_words_that_are_no_text_are_refused(void **state)
{
    char *words[] = {(char *)"ls"}, *bytes[] = {(char *)"\xff"};
    char *json = NULL;
    struct error err = {0};

    (void)state;
    assert_int_equal(exec_process_json("{}", words, 1, &json, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(exec_process_json("{\"process\":[]}", words, 1, &json, &err), -1);
    assert_int_equal(exec_process_json("nonsense", words, 1, &json, &err), -1);
    assert_int_equal(exec_process_json("{\"process\":{}}", bytes, 1, &json, &err), -1);
    assert_null(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exec_is_the_containers_process_with_another_command),
        cmocka_unit_test(specs_without_a_process_and_words_that_are_no_text_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
