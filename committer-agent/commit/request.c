#include "committer-agent/commit/request.h"

#include <string.h>

#include "committer-agent/image/reference.h"
#include "shared/base/alloc.h"

int commit_key_check(const char *key, struct error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = key ? strlen(key) : 0;

    if (length == 0 || length > COMMIT_KEY_MAX || strspn(key, letters) != length)
        return error_set(err, ERR_INVALID, "key: want 1 to %d of [A-Za-z0-9._-]", COMMIT_KEY_MAX);
    return 0;
}

static int check_container(const struct commit_request *request, size_t i, struct error *err)
{
    const struct commit_container *container = &request->containers[i];
    struct reference reference;

    if (!container->name || !*container->name)
        return error_set(err, ERR_INVALID, "containers[%zu].container: want a container name, got none", i);
    for (size_t before = 0; before < i; before++)
        if (strcmp(request->containers[before].name, container->name) == 0)
            return error_set(err, ERR_INVALID, "containers[%zu].container: \"%s\" is named twice", i,
                             container->name);
    if (reference_parse(container->image, &reference, err) < 0)
        return error_wrap(err, "containers[%zu].image", i);
    if (!reference.tag[0] || digest_is_set(&reference.digest))
        return error_set(err, ERR_INVALID,
                         "containers[%zu].image: want repository:tag to push to, got \"%s\"", i,
                         container->image);
    return 0;
}

int commit_request_check(const struct commit_request *request, struct error *err)
{
    if (commit_key_check(request->key, err) < 0)
        return -1;
    if (!*request->pod_uid && (!*request->pod_ns || !*request->pod_name))
        return error_set(err, ERR_INVALID, "pod: want a uid, or namespace and name");
    if (request->count == 0 || request->count > COMMIT_CONTAINERS_MAX)
        return error_set(err, ERR_INVALID, "containers: want 1 to %d, got %zu", COMMIT_CONTAINERS_MAX,
                         request->count);
    for (size_t i = 0; i < request->count; i++)
        if (check_container(request, i, err) < 0)
            return -1;
    return 0;
}

/* Known on both sides and different. */
static bool differ(const char *a, const char *b)
{
    return *a && *b && strcmp(a, b) != 0;
}

static const char *image_for(const struct commit_request *request, const char *container)
{
    for (size_t i = 0; i < request->count; i++)
        if (strcmp(request->containers[i].name, container) == 0)
            return request->containers[i].image;
    return "";
}

bool commit_request_same(const struct commit_request *a, const struct commit_request *b)
{
    if (strcmp(a->key, b->key) != 0 || differ(a->pod_uid, b->pod_uid) || differ(a->pod_ns, b->pod_ns) ||
        differ(a->pod_name, b->pod_name) || a->count != b->count || a->hold != b->hold)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->containers[i].image, image_for(b, a->containers[i].name)) != 0)
            return false;
    return true;
}

struct commit_request *commit_request_copy(const struct commit_request *request)
{
    struct commit_request *copy = xcalloc(1, sizeof(*copy));

    *copy = *request;
    copy->key = xstrdup(request->key);
    copy->pod_uid = xstrdup(request->pod_uid);
    copy->pod_ns = xstrdup(request->pod_ns);
    copy->pod_name = xstrdup(request->pod_name);
    copy->containers = xcalloc(request->count, sizeof(*copy->containers));
    for (size_t i = 0; i < request->count; i++)
        copy->containers[i] = (struct commit_container){.name = xstrdup(request->containers[i].name),
                                                        .image = xstrdup(request->containers[i].image)};
    if (request->docker_config) {
        copy->docker_config = xcalloc(request->docker_config_length + 1, 1);
        memcpy(copy->docker_config, request->docker_config, request->docker_config_length);
    }
    return copy;
}

void commit_request_forget_credentials(struct commit_request *request)
{
    if (request->docker_config)
        explicit_bzero(request->docker_config, request->docker_config_length);
    free(request->docker_config);
    request->docker_config = NULL;
    request->docker_config_length = 0;
}

void commit_request_free(struct commit_request *request)
{
    if (!request)
        return;
    for (size_t i = 0; i < request->count; i++) {
        free(request->containers[i].name);
        free(request->containers[i].image);
    }
    free(request->containers);
    commit_request_forget_credentials(request);
    free(request->key);
    free(request->pod_uid);
    free(request->pod_ns);
    free(request->pod_name);
    free(request);
}

void commit_results_free(struct commit_result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct commit_result *result = &results[i];
        for (size_t k = 0; k < result->skipped_count; k++) {
            free(result->skipped[k].kind);
            free(result->skipped[k].example);
        }
        free(result->skipped);
        free(result->container);
        free(result->image);
        free(result->digest);
        free(result->layer_digest);
        free(result->diff_id);
        free(result->chain_id);
    }
    free(results);
}
