/* The process of an exec: a word on the first line, the container's runtime spec behind it. */
#include "tests/fuzz/fuzz.h"

#include "committer-agent/node/exec_spec.h"
#include "shared/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    SCOPED(string) char *process = NULL;
    SCOPED(json) json_t *doc = NULL;
    char *rest = text;
    char *const command[] = {fuzz_line(&rest)};
    struct error err = {0};

    if (!rest || exec_process_json(rest, command, 1, &process, &err) < 0)
        return 0;
    FUZZ_CHECK(json_parse(process, strlen(process), "process", &doc, &err) == 0);
    const char *word = json_string_value(json_array_get(json_object_get(doc, "args"), 0));
    FUZZ_CHECK(word && strcmp(word, command[0]) == 0);
    return 0;
}
