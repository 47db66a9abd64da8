#include "snapshot-svc/model/job.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { TERMINATION_MESSAGE_MAX = 64 << 10 }; /* the kubelet keeps 4 KiB of each; more is nobody's we know */

/* clang-format off */
static const struct json_field status_fields[] = {
    {"succeeded",      JSON_INT32, offsetof(struct job, succeeded),     JSON_OPTIONAL, NULL, 0},
    {"failed",         JSON_INT32, offsetof(struct job, failed),        JSON_OPTIONAL, NULL, 0},
    {"completionTime", JSON_TIME,  offsetof(struct job, completion_ms), JSON_OPTIONAL, NULL, 0},
    {"conditions",     JSON_LIST,  offsetof(struct job, conditions),    JSON_OPTIONAL, condition_fields,
     sizeof(struct condition)},
    JSON_FIELDS_END,
};

static const struct json_field job_fields[] = {
    {"metadata", JSON_STRUCT, offsetof(struct job, meta), JSON_REQUIRED, object_meta_fields, 0},
    {"status",   JSON_STRUCT, 0,                          JSON_OPTIONAL, status_fields, 0},
    JSON_FIELDS_END,
};

static const struct json_field image_fields[] = {
    {"name",   JSON_STR, offsetof(struct job_result_image, name),   JSON_OPTIONAL, NULL, 0},
    {"image",  JSON_STR, offsetof(struct job_result_image, image),  JSON_OPTIONAL, NULL, 0},
    {"digest", JSON_STR, offsetof(struct job_result_image, digest), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};

static const struct json_field result_fields[] = {
    {"containers", JSON_LIST,     offsetof(struct job_result, images),    JSON_OPTIONAL, image_fields,
     sizeof(struct job_result_image)},
    {"reason",     JSON_STR,      offsetof(struct job_result, reason),    JSON_OPTIONAL, NULL, 0},
    {"message",    JSON_STR,      offsetof(struct job_result, message),   JSON_OPTIONAL, NULL, 0},
    {"retryable",  JSON_TRISTATE, offsetof(struct job_result, retryable), JSON_OPTIONAL, NULL, 0},
    JSON_FIELDS_END,
};
/* clang-format on */

int job_read(const json_t *object, struct job *out, struct error *err)
{
    return json_read(object, job_fields, "Job", out, err);
}

void job_done(struct job *job)
{
    json_free_fields(job_fields, job);
}

bool job_has_succeeded(const struct job *job)
{
    return job->succeeded > 0 || condition_is_true(&job->conditions, "Complete");
}

const struct condition *job_failure(const struct job *job)
{
    return condition_is_true(&job->conditions, "Failed") ? condition_find(&job->conditions, "Failed") : NULL;
}

const struct container_status *job_pod_container(const struct pod *pod)
{
    const struct container_status *items = pod->container_statuses.items;

    for (size_t i = 0; i < pod->container_statuses.count; i++)
        if (strcmp(items[i].name, JOB_CONTAINER) == 0)
            return &items[i];
    return NULL;
}

static bool is_complete(const struct job_result_image *image)
{
    return image->name && *image->name && image->digest && *image->digest;
}

static void drop_incomplete(struct json_list *images)
{
    struct job_result_image *items = images->items;
    size_t kept = 0;

    for (size_t i = 0; i < images->count; i++) {
        if (is_complete(&items[i])) {
            const struct job_result_image image = items[i];
            items[i] = items[kept];
            items[kept++] = image;
        }
    }
    for (size_t i = kept; i < images->count; i++)
        json_free_fields(image_fields, &items[i]);
    images->count = kept;
}

void job_result_read(const char *termination_message, struct job_result *ret_result)
{
    struct job_result result = {0};
    struct error ignored = {0};
    json_t *document = NULL;
    const size_t length = termination_message ? strlen(termination_message) : 0;

    *ret_result = (struct job_result){.retryable = -1};
    if (length == 0 || length > TERMINATION_MESSAGE_MAX ||
        json_parse(termination_message, length, "termination message", &document, &ignored) < 0)
        return;
    if (json_is_object(document) && json_read(document, result_fields, "", &result, &ignored) == 0) {
        drop_incomplete(&result.images);
        *ret_result = result;
    }
    json_decref(document);
}

void job_result_done(struct job_result *result)
{
    json_free_fields(result_fields, result);
}
