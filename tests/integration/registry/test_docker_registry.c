/* The whole client against Debian's docker-registry: images in and out, every way to authenticate, cut connections. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/image/image.h"
#include "committer-agent/registry/registry.h"
#include "committer-agent/registry/upload.h"
#include "shared/base/alloc.h"
#include "tests/integration/registry/cutting_proxy.h"
#include "tests/integration/registry/docker_registry.h"
#include "tests/integration/registry/token_server.h"

#define BLOB_BYTES (8u << 20)

static struct test_key *key; /* made once: RSA keys take their time */

static struct registry *open_at(const char *host, const char *user, const char *password)
{
    struct error err = {0};
    struct registry *registry = NULL;
    SCOPED(string)
    char *config = user ? xasprintf("{\"auths\":{\"%s\":{\"username\":\"%s\",\"password\":\"%s\"}}}", host,
                                    user, password)
                        : NULL;
    struct registry_options options = {.host = host,
                                       .insecure = true,
                                       .dockerconfigjson = config,
                                       .dockerconfigjson_length = config ? strlen(config) : 0};
    if (registry_open(&options, &registry, &err) < 0)
        fail_msg("%s", err.text);
    return registry;
}

/* A spool that a writer thread fills while the upload follows it. */
struct spool {
    pthread_mutex_t lock;
    pthread_cond_t grown;
    char *bytes;
    size_t length;
    bool ended;
};

static int64_t spool_ready(void *self, uint64_t offset, uint64_t want, struct error *err)
{
    struct spool *spool = self;

    (void)err;
    pthread_mutex_lock(&spool->lock);
    while (!spool->ended && spool->length < offset + want)
        pthread_cond_wait(&spool->grown, &spool->lock);
    uint64_t there = spool->length - offset;
    pthread_mutex_unlock(&spool->lock);
    return (int64_t)(there < want ? there : want);
}

static long spool_read(void *self, uint64_t offset, char *into, size_t room, struct error *err)
{
    struct spool *spool = self;

    (void)err;
    pthread_mutex_lock(&spool->lock);
    size_t length = spool->length - offset < room ? spool->length - (size_t)offset : room;
    memcpy(into, spool->bytes + offset, length);
    pthread_mutex_unlock(&spool->lock);
    return (long)length;
}

static void *spool_fill(void *self)
{
    struct spool *spool = self;
    uint32_t random = 1;

    while (spool->length < BLOB_BYTES) {
        pthread_mutex_lock(&spool->lock);
        for (size_t i = 0; i < 100003 && spool->length < BLOB_BYTES; i++) {
            random = random * 1664525 + 1013904223;
            spool->bytes[spool->length++] = (char)(random >> 24);
        }
        spool->ended = spool->length == BLOB_BYTES;
        pthread_cond_signal(&spool->grown);
        pthread_mutex_unlock(&spool->lock);
    }
    return NULL;
}

static void spool_done(struct spool *spool)
{
    free(spool->bytes);
    pthread_cond_destroy(&spool->grown);
    pthread_mutex_destroy(&spool->lock);
}

/* Fills the spool and pushes it at the same time, in chunks of 1 MiB. */
static int push_growing(struct registry *registry, const char *repository, struct spool *spool,
                        struct digest *ret_digest, struct error *err)
{
    SCOPED(upload) struct upload *up = NULL;
    struct blob_source source = {spool_ready, spool_read, spool};
    struct upload_options options = {.chunk_bytes = 1 << 20};
    pthread_t writer;

    *spool = (struct spool){.bytes = xcalloc(BLOB_BYTES, 1)};
    pthread_mutex_init(&spool->lock, NULL);
    pthread_cond_init(&spool->grown, NULL);
    pthread_create(&writer, NULL, spool_fill, spool);
    int result = upload_begin(registry, repository, &options, &up, err);
    if (result == 0)
        result = upload_stream(up, &source, err);
    pthread_join(writer, NULL);
    *ret_digest = digest_of(spool->bytes, spool->length);
    return result < 0 ? -1 : upload_commit(up, ret_digest, err);
}

static int compare(void *self, const char *bytes, size_t length, struct error *err)
{
    const char **at = self;

    if (memcmp(*at, bytes, length) != 0)
        return error_set(err, ERR_CORRUPT, "other bytes");
    *at += length;
    return 0;
}

static void assert_ok(int result, const struct error *err)
{
    if (result < 0)
        fail_msg("%s", err->text);
}

static void assert_blob_is_there(struct registry *registry, const char *repository, const struct spool *spool,
                                 const struct digest *digest)
{
    struct error err = {0};
    const char *at = spool->bytes;
    struct blob_sink sink = {compare, &at};
    struct descriptor blob = {MEDIA_OCI_LAYER_ZSTD, *digest, BLOB_BYTES};
    uint64_t size = 0;

    assert_ok(registry_has_blob(registry, repository, digest, &size, &err), &err);
    assert_int_equal(size, BLOB_BYTES);
    assert_ok(registry_get_blob(registry, repository, &blob, &sink, &err), &err);
    assert_ptr_equal(at, spool->bytes + BLOB_BYTES);
}

