/* registry/registry.h and auth.h against a script: credentials, redirects, truncation, mounts and manifests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/registry/registry.h"
#include "committer-agent/registry/token.h"
#include "committer-agent/registry/upload.h"
#include "tests/support/fake_registry.h"

#define UPLOADS    "/v2/team/app/blobs/uploads/"
#define BASIC      "Basic dXNlcjpwYXNz"
#define PUSH_SCOPE "repository:team/app:pull,push"

struct fixture {
    struct fake_registry *fake, *other; /* other: another host, as browsers and curl see it (another port) */
    struct registry *registry;
    char config[256]; /* .dockerconfigjson for fake */
    char bearer[256]; /* a challenge that names other as the token server */
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));

    fix->fake = fake_registry_start();
    fix->other = fake_registry_start();
    (void)snprintf(fix->config, sizeof(fix->config), "{\"auths\":{\"%s\":{\"auth\":\"dXNlcjpwYXNz\"}}}",
                   fake_registry_host(fix->fake));
    (void)snprintf(fix->bearer, sizeof(fix->bearer), "Bearer realm=\"http://%s/token\",service=\"reg\"",
                   fake_registry_host(fix->other));
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;
    registry_free(fix->registry);
    fake_registry_stop(fix->fake);
    fake_registry_stop(fix->other);
    free(fix);
    return 0;
}

static struct registry *open_registry(struct fixture *fix, const char *config)
{
    struct error err = {0};
    struct registry_options options = {.host = fake_registry_host(fix->fake),
                                       .insecure = true,
                                       .dockerconfigjson = config,
                                       .dockerconfigjson_length = config ? strlen(config) : 0};
    if (registry_open(&options, &fix->registry, &err) < 0)
        fail_msg("%s", err.text);
    return fix->registry;
}

static void verify(struct fixture *fix)
{
    fake_registry_verify(fix->fake);
    fake_registry_verify(fix->other);
}

static void assert_ok(struct fixture *fix, int result, const struct error *err)
{
    verify(fix);
    if (result < 0)
        fail_msg("%s", err->text);
}

static void assert_error(struct fixture *fix, const struct error *err, enum error_code code,
                         const char *reason, const char *story)
{
    verify(fix);
    if (err->code != code || strcmp(err->reason, reason) != 0 || !strstr(err->text, story))
        fail_msg("%s %s: %s", error_code_name(err->code), err->reason, err->text);
    assert_null(strstr(err->text, "dXNlcjpwYXNz"));
    assert_null(strstr(err->text, "pass\""));
}

static void basic_credentials_are_sent_when_asked_for(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(401, .challenge = "Basic realm=\"r\""),
                          .authorization = "");
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"), .authorization = BASIC);
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204), .authorization = BASIC);
    assert_ok(fix, registry_check(open_registry(fix, fix->config), "team/app", &err), &err);
}

static void wrong_credentials_show_in_the_preflight(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};

    fake_registry_ping_challenge(fix->fake, "Basic realm=\"r\"");
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(401, .challenge = "Basic realm=\"r\""),
                          .authorization = BASIC);
    assert_int_equal(registry_check(open_registry(fix, fix->config), "team/app", &err), -1);
    assert_error(fix, &err, ERR_DENIED, "RegistryUnauthorized", "refuses the credentials");
}

static void missing_credentials_are_told_from_wrong_ones(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(401, .challenge = "Basic realm=\"r\""));
    assert_int_equal(registry_check(open_registry(fix, NULL), "team/app", &err), -1);
    assert_error(fix, &err, ERR_DENIED, "RegistryUnauthorized", "there are none for it");
}

static void a_forbidden_push_is_denied(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};

    fake_registry_expects(
        fix->fake, POST, UPLOADS,
        REPLY(403, .body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"read only\"}]}"));
    assert_int_equal(registry_check(open_registry(fix, NULL), "team/app", &err), -1);
    assert_error(fix, &err, ERR_DENIED, "RegistryDenied", "DENIED");
}

