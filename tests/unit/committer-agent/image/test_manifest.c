/* image/manifest.h, image/platform.h: docker in, OCI out; what cannot be is refused with its path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/image/manifest.h"

#define D(digit) "sha256:" digit digit digit digit digit digit digit digit
#define A        D("aaaaaaaa")
#define B        D("bbbbbbbb")
#define C        D("cccccccc")

#define DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define DOCKER_GZIP   "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define OCI_CONFIG    "application/vnd.oci.image.config.v1+json"
#define OCI_GZIP      "application/vnd.oci.image.layer.v1.tar+gzip"
#define OCI_ZSTD      "application/vnd.oci.image.layer.v1.tar+zstd"

static const char docker_manifest[] =
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
    "\"config\":{\"mediaType\":\"" DOCKER_CONFIG "\",\"size\":7,\"digest\":\"" A "\"},"
    "\"layers\":[{\"mediaType\":\"" DOCKER_GZIP "\",\"size\":8,\"digest\":\"" B "\",\"urls\":[]}]}";

/* What the docker manifest above becomes with one zstd layer on top. */
static const char golden_oci[] =
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
    "\"config\":{\"mediaType\":\"" OCI_CONFIG "\",\"digest\":\"" A "\",\"size\":7},"
    "\"layers\":[{\"mediaType\":\"" OCI_GZIP "\",\"digest\":\"" B "\",\"size\":8},"
    "{\"mediaType\":\"" OCI_ZSTD "\",\"digest\":\"" C "\",\"size\":9}]}";

static void a_docker_manifest_becomes_the_golden_oci_one(void **state)
{
    struct error err = {0};
    SCOPED_MANIFEST struct manifest manifest = {0};
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    struct descriptor top = {MEDIA_OCI_LAYER_ZSTD, {{0}, ""}, 9}, self;

    (void)state;
    assert_int_equal(digest_parse(C, &top.digest, &err), 0);
    assert_int_equal(manifest_parse(docker_manifest, strlen(docker_manifest), "base", &manifest, &err), 0);
    assert_int_equal(manifest.config.media_type, MEDIA_DOCKER_CONFIG);
    assert_int_equal(manifest_add_layer(&manifest, &top, &err), 0);
    assert_int_equal(manifest_format(&manifest, &bytes, &self, &err), 0);
    assert_string_equal(strbuf_text(&bytes), golden_oci);

    struct digest digest = digest_of(golden_oci, strlen(golden_oci));
    assert_true(digest_equal(&digest, &self.digest));
    assert_int_equal(self.size_bytes, strlen(golden_oci));
    assert_int_equal(self.media_type, MEDIA_OCI_MANIFEST);
}

static void what_was_written_reads_back_and_writes_the_same(void **state)
{
    struct error err = {0};
    SCOPED_MANIFEST struct manifest manifest = {0};
    SCOPED_STRBUF struct strbuf bytes = STRBUF_INIT;
    struct descriptor self;

    (void)state;
    assert_int_equal(manifest_parse(golden_oci, strlen(golden_oci), "golden", &manifest, &err), 0);
    assert_int_equal(manifest_format(&manifest, &bytes, &self, &err), 0);
    assert_string_equal(strbuf_text(&bytes), golden_oci);
}

#define CONFIG "\"config\":{\"mediaType\":\"" OCI_CONFIG "\",\"size\":7,\"digest\":\"" A "\"}"

