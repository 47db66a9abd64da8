/* What a create request may ask for: quantities, volumes, timeouts. The rows that need a whole request over HTTP are in
 * tests/wire/lifecycle. Contract rest-api.md §3.2, §4.1. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/check.h"
#include "lifecycle-svc/sandbox/contract_code.h"
#include "lifecycle-svc/sandbox/quantity.h"
#include "lifecycle-svc/sandbox/volumes.h"
#include "shared/base/alloc.h"

static const int64_t NOW_MS = 1763303070000;

static struct json_strings no_paths;

static struct create_request plain(void)
{
    struct create_request request = {
        .image.uri = xstrdup("busybox"), .entrypoint_given = true, .limits_given = true};

    json_strings_add(&request.entrypoint, "sleep");
    return request;
}

static int check(struct create_request *request, int64_t max_timeout_s, struct error *err)
{
    struct check_settings settings = {.max_timeout_s = max_timeout_s, .host_paths = &no_paths};
    int result = create_request_settle(request, err);

    if (result == 0)
        result = create_request_check_mode(request, err);
    if (result == 0)
        result = create_request_check(request, &settings, NOW_MS, err);
    create_request_done(request);
    return result;
}

static void a_timeout_up_to_the_cap_is_fine(void **state)
{
    static const struct {
        int64_t timeout_s, cap_s;
        bool fine;
    } rows[] = {
        {60, 0, true},
        {59, 0, false},
        {0, 0, false},
        {-1, 0, false},
        {3600, 3600, true},
        {3601, 3600, false},
        {86400 * 365L * 1000, 0, true},
        {INT64_MAX, 0, false},
    };
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct create_request request = plain();
        request.timeout_given = true;
        request.timeout_s = rows[i].timeout_s;
        if (rows[i].fine)
            assert_ok(check(&request, rows[i].cap_s, &err), &err);
        else
            assert_fails(check(&request, rows[i].cap_s, &err), &err, ERR_INVALID, "timeout");
    }
}

static void renewal_seconds_are_300_to_86400(void **state)
{
    static const struct {
        const char *text;
        bool fine;
    } rows[] = {{"300", true},    {" 86400 ", true}, {"299", false},
                {"86401", false}, {"", false},       {"5m", false},
                {"-300", false},  {"1e3", false},    {"99999999999999999999", false}};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct create_request request = plain();
        json_map_set(&request.extensions, EXTENSION_RENEW_SECONDS, rows[i].text);
        if (rows[i].fine)
            assert_ok(check(&request, 0, &err), &err);
        else
            assert_fails(check(&request, 0, &err), &err, ERR_INVALID, "300 to 86400");
    }
}

static void a_platform_is_trimmed_lowered_and_known(void **state)
{
    static const struct {
        const char *os, *arch;
        bool fine;
    } rows[] = {{"linux", "amd64", true},   {" Linux ", "ARM64", true}, {"windows", "amd64", false},
                {"darwin", "arm64", false}, {"linux", "riscv", false},  {"", "amd64", false}};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct create_request request = plain();
        request.platform.os = xstrdup(rows[i].os);
        request.platform.arch = xstrdup(rows[i].arch);
        if (rows[i].fine)
            assert_ok(check(&request, 0, &err), &err);
        else
            assert_fails(check(&request, 0, &err), &err, ERR_INVALID, "platform");
    }
}

static void the_shape_rules_tell_the_modes_apart(void **state)
{
    struct error err = {0};
    struct create_request both = plain(), neither = plain(), blank_pool = plain(),
                          pool_and_snapshot = plain();

    (void)state;
    both.snapshot_id = xstrdup("s");
    assert_fails(check(&both, 0, &err), &err, ERR_INVALID, "got both");
    free(neither.image.uri);
    neither.image.uri = xstrdup("  ");
    assert_fails(check(&neither, 0, &err), &err, ERR_INVALID, "got none");
    json_map_set(&blank_pool.extensions, "poolRef", "  ");
    assert_ok(check(&blank_pool, 0, &err), &err);
    json_map_set(&pool_and_snapshot.extensions, "poolRef", "p");
    pool_and_snapshot.snapshot_id = xstrdup("s");
    assert_fails(check(&pool_and_snapshot, 0, &err), &err, ERR_INVALID, "snapshotId");
}

static void a_blank_entrypoint_is_its_own_code(void **state)
{
    struct error err = {0};
    struct create_request request = plain();

    (void)state;
    request.entrypoint.items[0][0] = '\0';
    assert_fails(check(&request, 0, &err), &err, ERR_INVALID, "blank");
    assert_string_equal(err.reason, "DOCKER::INVALID_ENTRYPOINT");
}

static void resources_are_quantities_and_gpu_is_a_number(void **state)
{
    static const struct {
        const char *name, *value;
        bool fine;
    } rows[] = {{"cpu", "500m", true},   {"memory", "512Mi", true}, {"cpu", "two", false},
                {"memory", "-1", false}, {"gpu", "1", true},        {"gpu", "junk", true},
                {"gpu", "all", false}};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct create_request request = plain();
        json_map_set(&request.resource_limits, rows[i].name, rows[i].value);
        if (rows[i].fine)
            assert_ok(check(&request, 0, &err), &err);
        else
            assert_fails(check(&request, 0, &err), &err, ERR_INVALID, "resourceLimits");
    }
}

static void quantities_are_those_of_kubernetes(void **state)
{
    static const char *const good[] = {"0",   "1",   "+1", "1.5", ".5",   "5.", "100m",
                                       "1Ki", "2Gi", "3E", "1e3", "1E-3", "12k"};
    static const char *const bad[] = {"",   ".",     "m",  "1K",   "1 ",   " 1", "1mi",
                                      "1e", "1.2.3", "-1", "0x10", "1Kii", "e3"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(is_quantity(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(is_quantity(bad[i]));
}

static void host_volumes_stay_under_the_allow_list(void **state)
{
    static const struct {
        const char *name, *mount_path, *sub_path, *host_path, *code;
    } rows[] = {
        {"data", "/data", NULL, "/srv/data", NULL},
        {"data", "/data", "a/b", "/srv", NULL},
        {"data", "/data", NULL, "/srvx", "VOLUME::HOST_PATH_NOT_ALLOWED"},
        {"data", "/data", NULL, "/", "VOLUME::HOST_PATH_NOT_ALLOWED"},
        {"data", "/data", NULL, "/srv/../etc", "VOLUME::INVALID_HOST_PATH"},
        {"data", "/data", NULL, "/srv//a", "VOLUME::INVALID_HOST_PATH"},
        {"data", "/data", NULL, "/srv/", "VOLUME::INVALID_HOST_PATH"},
        {"data", "/data", NULL, "srv", "VOLUME::INVALID_HOST_PATH"},
        {"Data", "/data", NULL, "/srv", "VOLUME::INVALID_NAME"},
        {"data", "data", NULL, "/srv", "VOLUME::INVALID_MOUNT_PATH"},
        {"data", "/data", "../x", "/srv", "VOLUME::INVALID_SUB_PATH"},
        {"data", "/data", "a/..", "/srv", "VOLUME::INVALID_SUB_PATH"},
        {"data", "/data", "/x", "/srv", "VOLUME::INVALID_SUB_PATH"},
        {"data", "/data", "..x/y", "/srv", NULL},
        {"opensandbox-bin", "/data", NULL, "/srv", "SANDBOX::INVALID_PARAMETER"},
    };
    char *allowed[] = {"/opt/", "/srv"};
    struct json_strings paths = {allowed, 2};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct volume volume = {.name = (char *)rows[i].name,
                                .mount_path = (char *)rows[i].mount_path,
                                .sub_path = (char *)rows[i].sub_path,
                                .host_path = (char *)rows[i].host_path};
        struct json_list volumes = {&volume, 1};
        struct error err = {0};

        print_message("%s %s %s\n", rows[i].name, rows[i].sub_path ? rows[i].sub_path : "-",
                      rows[i].host_path);
        int result = volumes_check(&volumes, &paths, &err);
        assert_int_equal(result, rows[i].code ? -1 : 0);
        assert_string_equal(err.reason, rows[i].code ? rows[i].code : "");
    }
}

static void a_claim_has_a_name_and_asks_for_a_size(void **state)
{
    static const struct {
        const char *claim, *storage;
        bool fine;
    } rows[] = {{"data", NULL, true},    {"data", "10Gi", true},  {"data", "1.5Ti", true},
                {"data", "1024", true},  {"data", "10G", false},  {"data", "", false},
                {"data", "-1Gi", false}, {"data", "1.Gi", false}, {"data", "10Gi ", false},
                {"Data", NULL, false},   {"-data", NULL, false},  {"", NULL, false}};
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct create_request request = plain();
        struct volume *volume = xcalloc(1, sizeof(*volume));
        *volume = (struct volume){.name = xstrdup("v"),
                                  .mount_path = xstrdup("/v"),
                                  .claim = {.name = xstrdup(rows[i].claim),
                                            .storage = rows[i].storage ? xstrdup(rows[i].storage) : NULL}};
        request.volumes = (struct json_list){volume, 1};
        print_message("%s %s\n", rows[i].claim, rows[i].storage ? rows[i].storage : "-");
        if (rows[i].fine)
            assert_ok(check(&request, 0, &err), &err);
        else
            assert_fails(check(&request, 0, &err), &err, ERR_INVALID, "pvc");
    }
}

static void a_snapshot_has_an_entrypoint_that_stays_up_unless_another_is_given(void **state)
{
    struct create_request plain_one = {.snapshot_id = xstrdup("s"), .limits_given = true};
    struct create_request own = {.snapshot_id = xstrdup("s"), .limits_given = true, .entrypoint_given = true};
    struct create_request empty = {
        .snapshot_id = xstrdup("s"), .limits_given = true, .entrypoint_given = true};
    struct error err = {0};

    (void)state;
    assert_ok(create_request_settle(&plain_one, &err), &err);
    assert_int_equal(plain_one.entrypoint.count, 3);
    assert_string_equal(plain_one.entrypoint.items[0], "tail");
    json_strings_add(&own.entrypoint, "run");
    assert_ok(create_request_settle(&own, &err), &err);
    assert_int_equal(own.entrypoint.count, 1);
    assert_fails(create_request_settle(&empty, &err), &err, ERR_INVALID, "at least one item");
    create_request_done(&plain_one);
    create_request_done(&own);
    create_request_done(&empty);
}

static void credentials_of_no_image_are_forgotten(void **state)
{
    struct create_request request = {.snapshot_id = xstrdup("s"),
                                     .limits_given = true,
                                     .image = {xstrdup(" "), {xstrdup("user"), xstrdup("secret")}}};
    struct error err = {0};

    (void)state;
    assert_ok(create_request_settle(&request, &err), &err);
    assert_null(request.image.auth.username);
    assert_null(request.image.auth.password);
    create_request_done(&request);
}

static void a_volume_name_is_used_once(void **state)
{
    char *allowed[] = {"/"};
    struct json_strings paths = {allowed, 1};
    struct volume twice[2] = {{.name = "a", .mount_path = "/a", .host_path = "/a"},
                              {.name = "a", .mount_path = "/b", .host_path = "/b"}};
    struct json_list volumes = {twice, 2};
    struct error err = {0};

    (void)state;
    assert_fails(volumes_check(&volumes, &paths, &err), &err, ERR_INVALID, "twice");
    assert_string_equal(err.reason, "VOLUME::DUPLICATE_NAME");
}

/* A law: what a door shows is always a code of the contract with its own status. */
static void every_error_has_a_status_and_a_code(void **state)
{
    (void)state;
    for (enum contract_code code = 0; code < CODE_MAX; code++) {
        struct error err = {0};
        assert_int_equal(refuse(&err, code, "x"), -1);
        assert_string_equal(contract_code_of(&err), contract_code_name(code));
        assert_in_range(http_status_of(&err), 400, 599);
    }
    struct error past = {0}, never = {0};
    (void)refuse(&past, CODE_INVALID_EXPIRATION, "x");
    (void)refuse(&never, CODE_NO_EXPIRATION, "x");
    assert_string_equal(contract_code_of(&past), contract_code_of(&never));
    assert_int_equal(http_status_of(&past), 400);
    assert_int_equal(http_status_of(&never), 409);
    for (enum error_code class = ERR_INVALID; class < ERR_MAX; class ++) {
        struct error err = {.code = class, .reason = "SomethingOfTheOrchestrators"};
        assert_non_null(contract_code_of(&err));
        assert_in_range(http_status_of(&err), 400, 599);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeout_up_to_the_cap_is_fine),
        cmocka_unit_test(renewal_seconds_are_300_to_86400),
        cmocka_unit_test(a_platform_is_trimmed_lowered_and_known),
        cmocka_unit_test(the_shape_rules_tell_the_modes_apart),
        cmocka_unit_test(a_blank_entrypoint_is_its_own_code),
        cmocka_unit_test(resources_are_quantities_and_gpu_is_a_number),
        cmocka_unit_test(quantities_are_those_of_kubernetes),
        cmocka_unit_test(host_volumes_stay_under_the_allow_list),
        cmocka_unit_test(a_claim_has_a_name_and_asks_for_a_size),
        cmocka_unit_test(a_snapshot_has_an_entrypoint_that_stays_up_unless_another_is_given),
        cmocka_unit_test(credentials_of_no_image_are_forgotten),
        cmocka_unit_test(a_volume_name_is_used_once),
        cmocka_unit_test(every_error_has_a_status_and_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
