/* Paths to routes, and which paths need no key. Contract rest-api.md §1, §2. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/rest/handlers.h"

static void every_path_finds_its_route_or_none(void **state)
{
    static const struct {
        const char *method, *path, *pattern; /* NULL: 404; "405" */
        const char *first, *second;
    } rows[] = {
        {"GET", "/health", "/health", NULL, NULL},
        {"GET", "/v1/health", NULL, NULL, NULL},
        {"GET", "/sandboxes", "/sandboxes", NULL, NULL},
        {"POST", "/v1/sandboxes", "/sandboxes", NULL, NULL},
        {"GET", "/v1/sandboxes/web", "/sandboxes/{}", "web", NULL},
        {"GET", "/v1/sandboxes/a%2Fb+c", "/sandboxes/{}", "a/b+c", NULL},
        {"PATCH", "/v1/sandboxes/web/metadata", "/sandboxes/{}/metadata", "web", NULL},
        {"GET", "/sandboxes/web/endpoints/80", "/sandboxes/{}/endpoints/{}", "web", "80"},
        {"OPTIONS", "/sandboxes/w/proxy/80", "/sandboxes/{}/proxy/{}", "w", "80"},
        {"DELETE", "/v1/sandboxes/w/proxy/80/a/b", "/sandboxes/{}/proxy/{}/*", "w", "80"},
        {"GET", "/v1/sandboxes/w/proxy/80/", "/sandboxes/{}/proxy/{}/*", "w", "80"},
        {"POST", "/metrics/events", "/metrics/events", NULL, NULL},
        {"GET", "/sandboxes/", NULL, NULL, NULL},
        {"GET", "/sandboxes//pause", NULL, NULL, NULL},
        {"GET", "/v1", NULL, NULL, NULL},
        {"GET", "/v1/", NULL, NULL, NULL},
        {"GET", "", NULL, NULL, NULL},
        {"GET", "sandboxes", NULL, NULL, NULL},
        {"GET", "/v2/sandboxes", NULL, NULL, NULL},
        {"GET", "/sandboxesX", NULL, NULL, NULL},
        {"DELETE", "/v1/sandboxes", "405", NULL, NULL},
        {"GET", "/v1/sandboxes/web/pause", "405", NULL, NULL},
        {"POST", "/health", "405", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_ROUTE_MATCH struct route_match match;

        print_message("%s %s\n", rows[i].method, rows[i].path);
        route_find(rest_routes, rows[i].method, rows[i].path, &match);
        const char *found = match.route ? match.route->pattern : match.wrong_method ? "405" : "404";
        assert_string_equal(found, rows[i].pattern ? rows[i].pattern : "404");
        assert_string_equal(match.params[0] ? match.params[0] : "-", rows[i].first ? rows[i].first : "-");
        assert_string_equal(match.params[1] ? match.params[1] : "-", rows[i].second ? rows[i].second : "-");
    }
}

static void only_these_paths_need_no_key(void **state)
{
    static const char *const public[] = {"/health",
                                         "/docs",
                                         "/redoc",
                                         "/openapi.json",
                                         "/sandboxes/a/proxy/80",
                                         "/v1/sandboxes/a/proxy/80",
                                         "/v1/sandboxes/a/proxy/8080/x/y"};
    static const char *const guarded[] = {"/healthz",
                                          "/health/",
                                          "/docsX",
                                          "/v1/health",
                                          "/",
                                          "",
                                          "/sandboxes/a/proxy/",
                                          "/sandboxes/a/proxy/http",
                                          "/sandboxes/a/proxy/80x",
                                          "/sandboxes//proxy/80",
                                          "/sandboxes/a/b/proxy/80",
                                          "/x/sandboxes/a/proxy/80",
                                          "/sandboxes/a/proxy/80/../../b",
                                          "/sandboxes/a/proxy/80/%2e%2e/b",
                                          "/sandboxes/a/proxy/80/.%2E/b",
                                          "/v1/sandboxes/proxy",
                                          "/proxy/80",
                                          "/v1/v1/sandboxes/a/proxy/80"};

    (void)state;
    for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++)
        assert_true(path_is_public(public[i]));
    for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++)
        assert_false(path_is_public(guarded[i]));
}

static void only_the_probe_of_health_is_quiet_in_the_log(void **state)
{
    (void)state;
    for (const struct route *route = rest_routes; route->pattern; route++)
        assert_int_equal(route->probe, strcmp(route->pattern, "/health") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_finds_its_route_or_none),
        cmocka_unit_test(only_the_probe_of_health_is_quiet_in_the_log),
        cmocka_unit_test(only_these_paths_need_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
