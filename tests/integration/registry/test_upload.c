/* registry/upload.h against scripted faults: every way a push can be interrupted, and where it goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/registry/upload.h"
#include "shared/base/clock.h"
#include "tests/support/fake_registry.h"

#define UPLOADS    "/v2/team/app/blobs/uploads/"
#define BLOB_BYTES 8192

struct fixture {
    struct fake_registry *fake;
    struct registry *registry;
    bool cancelled;
    char bytes[BLOB_BYTES];
    struct digest digest;
    char put[200], head[200], post[200]; /* targets that name the digest */
    uint64_t accepted;
};

static int set_up(void **state)
{
    struct fixture *fix = calloc(1, sizeof(*fix));
    struct error err = {0};

    for (size_t i = 0; i < BLOB_BYTES; i++)
        fix->bytes[i] = (char)(i * 7 + i / 251);
    fix->digest = digest_of(fix->bytes, BLOB_BYTES);
    (void)snprintf(fix->put, sizeof(fix->put), "/u/1?digest=%s", fix->digest.text);
    (void)snprintf(fix->head, sizeof(fix->head), "/v2/team/app/blobs/%s", fix->digest.text);
    fix->fake = fake_registry_start();
    struct registry_options options = {
        .host = fake_registry_host(fix->fake), .insecure = true, .cancelled = &fix->cancelled};
    assert_int_equal(registry_open(&options, &fix->registry, &err), 0);
    *state = fix;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fix = *state;
    registry_free(fix->registry);
    fake_registry_stop(fix->fake);
    free(fix);
    return 0;
}

static int64_t memory_ready(void *self, uint64_t offset, uint64_t want, struct error *err)
{
    (void)self;
    (void)err;
    return (int64_t)(BLOB_BYTES - offset < want ? BLOB_BYTES - offset : want);
}

static long memory_read(void *self, uint64_t offset, char *into, size_t room, struct error *err)
{
    const struct fixture *fix = self;
    size_t length = BLOB_BYTES - offset < room ? BLOB_BYTES - (size_t)offset : room;

    (void)err;
    memcpy(into, fix->bytes + offset, length);
    return (long)length;
}

static void note_accepted(void *self, uint64_t bytes)
{
    ((struct fixture *)self)->accepted = bytes;
}

static int push(struct fixture *fix, uint32_t chunk_bytes, struct error *err)
{
    SCOPED(upload) struct upload *up = NULL;
    struct blob_source source = {memory_ready, memory_read, fix};
    struct upload_options options = {.chunk_bytes = chunk_bytes, .accepted = note_accepted, .self = fix};

    if (upload_begin(fix->registry, "team/app", &options, &up, err) < 0 ||
        upload_stream(up, &source, err) < 0)
        return -1;
    return upload_commit(up, &fix->digest, err);
}

static void assert_pushed(struct fixture *fix, uint32_t chunk_bytes)
{
    struct error err = {0};
    size_t length;

    if (push(fix, chunk_bytes, &err) < 0)
        fail_msg("%s", err.text);
    fake_registry_verify(fix->fake);
    const char *blob = fake_registry_blob(fix->fake, &length);
    assert_int_equal(length, BLOB_BYTES);
    assert_memory_equal(blob, fix->bytes, BLOB_BYTES);
    assert_int_equal(fix->accepted, BLOB_BYTES);
}

static void assert_push_fails(struct fixture *fix, enum error_code code, const char *reason,
                              const char *story)
{
    struct error err = {0};

    assert_int_equal(push(fix, BLOB_BYTES, &err), -1);
    fake_registry_verify(fix->fake);
    if (err.code != code || strcmp(err.reason, reason) != 0 || !strstr(err.text, story))
        fail_msg("%s %s: %s", error_code_name(err.code), err.reason, err.text);
    assert_non_null(strstr(err.text, fake_registry_host(fix->fake)));
    assert_non_null(strstr(err.text, "team/app"));
}