static void a_token_is_fetched_once_and_used_for_all(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct digest digest = digest_of("x", 1);
    char head[200];

    (void)snprintf(head, sizeof(head), "/v2/team/app/blobs/%s", digest.text);
    fake_registry_ping_challenge(fix->fake, fix->bearer);
    fake_registry_expects(fix->other, GET, "/token?service=reg&scope=" PUSH_SCOPE "&account=user",
                          REPLY(200, .body = "{\"token\":\"t1\",\"expires_in\":300}"),
                          .authorization = BASIC);
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"),
                          .authorization = "Bearer t1");
    fake_registry_expects(fix->other, GET, "/token?service=reg&scope=" PUSH_SCOPE ",delete&account=user",
                          REPLY(200, .body = "{\"token\":\"t2\"}"));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204), .authorization = "Bearer t2");
    fake_registry_expects(fix->fake, HEAD, head, REPLY(404), .authorization = "Bearer t1");
    struct registry *registry = open_registry(fix, fix->config);
    assert_int_equal(registry_check(registry, "team/app", &err), 0);
    assert_ok(fix, registry_has_blob(registry, "team/app", &digest, NULL, &err), &err);
}

static void a_token_that_expires_inside_an_upload_is_refreshed(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct digest digest = digest_of("{}", 2);
    char put[200], post[200];

    (void)snprintf(put, sizeof(put), "/u/1?digest=%s", digest.text);
    (void)snprintf(post, sizeof(post), UPLOADS "?digest=%s", digest.text);
    fake_registry_ping_challenge(fix->fake, fix->bearer);
    fake_registry_expects(fix->other, GET, "/token?service=reg&scope=" PUSH_SCOPE,
                          REPLY(200, .body = "{\"token\":\"t1\"}"), .authorization = "");
    fake_registry_expects(fix->fake, POST, post, REPLY(202, .location = "/u/1"),
                          .authorization = "Bearer t1");
    fake_registry_expects(fix->fake, PUT, put, REPLY(401, .challenge = fix->bearer),
                          .authorization = "Bearer t1");
    fake_registry_expects(fix->other, GET, "/token?service=reg&scope=" PUSH_SCOPE,
                          REPLY(200, .body = "{\"access_token\":\"t2\"}"));
    fake_registry_expects(fix->fake, PUT, put, REPLY(201), .authorization = "Bearer t2", .body = "{}");
    assert_ok(fix, upload_bytes(open_registry(fix, NULL), "team/app", "{}", 2, &digest, &err), &err);
}

static void an_identity_token_is_traded_by_post(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    char config[256];

    (void)snprintf(config, sizeof(config), "{\"auths\":{\"%s\":{\"identitytoken\":\"id+1\"}}}",
                   fake_registry_host(fix->fake));
    fake_registry_ping_challenge(fix->fake, fix->bearer);
    fake_registry_expects(fix->other, POST, "/token", REPLY(200, .body = "{\"access_token\":\"t1\"}"),
                          .authorization = "", .content_type = "application/x-www-form-urlencoded",
                          .body = "grant_type=refresh_token&client_id=stasis&service=reg&scope=" PUSH_SCOPE
                                  "&refresh_token=id%2B1");
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"),
                          .authorization = "Bearer t1");
    fake_registry_expects(fix->other, POST, "/token",
                          REPLY(403)); /* may not delete: the upload expires by itself */
    assert_ok(fix, registry_check(open_registry(fix, config), "team/app", &err), &err);
}

static void a_token_server_that_refuses_is_told(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};

    fake_registry_ping_challenge(fix->fake, fix->bearer);
    fake_registry_expects(fix->other, GET, "/token?service=reg&scope=" PUSH_SCOPE "&account=user",
                          REPLY(401));
    assert_int_equal(registry_check(open_registry(fix, fix->config), "team/app", &err), -1);
    assert_error(fix, &err, ERR_DENIED, "RegistryUnauthorized", "refuses the credentials (HTTP 401)");
}

