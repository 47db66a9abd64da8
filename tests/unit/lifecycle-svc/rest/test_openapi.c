/* The document of the API and the table of routes tell the same story. */
#include "tests/unit/testing.h"

#include <ctype.h>
#include <strings.h>

#include "lifecycle-svc/rest/handlers.h"
#include "lifecycle-svc/rest/openapi.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"

static const char *const methods[] = {"get", "put", "post", "delete", "patch"};
enum { METHOD_COUNT = sizeof(methods) / sizeof(methods[0]) };

static json_t *the_document(void)
{
    struct error err = {0};
    json_t *document = NULL;

    assert_ok(json_parse(openapi_document, openapi_document_length, "openapi.json", &document, &err), &err);
    return document;
}

/* "/a/{id}/b/{rest}" -> "/a/{}/b/{}"; `open_end`: the last parameter is the table's "*". */
static char *pattern_of(const char *path, bool open_end)
{
    SCOPED_STRBUF struct strbuf pattern = STRBUF_INIT;

    for (; *path; path++) {
        (void)strbuf_addc(&pattern, *path);
        if (*path == '{')
            path += strcspn(path, "}") - 1;
    }
    if (open_end && pattern.length > 2) {
        pattern.bytes[pattern.length - 2] = '*';
        pattern.bytes[--pattern.length] = '\0';
    }
    return strbuf_take(&pattern);
}

static bool describes(const char *path, const char *pattern)
{
    SCOPED(string) char *plain = pattern_of(path, false);
    SCOPED(string) char *open = pattern_of(path, true);

    return strcmp(plain, pattern) == 0 || (pattern[strlen(pattern) - 1] == '*' && strcmp(open, pattern) == 0);
}

/* The path item of a route, or NULL. Borrowed. */
static const json_t *item_of(const json_t *document, const char *pattern)
{
    const char *path;
    json_t *item;

    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        if (describes(path, pattern))
            return item;
    }
    return NULL;
}

static bool serves(const struct route *route, const char *method)
{
    return strcmp(route->method, "*") == 0 || strcasecmp(route->method, method) == 0;
}

static void it_is_openapi_3_0(void **state)
{
    SCOPED(json) json_t *document = the_document();

    (void)state;
    assert_string_equal(json_path_string(document, "openapi"), "3.0.3");
    assert_non_null(json_path_string(document, "info.title"));
    assert_string_equal(json_path_string(document, "components.securitySchemes.ApiKey.name"),
                        "OPEN-SANDBOX-API-KEY");
}

static void every_route_is_described(void **state)
{
    SCOPED(json) json_t *document = the_document();

    (void)state;
    for (const struct route *route = rest_routes; route->pattern; route++) {
        const json_t *item = item_of(document, route->pattern);
        for (size_t i = 0; i < METHOD_COUNT; i++)
            if (serves(route, methods[i]) && !json_object_get(item, methods[i]))
                fail_msg("openapi.json: want %s %s, which the server serves", methods[i], route->pattern);
        if (item && (json_object_get(item, "servers") != NULL) != route->root_only)
            fail_msg("openapi.json: %s: want its own servers if it exists at the root only", route->pattern);
    }
}

static bool is_served(const char *path, const char *method)
{
    for (const struct route *route = rest_routes; route->pattern; route++)
        if (describes(path, route->pattern) && serves(route, method))
            return true;
    return false;
}

static void everything_described_is_a_route(void **state)
{
    SCOPED(json) json_t *document = the_document();
    const char *path;
    json_t *item;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        for (size_t i = 0; i < METHOD_COUNT; i++)
            if (json_object_get(item, methods[i]) && !is_served(path, methods[i]))
                fail_msg("openapi.json tells of %s %s, which the server does not serve", methods[i], path);
    }
}

/* Public in the document is public at the door, and nothing else is. */
static void what_needs_no_key_says_so(void **state)
{
    SCOPED(json) json_t *document = the_document();
    const char *path;
    json_t *item;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        char *asked = strcmp(path, "/sandboxes/{sandboxId}/proxy/{port}") == 0
                          ? xstrdup("/sandboxes/x/proxy/80")
                      : strcmp(path, "/sandboxes/{sandboxId}/proxy/{port}/{rest}") == 0
                          ? xstrdup("/sandboxes/x/proxy/80/y")
                          : xstrdup(path);
        for (size_t i = 0; i < METHOD_COUNT; i++) {
            const json_t *operation = json_object_get(item, methods[i]);
            if (operation && path_is_public(asked) != (json_object_get(operation, "security") != NULL))
                fail_msg("openapi.json: %s %s: does it need a key?", methods[i], path);
        }
        free(asked);
    }
}