static void a_blob_goes_up_in_chunks_along_the_locations(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/a?state=1"));
    fake_registry_expects(fix->fake, PATCH, "/u/a?state=1",
                          REPLY(202, .location = "b?state=2", .range = "0-4095"), .content_range = "0-4095",
                          .content_type = "application/octet-stream");
    fake_registry_expects(fix->fake, PATCH, "/u/b?state=2", REPLY(202, .location = "/u/1"),
                          .content_range = "4096-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201, .digest = fix->digest.text));
    assert_pushed(fix, 4096);
}

static void a_lost_reply_resumes_at_the_offset_the_registry_kept(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", HANG_UP_AFTER(2048), .content_range = "0-8191");
    fake_registry_expects(fix->fake, GET, "/u/1", REPLY(204, .location = "/u/1", .range = "0-2047"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202, .location = "/u/1"),
                          .content_range = "2048-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, BLOB_BYTES);
}

static void a_416_asks_for_the_offset(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202, .location = "/u/1", .range = "0-4095"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(416), .content_range = "4096-8191");
    fake_registry_expects(fix->fake, GET, "/u/1", REPLY(204, .location = "/u/1", .range = "bytes=0-1023"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202, .location = "/u/1"),
                          .content_range = "1024-5119");
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202, .location = "/u/1"),
                          .content_range = "5120-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, 4096);
}

static void an_upload_that_was_forgotten_begins_again(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/0"));
    fake_registry_expects(fix->fake, PATCH, "/u/0", REPLY(202, .location = "/u/0"));
    fake_registry_expects(fix->fake, PATCH, "/u/0", HANG_UP);
    fake_registry_expects(fix->fake, GET, "/u/0", REPLY(404));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "0-4095");
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "4096-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, 4096);
}

static void an_offset_of_0_0_is_not_relied_on(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/0"));
    fake_registry_expects(fix->fake, PATCH, "/u/0", HANG_UP);
    fake_registry_expects(fix->fake, GET, "/u/0", REPLY(204, .range = "0-0"));
    fake_registry_expects(fix->fake, DELETE, "/u/0", REPLY(204));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "0-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, BLOB_BYTES);
}

static void a_503_waits_as_long_as_retry_after_says(void **state)
{
    struct fixture *fix = *state;
    int64_t start_ms = clock_monotonic_ms();

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(503, .retry_after = "1"));
    fake_registry_expects(fix->fake, GET, "/u/1", REPLY(204, .range = "0-99"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "100-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, BLOB_BYTES);
    assert_true(clock_monotonic_ms() - start_ms >= 1000);
}

static void a_busy_registry_is_asked_again_for_an_upload(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(429));
    fake_registry_expects(fix->fake, POST, UPLOADS, HANG_UP);
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202));
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, BLOB_BYTES);
}

static void chunks_are_as_long_as_the_registry_asks(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1", .min_chunk = "5000"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "0-4999");
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "5000-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, 1024);
}

static void a_lost_reply_to_put_finds_the_blob(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202));
    fake_registry_expects(fix->fake, PUT, fix->put, HANG_UP);
    fake_registry_expects(fix->fake, HEAD, fix->head, REPLY(200));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(404)); /* perhaps another's push put it there */
    assert_pushed(fix, BLOB_BYTES);
}

static void a_put_that_lost_its_upload_sends_everything_again(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202));
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(500));
    fake_registry_expects(fix->fake, HEAD, fix->head, REPLY(404));
    fake_registry_expects(fix->fake, GET, "/u/1", REPLY(404));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "0-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, BLOB_BYTES);
}

static void a_redirected_chunk_is_sent_again_there(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/0"));
    fake_registry_expects(fix->fake, PATCH, "/u/0", REPLY(307, .location = "/elsewhere"));
    fake_registry_expects(fix->fake, PATCH, "/elsewhere", REPLY(202, .location = "/u/1"),
                          .content_range = "0-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, BLOB_BYTES);
}

static void a_digest_that_the_registry_refuses_is_a_mismatch(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202));
    fake_registry_expects(
        fix->fake, PUT, fix->put,
        REPLY(400, .body = "{\"errors\":[{\"code\":\"DIGEST_INVALID\",\"message\":\"no\\u001b\"}]}"));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204));
    assert_push_fails(fix, ERR_CORRUPT, "BlobDigestMismatch", "DIGEST_INVALID");
}

static void a_digest_that_the_registry_counted_otherwise_is_a_mismatch(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202));
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201, .digest = "sha256:feed"));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(404));
    assert_push_fails(fix, ERR_CORRUPT, "BlobDigestMismatch", "sha256:feed");
}

static void a_registry_that_claims_more_than_was_sent_is_not_believed(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202, .range = "0-9999"));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204));
    assert_push_fails(fix, ERR_CORRUPT, "RegistryError", "claims 10000 bytes of 8192");
}