static void a_token_that_may_too_little_is_denied(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    char insufficient[300];

    (void)snprintf(insufficient, sizeof(insufficient), "%s,error=\"insufficient_scope\"", fix->bearer);
    fake_registry_ping_challenge(fix->fake, fix->bearer);
    for (int i = 0; i < 2; i++) {
        fake_registry_expects(fix->other, GET, "/token?service=reg&scope=" PUSH_SCOPE,
                              REPLY(200, .body = "{\"token\":\"t1\"}"));
        fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(401, .challenge = insufficient));
    }
    assert_int_equal(registry_check(open_registry(fix, NULL), "team/app", &err), -1);
    assert_error(fix, &err, ERR_DENIED, "RegistryDenied", PUSH_SCOPE);
}

static void a_token_answer_is_never_quoted(void **state)
{
    static const char *const bad[] = {"secret-token", "{\"token\":\"secret-token\\n\"}",
                                      "{\"token\":[\"secret-token\"]}", "{}"};
    struct fixture *fix = *state;
    struct error err = {0};

    fake_registry_ping_challenge(fix->fake, fix->bearer);
    struct registry *registry = open_registry(fix, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fake_registry_expects(fix->other, GET, "/token?service=reg&scope=" PUSH_SCOPE,
                              REPLY(200, .body = bad[i]));
        assert_int_equal(registry_check(registry, "team/app", &err), -1);
        assert_error(fix, &err, ERR_INVALID, "RegistryError", "no JSON with a token");
        assert_null(strstr(err.text, "secret-token"));
    }
}

struct collected {
    char bytes[64];
    size_t length;
};

static int collect(void *self, const char *bytes, size_t length, struct error *err)
{
    struct collected *into = self;

    if (into->length + length > sizeof(into->bytes))
        return error_set(err, ERR_EXHAUSTED, "the sink is full");
    memcpy(into->bytes + into->length, bytes, length);
    into->length += length;
    return 0;
}

static const char blob_text[] = "0123456789abcdef";

static struct descriptor blob_descriptor(char target[200])
{
    struct descriptor blob = {MEDIA_OCI_LAYER_ZSTD, digest_of(blob_text, 16), 16};
    (void)snprintf(target, 200, "/v2/team/app/blobs/%s", blob.digest.text);
    return blob;
}

static void a_redirect_to_another_host_drops_the_credentials(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct collected got = {0};
    struct blob_sink sink = {collect, &got};
    char target[200], elsewhere[100];
    struct descriptor blob = blob_descriptor(target);

    (void)snprintf(elsewhere, sizeof(elsewhere), "http://%s/bucket?sig=1", fake_registry_host(fix->other));
    fake_registry_ping_challenge(fix->fake, "Basic realm=\"r\"");
    fake_registry_expects(fix->fake, GET, target, REPLY(307, .location = elsewhere, .body = "go there"),
                          .authorization = BASIC);
    fake_registry_expects(fix->other, GET, "/bucket?sig=1", REPLY(200, .body = blob_text),
                          .authorization = "");
    assert_ok(fix, registry_get_blob(open_registry(fix, fix->config), "team/app", &blob, &sink, &err), &err);
    assert_int_equal(got.length, 16);
    assert_memory_equal(got.bytes, blob_text, 16);
}

static void a_truncated_blob_goes_on_where_it_broke(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct collected got = {0};
    struct blob_sink sink = {collect, &got};
    char target[200];
    struct descriptor blob = blob_descriptor(target);

    fake_registry_expects(fix->fake, GET, target, REPLY(200, .body = blob_text, .truncate_after = 5),
                          .range = "");
    fake_registry_expects(fix->fake, GET, target, REPLY(206, .body = blob_text + 5, .truncate_after = 4),
                          .range = "bytes=5-");
    fake_registry_expects(fix->fake, GET, target, REPLY(200, .body = blob_text),
                          .range = "bytes=9-"); /* no ranges here */
    assert_ok(fix, registry_get_blob(open_registry(fix, NULL), "team/app", &blob, &sink, &err), &err);
    assert_int_equal(got.length, 16);
    assert_memory_equal(got.bytes, blob_text, 16);
}

