/* "METHOD path": paths that need no key never climb, and a route that matched has its parameters. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/rest/handlers.h"
#include "shared/http/form.h"

static size_t count_params(const char *pattern)
{
    size_t count = 0;

    while ((pattern = strstr(pattern, "{}"))) {
        pattern += 2;
        count++;
    }
    return count;
}

static void check_public(const char *path)
{
    SCOPED(string) char *decoded = xstrdup(path);

    (void)form_decode(decoded, 0);
    FUZZ_CHECK(!strstr(path, "..") && !strstr(decoded, ".."));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *method = fuzz_text(data, size);
    SCOPED_ROUTE_MATCH struct route_match match = {0};
    char *path = strchr(method, ' ');

    if (!path)
        return 0;
    *path++ = '\0';
    route_find(rest_routes, method, path, &match);
    if (match.route) {
        size_t count = count_params(match.route->pattern);
        FUZZ_CHECK(count <= ROUTE_MAX_PARAMS);
        for (size_t i = 0; i < count; i++)
            FUZZ_CHECK(match.params[i] && *match.params[i]);
    }
    if (path_is_public(path))
        check_public(path);
    return 0;
}