static void a_refused_chunk_is_cancelled_and_told(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(413, .body = "<html>too large</html>"));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204));
    assert_push_fails(fix, ERR_INVALID, "RegistryError", "raise its body size");
}

static void a_registry_that_never_recovers_is_given_up(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", HANG_UP);
    for (int i = 0; i < 5; i++)
        fake_registry_expects(fix->fake, GET, "/u/1", REPLY(502));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204));
    assert_push_fails(fix, ERR_UNAVAILABLE, "RegistryError", "given up after 6 tries");
}

static int64_t failing_ready(void *self, uint64_t offset, uint64_t want, struct error *err)
{
    struct fixture *fix = self;

    if (offset == 0)
        return (int64_t)want;
    fix->cancelled = true;
    return error_set(err, ERR_CANCELLED, "the commit was cancelled");
}

static void a_cancelled_source_still_cleans_up(void **state)
{
    struct fixture *fix = *state;
    struct blob_source source = {failing_ready, memory_read, fix};
    struct upload_options options = {.chunk_bytes = 1024};
    struct error err = {0};
    struct upload *up = NULL;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "0-1023");
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204));
    assert_int_equal(upload_begin(fix->registry, "team/app", &options, &up, &err), 0);
    assert_int_equal(upload_stream(up, &source, &err), -1);
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_string_equal(err.reason, "");
    upload_free(up);
    fake_registry_verify(fix->fake);
}

static void a_cancelled_upload_may_still_fetch_the_token_to_clean_up(void **state)
{
    struct fixture *fix = *state;
    struct error err = {0};
    struct upload *up = NULL;
    char challenge[200];

    (void)snprintf(challenge, sizeof(challenge), "Bearer realm=\"http://%s/token\"",
                   fake_registry_host(fix->fake));
    fake_registry_ping_challenge(fix->fake, challenge);
    fake_registry_expects(fix->fake, GET, "/token?scope=repository:team/app:pull,push",
                          REPLY(200, .body = "{\"token\":\"t1\"}"));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, GET, "/token?scope=repository:team/app:pull,push,delete",
                          REPLY(200, .body = "{\"token\":\"t2\"}"));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204), .authorization = "Bearer t2");
    assert_int_equal(upload_begin(fix->registry, "team/app", NULL, &up, &err), 0);
    fix->cancelled = true;
    upload_free(up);
    fake_registry_verify(fix->fake);
}

static void a_tiny_blob_goes_with_the_put(void **state)
{
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201), .content_range = "",
                          .content_type = "application/octet-stream");
    assert_pushed(fix, BLOB_BYTES + 1);
}

static void a_put_that_was_cut_in_its_body_begins_anew(void **state)
{
    struct fixture *fix = *state;
    char put[200];

    (void)snprintf(put, sizeof(put), "/u/0?digest=%s", fix->digest.text);
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/0"));
    fake_registry_expects(fix->fake, PUT, put, HANG_UP_AFTER(100));
    fake_registry_expects(fix->fake, HEAD, fix->head, REPLY(404));
    fake_registry_expects(fix->fake, DELETE, "/u/0", REPLY(503)); /* tried again: nothing is left behind */
    fake_registry_expects(fix->fake, DELETE, "/u/0", REPLY(204));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201));
    assert_pushed(fix, BLOB_BYTES + 1);
}