static void a_manifest_that_cannot_be_is_refused_with_its_path(void **state)
{
    static const struct {
        const char *text, *story;
    } bad[] = {
        {"[]", "base"},
        {"{\"schemaVersion\":1," CONFIG ",\"layers\":[]}", "schemaVersion: want 2, got 1"},
        {"{" CONFIG ",\"layers\":[]}", "schemaVersion"},
        {"{\"schemaVersion\":2," CONFIG "}", "layers"},
        {"{\"schemaVersion\":2,\"layers\":[]}", "config"},
        {"{\"schemaVersion\":2,\"mediaType\":\"text/html\"," CONFIG ",\"layers\":[]}", "mediaType"},
        {"{\"schemaVersion\":2," CONFIG
         ",\"layers\":[{\"mediaType\":\"application/x-cat\",\"size\":1,\"digest\":\"" B "\"}]}",
         "layers[0].mediaType"},
        {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" OCI_GZIP
         "\",\"size\":1,\"digest\":\"md5:00\"}]}",
         "layers[0].digest"},
        {"{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"" OCI_GZIP
         "\",\"size\":-1,\"digest\":\"" B "\"}]}",
         "layers[0].size"},
        {"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/"
         "vnd.oci.empty.v1+json\",\"size\":2,\"digest\":\"" A "\"},\"layers\":[]}",
         "config.mediaType"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        struct manifest manifest = {0};
        if (manifest_parse(bad[i].text, strlen(bad[i].text), "base", &manifest, &err) == 0)
            fail_msg("taken: %s", bad[i].text);
        assert_int_equal(err.code, ERR_INVALID);
        if (!strstr(err.text, bad[i].story) || strncmp(err.text, "base", 4) != 0)
            fail_msg("want \"%s\" in: %s", bad[i].story, err.text);
        assert_null(manifest.layers); /* untouched */
    }
}

static void more_than_four_mebibytes_are_not_even_parsed(void **state)
{
    struct error err = {0};
    struct manifest manifest = {0};
    char *spaces = malloc(MANIFEST_MAX_BYTES + 1);

    (void)state;
    memset(spaces, ' ', MANIFEST_MAX_BYTES + 1);
    assert_int_equal(manifest_parse(spaces, MANIFEST_MAX_BYTES + 1, "base", &manifest, &err), -1);
    assert_int_equal(err.code, ERR_EXHAUSTED);
    free(spaces);
}

static void the_501st_layer_is_refused(void **state)
{
    struct error err = {0};
    SCOPED_MANIFEST struct manifest manifest = {0};
    struct descriptor layer = {.media_type = MEDIA_OCI_LAYER_ZSTD};

    (void)state;
    for (int i = 0; i < MANIFEST_MAX_LAYERS; i++)
        assert_int_equal(manifest_add_layer(&manifest, &layer, &err), 0);
    assert_int_equal(manifest_add_layer(&manifest, &layer, &err), -1);
    assert_int_equal(err.code, ERR_EXHAUSTED);
}

static void the_media_type_comes_from_the_document(void **state)
{
    static const struct {
        const char *text;
        enum media_type type; /* MEDIA_UNKNOWN: refused */
    } cases[] = {
        {docker_manifest, MEDIA_DOCKER_MANIFEST},
        {"{\"schemaVersion\":2,\"config\":{},\"layers\":[]}", MEDIA_OCI_MANIFEST},
        {"{\"schemaVersion\":2,\"manifests\":[]}", MEDIA_OCI_INDEX},
        {"{\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\",\"manifests\":[]}",
         MEDIA_DOCKER_LIST},
        {"{\"manifests\":[],\"layers\":[]}", MEDIA_UNKNOWN},
        {"{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"config\":{},\"layers\":[]}",
         MEDIA_UNKNOWN},
        {"{\"schemaVersion\":1,\"fsLayers\":[]}", MEDIA_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        enum media_type type = MEDIA_UNKNOWN;
        int result = manifest_media_type(cases[i].text, strlen(cases[i].text), &type, &err);
        assert_int_equal(result, cases[i].type == MEDIA_UNKNOWN ? -1 : 0);
        assert_int_equal(type, cases[i].type);
    }
}

#define ENTRY(digest, platform)                                                                              \
    "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":1,\"digest\":\"" digest          \
    "\",\"platform\":{" platform "}}"

static const char some_index[] =
    "{\"schemaVersion\":2,\"manifests\":["
    "{\"mediaType\":\"application/x-helm\",\"size\":1,\"digest\":\"" C
    "\"}," ENTRY(A, "\"os\":\"linux\",\"architecture\":\"amd64\"") "," ENTRY(
        B, "\"os\":\"linux\","
           "\"architecture\":"
           "\"arm64\",\"variant\":"
           "\"v8\"") "," ENTRY(C, "\"os\":\"linux\",\"architecture\":\"arm\","
                                  "\"variant\":\"v6\"") "," ENTRY(D("dddddddd"), "\"os\":\"unknown\","
                                                                                 "\"architecture\":"
                                                                                 "\"unknown\"") "]}";

static void the_index_gives_the_image_of_this_platform(void **state)
{
    static const struct {
        struct platform want;
        const char *digest; /* NULL: none */
    } cases[] = {
        {{"linux", "amd64", ""}, A},      {{"linux", "arm64", "v8"}, B},  {{"linux", "arm64", ""}, B},
        {{"linux", "arm", "v7"}, C},      {{"linux", "arm", "v5"}, NULL}, {{"linux", "s390x", ""}, NULL},
        {{"windows", "amd64", ""}, NULL},
    };
    struct error err = {0};
    SCOPED_INDEX struct index index = {0};

    (void)state;
    assert_int_equal(index_parse(some_index, strlen(some_index), "index", &index, &err), 0);
    assert_int_equal(index.count, 4);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct descriptor found = {0};
        int result = index_select(&index, &cases[i].want, &found, &err);
        assert_int_equal(result, cases[i].digest ? 0 : -1);
        if (cases[i].digest)
            assert_string_equal(found.digest.text, cases[i].digest);
        else
            assert_int_equal(err.code, ERR_NOT_FOUND);
    }
    assert_non_null(strstr(err.text, "windows/amd64"));
    assert_non_null(strstr(err.text, "linux/arm64/v8"));
}

static void the_closest_variant_is_the_nearest(void **state)
{
    static const struct {
        struct platform want, have;
        int distance;
    } cases[] = {
        {{"linux", "amd64", ""}, {"linux", "amd64", ""}, 0},
        {{"linux", "amd64", ""}, {"linux", "amd64", "v3"}, -1},
        {{"linux", "amd64", "v3"}, {"linux", "amd64", "v2"}, 1},
        {{"linux", "arm", "v7"}, {"linux", "arm", ""}, 0},
        {{"linux", "arm", "v7"}, {"linux", "arm", "v5"}, 2},
        {{"linux", "arm64", "v8"}, {"linux", "arm", "v7"}, 101},
        {{"linux", "amd64", ""}, {"linux", "386", ""}, 100},
        {{"linux", "386", ""}, {"linux", "amd64", ""}, -1},
        {{"linux", "amd64", ""}, {"linux", "amd64", "fast"}, -1},
        {{"linux", "riscv64", ""}, {"linux", "riscv64", ""}, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(platform_distance(&cases[i].want, &cases[i].have), cases[i].distance);
}

static void every_media_type_has_a_role_and_an_oci_spelling(void **state)
{
    (void)state;
    for (enum media_type type = MEDIA_UNKNOWN + 1; type < MEDIA_MAX; type++) {
        enum media_type oci = media_type_to_oci(type);
        assert_int_equal(media_type_parse(media_type_text(type)), type);
        assert_int_equal(media_type_to_oci(oci), oci);
        assert_int_equal(media_type_is_layer(type), media_type_is_layer(oci));
        assert_int_equal(media_type_is_index(type) + media_type_is_manifest(type) +
                             media_type_is_config(type) + media_type_is_layer(type),
                         1);
    }
    assert_int_equal(media_type_parse("application/vnd.OCI.image.manifest.v1+json; charset=utf-8"),
                     MEDIA_OCI_MANIFEST);
    assert_int_equal(media_type_parse("application/json"), MEDIA_UNKNOWN);
    assert_int_equal(media_type_parse(NULL), MEDIA_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_docker_manifest_becomes_the_golden_oci_one),
        cmocka_unit_test(what_was_written_reads_back_and_writes_the_same),
        cmocka_unit_test(a_manifest_that_cannot_be_is_refused_with_its_path),
        cmocka_unit_test(more_than_four_mebibytes_are_not_even_parsed),
        cmocka_unit_test(the_501st_layer_is_refused),
        cmocka_unit_test(the_media_type_comes_from_the_document),
        cmocka_unit_test(the_index_gives_the_image_of_this_platform),
        cmocka_unit_test(the_closest_variant_is_the_nearest),
        cmocka_unit_test(every_media_type_has_a_role_and_an_oci_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
