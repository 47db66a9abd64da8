#include "committer-agent/job/result.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"

/* As the readers of a termination message know them. */
struct told_container {
    char *name, *image, *digest;
};
struct told_success {
    struct json_list containers;
};
struct told_failure {
    char *reason, *message;
    bool retryable;
};

static const struct json_field container_fields[] = {
    {.name = "name", .kind = JSON_STR, .offset = offsetof(struct told_container, name)},
    {.name = "image", .kind = JSON_STR, .offset = offsetof(struct told_container, image)},
    {.name = "digest", .kind = JSON_STR, .offset = offsetof(struct told_container, digest)},
    JSON_FIELDS_END,
};
static const struct json_field success_fields[] = {
    {.name = "containers",
     .kind = JSON_LIST,
     .offset = offsetof(struct told_success, containers),
     .fields = container_fields,
     .item_size = sizeof(struct told_container)},
    JSON_FIELDS_END,
};
static const struct json_field failure_fields[] = {
    {.name = "reason", .kind = JSON_STR, .offset = offsetof(struct told_failure, reason)},
    {.name = "message", .kind = JSON_STR, .offset = offsetof(struct told_failure, message)},
    {.name = "retryable", .kind = JSON_BOOL, .offset = offsetof(struct told_failure, retryable)},
    JSON_FIELDS_END,
};

void job_digest_lines(const struct commit_result *results, size_t count, struct strbuf *out)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_adds(out, "SNAPSHOT_DIGEST_");
        for (const char *c = results[i].container; *c; c++)
            strbuf_addc(out, *c == '-' ? '_' : (char)toupper((unsigned char)*c));
        strbuf_addf(out, "=%s\n", results[i].digest);
    }
    if (count)
        strbuf_addf(out, "SNAPSHOT_DIGEST=%s\n", results[0].digest);
}

static char *success_text(const struct commit_result *results, size_t count, bool with_images)
{
    SCOPED(memory) struct told_container *told = xcalloc(count + 1, sizeof(*told));

    for (size_t i = 0; i < count; i++)
        told[i] = (struct told_container){.name = results[i].container,
                                          .image = with_images ? results[i].image : NULL,
                                          .digest = results[i].digest};
    const struct told_success success = {.containers = {.items = told, .count = count}};
    SCOPED(json) json_t *document = json_write(success_fields, &success);
    return json_text(document);
}

char *job_success_message(const struct commit_result *results, size_t count)
{
    for (int with_images = 1; with_images >= 0; with_images--) {
        SCOPED(string) char *text = success_text(results, count, with_images);
        if (strlen(text) <= JOB_MESSAGE_MAX_BYTES)
            return TAKE(text);
    }
    return NULL;
}

char *job_failure_message(const struct error *failed)
{
    const char *reason = failed->reason[0] ? failed->reason : error_code_name(failed->code);
    struct error copy = *failed;
    const struct told_failure told = {.reason = (char *)(uintptr_t)reason, /* only read */
                                      .message = copy.text,
                                      .retryable = error_is_transient(failed->code)};
    SCOPED(json) json_t *document = json_write(failure_fields, &told);
    return json_text(document); /* an error's text is short, even when every byte of it is escaped */
}
_Static_assert(sizeof((struct error){0}.text) * 6 + 256 < JOB_MESSAGE_MAX_BYTES, "a failure always fits");

int job_message_write(const char *path, const char *message, struct error *err)
{
    SCOPED(fd) int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
    size_t length = strlen(message);

    if (fd < 0)
        return error_sys(err, errno, "termination log %s", path);
    ssize_t written = write(fd, message, length);
    if (written < 0)
        return error_sys(err, errno, "termination log %s", path);
    if ((size_t)written == length)
        return 0;
    if (ftruncate(fd, 0) < 0) /* none is better than half of one */
        return error_sys(err, errno, "termination log %s, which holds half a message now", path);
    return error_set(err, ERR_EXHAUSTED, "termination log %s took %zd of %zu bytes", path, written, length);
}
