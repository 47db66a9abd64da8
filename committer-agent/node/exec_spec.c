#include "committer-agent/node/exec_spec.h"

#include <string.h>

#include "shared/base/cleanup.h"
#include "shared/json/json.h"

int exec_process_json(const char *container_spec, char *const *command, size_t word_count, char **ret_json,
                      struct error *err)
{
    SCOPED(json) json_t *spec = NULL;
    SCOPED(json) json_t *words = json_array();

    if (json_parse(container_spec, strlen(container_spec), "runtime spec", &spec, err) < 0)
        return -1;
    json_t *process = json_object_get(spec, "process");
    if (!json_is_object(process))
        return error_set(err, ERR_INVALID, "runtime spec: want an object \"process\"");
    for (size_t i = 0; i < word_count; i++)
        if (json_array_append_new(words, json_string(command[i])) < 0)
            return error_set(err, ERR_INVALID, "command[%zu]: want UTF-8", i);
    json_object_set(process, "args", words);
    json_object_set_new(process, "terminal", json_false());
    json_object_del(process, "consoleSize");
    *ret_json = json_text(process);
    return 0;
}