static void a_blob_of_other_bytes_is_corrupt(void **state)
{
    static const char *const bad[] = {"0123456789abcdeX", "0123456789abcdef+"};
    struct fixture *fix = *state;
    struct error err = {0};
    char target[200];
    struct descriptor blob = blob_descriptor(target);

    struct registry *registry = open_registry(fix, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct collected got = {0};
        struct blob_sink sink = {collect, &got};
        fake_registry_expects(fix->fake, GET, target, REPLY(200, .body = bad[i]));
        assert_int_equal(registry_get_blob(registry, "team/app", &blob, &sink, &err), -1);
        assert_error(fix, &err, ERR_CORRUPT, "BlobDigestMismatch", "fetching blob");
    }
}

static void a_sink_that_fails_ends_it_without_a_retry(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct collected full = {.length = sizeof(full.bytes)};
    struct blob_sink sink = {collect, &full};
    char target[200];
    struct descriptor blob = blob_descriptor(target);

    fake_registry_expects(fix->fake, GET, target, REPLY(200, .body = blob_text));
    assert_int_equal(registry_get_blob(open_registry(fix, NULL), "team/app", &blob, &sink, &err), -1);
    assert_error(fix, &err, ERR_EXHAUSTED, "", "the sink is full");
}

static void a_mount_succeeds_or_is_cancelled(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct digest digest = digest_of("x", 1);
    char post[300];

    (void)snprintf(post, sizeof(post), UPLOADS "?mount=%s&from=base/image", digest.text);
    struct registry *registry = open_registry(fix, NULL);
    fake_registry_expects(fix->fake, POST, post, REPLY(201));
    assert_int_equal(registry_mount_blob(registry, "team/app", "base/image", &digest, &err), 1);
    fake_registry_expects(fix->fake, POST, post, REPLY(202, .location = "/u/9"));
    fake_registry_expects(fix->fake, DELETE, "/u/9", REPLY(204));
    assert_int_equal(registry_mount_blob(registry, "team/app", "base/image", &digest, &err), 0);
    fake_registry_expects(fix->fake, POST, post, REPLY(405));
    assert_int_equal(registry_mount_blob(registry, "team/app", "base/image", &digest, &err), 0);
    verify(fix);
}

#define SOME_MANIFEST                                                                                        \
    "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/"                                          \
    "vnd.oci.image.config.v1+json\"},\"layers\":[]}"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"

static void a_manifest_is_put_and_its_digest_checked(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct digest digest, wanted = digest_of(SOME_MANIFEST, strlen(SOME_MANIFEST));
    struct registry *registry = open_registry(fix, NULL);

    fake_registry_expects(fix->fake, PUT, "/v2/team/app/manifests/snap", REPLY(503));
    fake_registry_expects(fix->fake, PUT, "/v2/team/app/manifests/snap", REPLY(201, .digest = wanted.text),
                          .content_type = OCI_MANIFEST, .body = SOME_MANIFEST);
    int result = registry_put_manifest(registry, "team/app", "snap", MEDIA_OCI_MANIFEST, SOME_MANIFEST,
                                       strlen(SOME_MANIFEST), &digest, &err);
    assert_ok(fix, result, &err);
    assert_true(digest_equal(&digest, &wanted));

    fake_registry_expects(fix->fake, PUT, "/v2/team/app/manifests/snap", REPLY(201, .digest = "sha256:bad"));
    assert_int_equal(registry_put_manifest(registry, "team/app", "snap", MEDIA_OCI_MANIFEST, SOME_MANIFEST,
                                           strlen(SOME_MANIFEST), NULL, &err),
                     -1);
    assert_error(fix, &err, ERR_CORRUPT, "BlobDigestMismatch", "sha256:bad");
}

static void a_manifest_is_found_with_and_without_the_digest_header(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct digest digest = digest_of(SOME_MANIFEST, strlen(SOME_MANIFEST));
    struct descriptor found;
    struct registry *registry = open_registry(fix, NULL);

    fake_registry_expects(fix->fake, HEAD, "/v2/team/app/manifests/t", REPLY(404));
    assert_int_equal(registry_head_manifest(registry, "team/app", "t", &found, &err), 0);
    fake_registry_expects(
        fix->fake, HEAD, "/v2/team/app/manifests/t",
        REPLY(200, .digest = digest.text, .content_type = OCI_MANIFEST, .body = SOME_MANIFEST));
    assert_int_equal(registry_head_manifest(registry, "team/app", "t", &found, &err), 1);
    assert_true(digest_equal(&found.digest, &digest));
    assert_int_equal(found.size_bytes, strlen(SOME_MANIFEST));
    fake_registry_expects(fix->fake, HEAD, "/v2/team/app/manifests/t",
                          REPLY(200, .content_type = OCI_MANIFEST));
    fake_registry_expects(fix->fake, GET, "/v2/team/app/manifests/t", REPLY(200, .body = SOME_MANIFEST));
    assert_int_equal(registry_head_manifest(registry, "team/app", "t", &found, &err), 1);
    assert_true(digest_equal(&found.digest, &digest));
    verify(fix);
}