static void a_mismatch_after_a_mishap_is_sent_again_once(void **state)
{
    static const char invalid[] = "{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}";
    struct fixture *fix = *state;

    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", HANG_UP_AFTER(2048));
    fake_registry_expects(fix->fake, GET, "/u/1", REPLY(204, .range = "0-1999"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "2000-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(400, .body = invalid));
    fake_registry_expects(fix->fake, HEAD, fix->head, REPLY(404));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1"));
    fake_registry_expects(fix->fake, PATCH, "/u/1", REPLY(202), .content_range = "0-8191");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(400, .body = invalid));
    fake_registry_expects(fix->fake, DELETE, "/u/1", REPLY(204));
    assert_push_fails(fix, ERR_CORRUPT, "BlobDigestMismatch", "DIGEST_INVALID");
}

/* ---- a blob in memory: "{}" ---- */

static void expect_small(struct fixture *fix)
{
    fix->digest = digest_of("{}", 2);
    (void)snprintf(fix->put, sizeof(fix->put), "/u/1?a=b&digest=%s", fix->digest.text);
    (void)snprintf(fix->head, sizeof(fix->head), "/v2/team/app/blobs/%s", fix->digest.text);
    (void)snprintf(fix->post, sizeof(fix->post), UPLOADS "?digest=%s", fix->digest.text);
}

static void assert_small_pushed(struct fixture *fix)
{
    struct error err = {0};

    if (upload_bytes(fix->registry, "team/app", "{}", 2, &fix->digest, &err) < 0)
        fail_msg("%s", err.text);
}

static void a_small_blob_is_one_post(void **state)
{
    struct fixture *fix = *state;

    expect_small(fix);
    for (int i = 0; i < 2; i++)
        fake_registry_expects(fix->fake, POST, fix->post, REPLY(201, .location = "/b"), .body = "{}",
                              .content_type = "application/octet-stream");
    assert_small_pushed(fix);
    assert_small_pushed(fix);
    fake_registry_verify(fix->fake);
}

static void a_registry_that_wants_a_put_is_remembered(void **state)
{
    struct fixture *fix = *state;

    expect_small(fix);
    fake_registry_expects(fix->fake, POST, fix->post, REPLY(202, .location = "/u/1?a=b"));
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201), .body = "{}");
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1?a=b"), .body = "");
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201), .body = "{}");
    assert_small_pushed(fix);
    assert_small_pushed(fix);
    fake_registry_verify(fix->fake);
}

static void a_registry_that_refuses_the_post_is_asked_the_usual_way(void **state)
{
    struct fixture *fix = *state;

    expect_small(fix);
    fake_registry_expects(fix->fake, POST, fix->post, REPLY(400));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1?a=b"));
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201), .body = "{}");
    assert_small_pushed(fix);
    fake_registry_verify(fix->fake);
}

static void a_small_blob_survives_cuts(void **state)
{
    struct fixture *fix = *state;
    char put[200];

    expect_small(fix);
    (void)snprintf(put, sizeof(put), "/u/0?digest=%s", fix->digest.text);
    fake_registry_expects(fix->fake, POST, fix->post, HANG_UP_AFTER(1));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/0"));
    fake_registry_expects(fix->fake, PUT, put, HANG_UP_AFTER(1));
    fake_registry_expects(fix->fake, HEAD, fix->head, REPLY(404));
    fake_registry_expects(fix->fake, DELETE, "/u/0", REPLY(204));
    fake_registry_expects(fix->fake, POST, UPLOADS, REPLY(202, .location = "/u/1?a=b"));
    fake_registry_expects(fix->fake, PUT, fix->put, REPLY(201), .body = "{}");
    assert_small_pushed(fix);
    fake_registry_verify(fix->fake);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blob_goes_up_in_chunks_along_the_locations),
        TEST(a_lost_reply_resumes_at_the_offset_the_registry_kept),
        TEST(a_416_asks_for_the_offset),
        TEST(an_upload_that_was_forgotten_begins_again),
        TEST(an_offset_of_0_0_is_not_relied_on),
        TEST(a_503_waits_as_long_as_retry_after_says),
        TEST(a_busy_registry_is_asked_again_for_an_upload),
        TEST(chunks_are_as_long_as_the_registry_asks),
        TEST(a_lost_reply_to_put_finds_the_blob),
        TEST(a_put_that_lost_its_upload_sends_everything_again),
        TEST(a_redirected_chunk_is_sent_again_there),
        TEST(a_digest_that_the_registry_refuses_is_a_mismatch),
        TEST(a_digest_that_the_registry_counted_otherwise_is_a_mismatch),
        TEST(a_registry_that_claims_more_than_was_sent_is_not_believed),
        TEST(a_refused_chunk_is_cancelled_and_told),
        TEST(a_registry_that_never_recovers_is_given_up),
        TEST(a_cancelled_source_still_cleans_up),
        TEST(a_cancelled_upload_may_still_fetch_the_token_to_clean_up),
        TEST(a_tiny_blob_goes_with_the_put),
        TEST(a_put_that_was_cut_in_its_body_begins_anew),
        TEST(a_mismatch_after_a_mishap_is_sent_again_once),
        TEST(a_small_blob_is_one_post),
        TEST(a_registry_that_wants_a_put_is_remembered),
        TEST(a_registry_that_refuses_the_post_is_asked_the_usual_way),
        TEST(a_small_blob_survives_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