static void an_image_goes_in_and_comes_out(void **state)
{
    static const char base_config[] = "{\"architecture\":\"amd64\",\"os\":\"linux\","
                                      "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
    struct docker_registry *server = docker_registry_start(&(struct docker_registry_options){0}, NULL);
    SCOPED(registry) struct registry *registry = open_at(docker_registry_host(server), NULL, NULL);
    struct error err = {0};
    struct spool spool;
    struct digest config_digest = digest_of(base_config, strlen(base_config)), digest;
    struct image_layer layer = {.blob = {.media_type = MEDIA_OCI_LAYER_ZSTD, .size_bytes = BLOB_BYTES},
                                .created_by = "test"};
    SCOPED(string)
    char *base_manifest = xasprintf(
        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
        "\"size\":%zu,\"digest\":\"%s\"},\"layers\":[]}",
        strlen(base_config), config_digest.text);
    struct image_plan plan = {
        base_manifest, strlen(base_manifest), base_config, strlen(base_config), SIZE_MAX, &layer, 1, 1, NULL};
    SCOPED_IMAGE struct image image = {0};
    SCOPED_STRBUF struct strbuf fetched = STRBUF_INIT;
    struct descriptor self;

    (void)state;
    assert_ok(registry_check(registry, "team/app", &err), &err);
    assert_ok(push_growing(registry, "team/app", &spool, &layer.blob.digest, &err), &err);
    layer.diff_id = layer.blob.digest;
    assert_ok(image_build(&plan, &image, &err), &err);
    assert_ok(upload_bytes(registry, "team/app", image.config_bytes.bytes, image.config_bytes.length,
                           &image.manifest.config.digest, &err),
              &err);
    assert_ok(registry_put_manifest(registry, "team/app", "snap", MEDIA_OCI_MANIFEST,
                                    image.manifest_bytes.bytes, image.manifest_bytes.length, &digest, &err),
              &err);
    assert_true(digest_equal(&digest, &image.manifest_self.digest));

    assert_blob_is_there(registry, "team/app", &spool, &layer.blob.digest);
    assert_int_equal(registry_head_manifest(registry, "team/app", "snap", &self, &err), 1);
    assert_true(digest_equal(&self.digest, &digest));
    assert_int_equal(registry_head_manifest(registry, "team/app", "other", &self, &err), 0);
    assert_ok(registry_get_manifest(registry, "team/app", digest.text, &fetched, &self, &err), &err);
    assert_string_equal(strbuf_text(&fetched), strbuf_text(&image.manifest_bytes));

    assert_int_equal(registry_mount_blob(registry, "other/app", "team/app", &layer.blob.digest, &err), 1);
    assert_int_equal(registry_has_blob(registry, "other/app", &layer.blob.digest, NULL, &err), 1);
    assert_int_equal(registry_mount_blob(registry, "other/app", "no/such", &digest, &err), 0);
    spool_done(&spool);
    docker_registry_stop(server);
}

static void a_manifest_whose_blobs_are_missing_is_refused(void **state)
{
    struct docker_registry *server = docker_registry_start(&(struct docker_registry_options){0}, NULL);
    SCOPED(registry) struct registry *registry = open_at(docker_registry_host(server), NULL, NULL);
    struct error err = {0};
    struct digest digest = digest_of("x", 1);
    SCOPED(string)
    char *manifest = xasprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":"
        "{\"mediaType\":\"application/"
        "vnd.oci.image.config.v1+json\",\"size\":1,\"digest\":\"%s\"},\"layers\":[]}",
        digest.text);

    (void)state;
    assert_int_equal(registry_put_manifest(registry, "team/app", "snap", MEDIA_OCI_MANIFEST, manifest,
                                           strlen(manifest), NULL, &err),
                     -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.reason, "RegistryError");
    assert_non_null(strstr(err.text, "MANIFEST_BLOB_UNKNOWN"));
    docker_registry_stop(server);
}

static void a_wrong_digest_is_refused(void **state)
{
    struct docker_registry *server = docker_registry_start(&(struct docker_registry_options){0}, NULL);
    SCOPED(registry) struct registry *registry = open_at(docker_registry_host(server), NULL, NULL);
    struct error err = {0};
    struct digest other = digest_of("other", 5);

    (void)state;
    assert_int_equal(upload_bytes(registry, "team/app", "{}", 2, &other, &err), -1);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_string_equal(err.reason, "BlobDigestMismatch");
    docker_registry_stop(server);
}

