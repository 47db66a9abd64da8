#include "lifecycle-svc/rest/route.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/http/form.h"

static const char PREFIX[] = "/v1";

/* The path behind /v1, or the path itself. */
static const char *without_prefix(const char *path)
{
    size_t length = sizeof(PREFIX) - 1;

    return strncmp(path, PREFIX, length) == 0 && path[length] == '/' ? path + length : path;
}

static size_t segment_length(const char *at)
{
    return strcspn(at, "/");
}

static bool same_segment(const char *a, size_t a_length, const char *b, size_t b_length)
{
    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

/* Walks both texts a segment at a time; both begin with a slash, or are empty. */
static bool matches(const char *pattern, const char *path, char *params[ROUTE_MAX_PARAMS])
{
    size_t count = 0;

    while (*pattern == '/' && *path == '/') {
        size_t want = segment_length(++pattern), got = segment_length(++path);

        if (same_segment(pattern, want, "*", 1))
            return true;
        if (same_segment(pattern, want, "{}", 2)) {
            if (got == 0)
                return false;
            params[count] = xstrndup(path, got);
            (void)form_decode(params[count++], 0);
        } else if (!same_segment(pattern, want, path, got)) {
            return false;
        }
        pattern += want;
        path += got;
    }
    return *pattern == '\0' && *path == '\0';
}

static void drop_params(struct route_match *match)
{
    for (size_t i = 0; i < ROUTE_MAX_PARAMS; i++) {
        free(match->params[i]);
        match->params[i] = NULL;
    }
}

void route_find(const struct route *routes, const char *method, const char *path,
                struct route_match *ret_match)
{
    const char *inner = without_prefix(path);

    *ret_match = (struct route_match){0};
    for (const struct route *route = routes; route->pattern; route++) {
        drop_params(ret_match);
        if (!matches(route->pattern, route->root_only ? path : inner, ret_match->params))
            continue;
        if (strcmp(route->method, "*") == 0 || strcmp(route->method, method) == 0) {
            ret_match->route = route;
            return;
        }
        ret_match->wrong_method = true;
    }
    drop_params(ret_match);
}

void route_match_done(struct route_match *match)
{
    drop_params(match);
}

/* ^(/v1)?/sandboxes/[^/]+/proxy/<digits>(/|$) */
bool path_is_proxy(const char *path)
{
    static const char head[] = "/sandboxes/", middle[] = "/proxy/";
    const char *at = without_prefix(path);

    if (strncmp(at, head, sizeof(head) - 1) != 0)
        return false;
    at += sizeof(head) - 1;
    size_t id = segment_length(at);
    if (id == 0 || strncmp(at + id, middle, sizeof(middle) - 1) != 0)
        return false;
    at += id + sizeof(middle) - 1;
    size_t digits = strspn(at, "0123456789");
    return digits > 0 && (at[digits] == '/' || at[digits] == '\0');
}

static bool climbs(const char *path)
{
    SCOPED(string) char *decoded = xstrdup(path);

    (void)form_decode(decoded, 0);
    return strstr(path, "..") || strstr(decoded, "..");
}

bool path_is_public(const char *path)
{
    static const char *const exact[] = {"/health", "/docs", "/redoc", "/openapi.json"};

    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
        if (strcmp(path, exact[i]) == 0)
            return true;
    return path_is_proxy(path) && !climbs(path);
}