static void a_manifest_under_a_digest_must_be_those_bytes(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    struct descriptor self;
    struct digest other = digest_of("x", 1);
    char target[200];

    (void)snprintf(target, sizeof(target), "/v2/team/app/manifests/%s", other.text);
    fake_registry_expects(fix->fake, GET, target, REPLY(200, .body = SOME_MANIFEST));
    assert_int_equal(
        registry_get_manifest(open_registry(fix, NULL), "team/app", other.text, &bytes, &self, &err), -1);
    assert_error(fix, &err, ERR_CORRUPT, "BlobDigestMismatch", "its bytes have digest");
    assert_int_equal(bytes.length, 0);
}

static void plain_http_is_not_spoken_unless_told(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct registry_options options = {.host = fake_registry_host(fix->fake)};

    assert_int_equal(registry_open(&options, &fix->registry, &err), 0);
    assert_int_equal(registry_check(fix->registry, "team/app", &err), -1);
    assert_error(fix, &err, ERR_DENIED, "RegistryUnreachable",
                 "speaks plain HTTP: pass --snapshot-registry-insecure");
}

static void a_token_server_by_plain_http_gets_no_credentials_unless_told(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct token token = {0};
    struct credentials credentials = {.username = (char *)"user", .password = (char *)"pass"};
    struct challenge challenge = challenge_parse(fix->bearer);
    struct http_client *http = http_client_new(&(struct http_client_options){0});

    assert_int_equal(token_fetch(http, &challenge, PUSH_SCOPE, &credentials, false, &token, &err), -1);
    http_client_free(http);
    assert_error(fix, &err, ERR_DENIED, "RegistryUnauthorized",
                 "speaks plain HTTP"); /* and nothing came to `other` */
}

static void a_host_where_nobody_listens_is_unreachable(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct registry_options options = {.host = "127.0.0.1:1", .insecure = true};

    assert_int_equal(registry_open(&options, &fix->registry, &err), 0);
    assert_int_equal(registry_check(fix->registry, "team/app", &err), -1);
    assert_error(fix, &err, ERR_UNAVAILABLE, "RegistryUnreachable", "given up after");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(basic_credentials_are_sent_when_asked_for),
        TEST(wrong_credentials_show_in_the_preflight),
        TEST(missing_credentials_are_told_from_wrong_ones),
        TEST(a_forbidden_push_is_denied),
        TEST(a_token_is_fetched_once_and_used_for_all),
        TEST(a_token_that_expires_inside_an_upload_is_refreshed),
        TEST(an_identity_token_is_traded_by_post),
        TEST(a_token_server_that_refuses_is_told),
        TEST(a_token_that_may_too_little_is_denied),
        TEST(a_token_answer_is_never_quoted),
        TEST(a_redirect_to_another_host_drops_the_credentials),
        TEST(a_truncated_blob_goes_on_where_it_broke),
        TEST(a_blob_of_other_bytes_is_corrupt),
        TEST(a_sink_that_fails_ends_it_without_a_retry),
        TEST(a_mount_succeeds_or_is_cancelled),
        TEST(a_manifest_is_put_and_its_digest_checked),
        TEST(a_manifest_is_found_with_and_without_the_digest_header),
        TEST(a_manifest_under_a_digest_must_be_those_bytes),
        TEST(plain_http_is_not_spoken_unless_told),
        TEST(a_token_server_by_plain_http_gets_no_credentials_unless_told),
        TEST(a_host_where_nobody_listens_is_unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