static void assert_refused(const char *host, const char *user, const char *password, const char *repository,
                           const char *reason)
{
    struct error err = {0};
    SCOPED(registry) struct registry *registry = open_at(host, user, password);

    assert_int_equal(registry_check(registry, repository, &err), -1);
    if (err.code != ERR_DENIED || strcmp(err.reason, reason) != 0)
        fail_msg("%s %s: %s", error_code_name(err.code), err.reason, err.text);
    assert_non_null(strstr(err.text, host));
    if (password)
        assert_null(strstr(err.text, password));
}

static void htpasswd_lets_the_right_user_push(void **state)
{
    struct docker_registry *server =
        docker_registry_start(&(struct docker_registry_options){.htpasswd = true}, NULL);
    const char *host = docker_registry_host(server);
    SCOPED(registry) struct registry *registry = open_at(host, "user", "pass");
    struct error err = {0};
    struct digest digest = digest_of("{}", 2);

    (void)state;
    assert_ok(registry_check(registry, "team/app", &err), &err);
    assert_ok(upload_bytes(registry, "team/app", "{}", 2, &digest, &err), &err);
    assert_refused(host, "user", "wrong-secret", "team/app", "RegistryUnauthorized");
    assert_refused(host, NULL, NULL, "team/app", "RegistryUnauthorized");
    docker_registry_stop(server);
}

static void a_token_server_decides_who_pushes(void **state)
{
    struct token_server *tokens = token_server_start(key);
    struct docker_registry *server = docker_registry_start(
        &(struct docker_registry_options){.token_realm = token_server_realm(tokens)}, key);
    const char *host = docker_registry_host(server);
    SCOPED(registry) struct registry *registry = open_at(host, "user", "pass");
    struct error err = {0};
    struct digest digest;
    struct spool spool;

    (void)state;
    assert_ok(registry_check(registry, "team/app", &err), &err);
    assert_ok(push_growing(registry, "team/app", &spool, &digest, &err), &err);
    assert_int_equal(token_server_count(tokens),
                     2); /* one to push with, one to cancel the preflight's upload with */
    assert_int_equal(registry_mount_blob(registry, "other/app", "team/app", &digest, &err), 1);
    assert_refused(host, "user", "wrong-secret", "team/app", "RegistryUnauthorized");
    assert_refused(host, "user", "pass", "locked/app", "RegistryDenied");
    assert_refused(host, NULL, NULL, "team/app", "RegistryDenied");
    spool_done(&spool);
    docker_registry_stop(server);
    token_server_stop(tokens);
}

static int check_tls(const char *host, bool insecure, const char *ca_file, struct error *err)
{
    SCOPED(registry) struct registry *registry = NULL;
    struct registry_options options = {.host = host, .insecure = insecure, .ca_file = ca_file};

    assert_int_equal(registry_open(&options, &registry, err), 0);
    return registry_check(registry, "team/app", err);
}

static void a_private_ca_is_trusted_only_when_given(void **state)
{
    struct docker_registry *server =
        docker_registry_start(&(struct docker_registry_options){.tls = true}, key);
    const char *host = docker_registry_host(server);
    struct error err = {0};

    (void)state;
    assert_ok(check_tls(host, false, docker_registry_ca_file(server), &err), &err);
    assert_ok(check_tls(host, true, NULL, &err), &err);
    assert_int_equal(check_tls(host, false, NULL, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    assert_string_equal(err.reason, "RegistryUnreachable");
    assert_non_null(strstr(err.text, "give its CA"));
    assert_int_equal(check_tls(host, false, "/no/such/file", &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "/no/such/file"));
    docker_registry_stop(server);
}

static void cut_connections_end_in_the_same_blob(void **state)
{
    struct docker_registry *server = docker_registry_start(&(struct docker_registry_options){0}, NULL);
    struct cutting_proxy *proxy = cutting_proxy_start(docker_registry_host(server), 3, 2500000);
    SCOPED(registry) struct registry *registry = open_at(cutting_proxy_host(proxy), NULL, NULL);
    struct error err = {0};
    struct digest digest;
    struct spool spool;

    (void)state;
    assert_ok(push_growing(registry, "team/app", &spool, &digest, &err), &err);
    assert_int_equal(cutting_proxy_cuts_left(proxy), 0);
    assert_blob_is_there(registry, "team/app", &spool, &digest);
    spool_done(&spool);
    cutting_proxy_stop(proxy);
    docker_registry_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_goes_in_and_comes_out),
        cmocka_unit_test(a_manifest_whose_blobs_are_missing_is_refused),
        cmocka_unit_test(a_wrong_digest_is_refused),
        cmocka_unit_test(htpasswd_lets_the_right_user_push),
        cmocka_unit_test(a_token_server_decides_who_pushes),
        cmocka_unit_test(a_private_ca_is_trusted_only_when_given),
        cmocka_unit_test(cut_connections_end_in_the_same_blob),
    };
    if (!docker_registry_installed()) {
        (void)fprintf(stderr, "docker-registry is not installed: skipped\n");
        return 77;
    }
    key = test_key_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_key_free(key);
    return failed;
}
