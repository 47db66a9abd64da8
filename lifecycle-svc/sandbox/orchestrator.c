#include "lifecycle-svc/sandbox/orchestrator.h"

#include <string.h>

const orch_condition *orch_true_condition(const orch_sandbox *sandbox, const char *type)
{
    for (size_t i = 0; i < sandbox->n_conditions; i++)
        if (strcmp(sandbox->conditions[i]->type, type) == 0 &&
            strcmp(sandbox->conditions[i]->status, "True") == 0)
            return sandbox->conditions[i];
    return NULL;
}

const char *orch_label(const orch_sandbox *sandbox, const char *key)
{
    for (size_t i = 0; i < sandbox->n_labels; i++)
        if (strcmp(sandbox->labels[i]->key, key) == 0)
            return sandbox->labels[i]->value;
    return NULL;
}