/* -- every "$ref" leads somewhere ------------------------------------------------------------------------------ */

static void follow_reference(const json_t *document, const char *reference)
{
    assert_true(strncmp(reference, "#/", 2) == 0);
    SCOPED(string) char *path = xstrdup(reference + 2);

    for (char *slash = path; (slash = strchr(slash, '/'));)
        *slash = '.';
    if (!json_path(document, path))
        fail_msg("openapi.json: %s leads nowhere", reference);
}

static void follow_all(const json_t *document, const json_t *value)
{
    const char *key;
    json_t *member;
    size_t at;

    json_object_foreach((json_t *)value, key, member)
    {
        if (strcmp(key, "$ref") == 0)
            follow_reference(document, json_string_value(member));
        follow_all(document, member);
    }
    json_array_foreach(value, at, member)
    {
        follow_all(document, member);
    }
}

static void no_reference_leads_nowhere(void **state)
{
    SCOPED(json) json_t *document = the_document();

    (void)state;
    follow_all(document, document);
}

/* Each parameter of a path is declared, or clients generated from the document do not build. */
static void every_parameter_of_a_path_is_declared(void **state)
{
    SCOPED(json) json_t *document = the_document();
    const char *path;
    json_t *item;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        size_t wanted = 0;
        for (const char *at = path; (at = strchr(at, '{')); at++)
            wanted++;
        assert_int_equal(json_array_size(json_object_get(item, "parameters")), wanted);
    }
}

static void operations_have_names_of_their_own(void **state)
{
    SCOPED(json) json_t *document = the_document();
    SCOPED(json) json_t *seen = json_object();
    const char *path;
    json_t *item;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        for (size_t i = 0; i < METHOD_COUNT; i++) {
            const char *name =
                json_string_value(json_object_get(json_object_get(item, methods[i]), "operationId"));
            if (!json_object_get(item, methods[i]))
                continue;
            assert_non_null(name);
            if (json_object_get(seen, name))
                fail_msg("openapi.json: operationId %s is there twice", name);
            (void)json_object_set_new(seen, name, json_true());
        }
    }
}

/* -- the statuses that a route can answer ----------------------------------------------------------------------- */

static void wants_status(const json_t *operation, const char *method, const char *path, const char *status)
{
    if (!json_object_get(json_object_get(operation, "responses"), status))
        fail_msg("openapi.json: %s %s: want status %s among its responses", method, path, status);
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Keys are asked for and limited; snapshot-svc may fail or be away; a body that is kept has a limit. */
static void check_statuses(const json_t *operation, const char *method, const char *path)
{
    static const char *const of_proxy[] = {"400", "404", "422", "500", "501", "502", "503"};
    const bool is_proxy = strstr(path, "/proxy/") != NULL;

    for (size_t i = 0; is_proxy && i < sizeof(of_proxy) / sizeof(of_proxy[0]); i++)
        wants_status(operation, method, path, of_proxy[i]);
    if (!json_object_get(operation, "security")) {
        wants_status(operation, method, path, "401");
        wants_status(operation, method, path, "429");
    }
    if (!is_proxy && json_object_get(operation, "requestBody"))
        wants_status(operation, method, path, "413");
    if (begins_with(path, "/sandboxes") || begins_with(path, "/snapshots")) {
        wants_status(operation, method, path, "500");
        wants_status(operation, method, path, "503");
    }
    if (strchr(path, '{') && !begins_with(path, "/pools"))
        wants_status(operation, method, path, "404");
}

static void every_operation_tells_the_statuses_that_it_can_answer(void **state)
{
    SCOPED(json) json_t *document = the_document();
    const char *path;
    json_t *item;

    (void)state;
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        for (size_t i = 0; i < METHOD_COUNT; i++) {
            const json_t *operation = json_object_get(item, methods[i]);
            if (operation)
                check_statuses(operation, methods[i], path);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_openapi_3_0),
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(everything_described_is_a_route),
        cmocka_unit_test(what_needs_no_key_says_so),
        cmocka_unit_test(no_reference_leads_nowhere),
        cmocka_unit_test(every_parameter_of_a_path_is_declared),
        cmocka_unit_test(operations_have_names_of_their_own),
        cmocka_unit_test(every_operation_tells_the_statuses_that_it_can_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
