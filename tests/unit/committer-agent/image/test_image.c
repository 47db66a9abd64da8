/* image/image.h and image/config.h: base plus layers, everything else of the base kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "committer-agent/image/image.h"
#include "shared/base/alloc.h"

#define D(digit)  "sha256:" digit digit digit digit digit digit digit digit
#define DIFF_BASE D("11111111")
#define DIFF_TOP  D("22222222")

static const char base_config[] =
    "{\"architecture\":\"amd64\",\"config\":{\"Env\":[\"A=\\u00e9\"],\"x-unknown\":{\"deep\":[1,2.5,null]}},"
    "\"created\":\"2020-01-01T00:00:00Z\",\"history\":[{\"created_by\":\"base\"},"
    "{\"created_by\":\"ENV A\",\"empty_layer\":true}],\"os\":\"linux\","
    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIFF_BASE "\"]},\"docker_version\":\"9\"}";

static const char golden_config[] =
    "{\"architecture\":\"amd64\",\"config\":{\"Env\":[\"A=\xc3\xa9\"],\"x-unknown\":{\"deep\":[1,2.5,null]}},"
    "\"created\":\"2029-06-01T10:00:00.123Z\",\"history\":[{\"created_by\":\"base\"},"
    "{\"created_by\":\"ENV A\",\"empty_layer\":true},"
    "{\"created\":\"2029-06-01T10:00:00.123Z\",\"created_by\":\"stasis "
    "commit\",\"comment\":\"stasis\"}],\"os\":\"linux\","
    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIFF_BASE "\",\"" DIFF_TOP
    "\"]},\"docker_version\":\"9\"}";

static char *base_manifest_for(const char *config)
{
    struct digest digest = digest_of(config, strlen(config));
    return xasprintf(
        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\","
        "\"size\":%zu,\"digest\":\"%s\"},\"layers\":[{\"mediaType\":"
        "\"application/vnd.docker.image.rootfs.diff.tar.gzip\",\"size\":5,\"digest\":\"" D(
            "33333333") "\"}],"
                        "\"annotations\":{\"of\":\"base\"}}",
        strlen(config), digest.text);
}

static struct image_layer top_layer(void)
{
    struct error err = {0};
    struct image_layer layer = {
        .blob = {MEDIA_OCI_LAYER_ZSTD, {{0}, ""}, 77}, .created_by = "stasis commit", .comment = "stasis"};
    assert_int_equal(digest_parse(D("44444444"), &layer.blob.digest, &err), 0);
    assert_int_equal(digest_parse(DIFF_TOP, &layer.diff_id, &err), 0);
    return layer;
}

static struct image_plan plan_on(const char *manifest, const char *config)
{
    return (struct image_plan){.base_manifest = manifest,
                               .base_manifest_length = strlen(manifest),
                               .base_config = config,
                               .base_config_length = strlen(config),
                               .keep_layers = SIZE_MAX,
                               .created_unix_ms = 1875002400123};
}

static void the_base_is_kept_and_the_layer_is_on_top(void **state)
{
    struct error err = {0};
    SCOPED_IMAGE struct image image = {0};
    SCOPED(string)
    char *manifest = base_manifest_for(base_config);
    struct image_layer layer = top_layer();
    struct image_plan plan = plan_on(manifest, base_config);

    (void)state;
    plan.layers = &layer;
    plan.layer_count = 1;
    if (image_build(&plan, &image, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(strbuf_text(&image.config_bytes), golden_config);
    struct digest config_digest = digest_of(golden_config, strlen(golden_config));
    assert_true(digest_equal(&image.manifest.config.digest, &config_digest));
    assert_int_equal(image.manifest.layer_count, 2);
    assert_int_equal(image.manifest.layers[0].media_type, MEDIA_OCI_LAYER_GZIP);
    assert_string_equal(image.manifest.layers[1].digest.text, layer.blob.digest.text);
    assert_null(strstr(strbuf_text(&image.manifest_bytes), "annotations"));
    assert_int_equal(image.manifest_self.size_bytes, image.manifest_bytes.length);
}

static void the_same_plan_gives_the_same_bytes(void **state)
{
    struct error err = {0};
    SCOPED_IMAGE struct image one = {0}, two = {0};
    SCOPED(string)
    char *manifest = base_manifest_for(base_config);
    struct image_plan plan = plan_on(manifest, base_config);

    (void)state;
    assert_int_equal(image_build(&plan, &one, &err), 0);
    assert_int_equal(image_build(&plan, &two, &err), 0);
    assert_true(digest_equal(&one.manifest_self.digest, &two.manifest_self.digest));
}

static void folded_layers_leave_with_their_history(void **state)
{
    struct error err = {0};
    SCOPED_IMAGE struct image first = {0}, folded = {0};
    SCOPED(string)
    char *manifest = base_manifest_for(base_config);
    struct image_layer layer = top_layer();
    struct image_plan plan = plan_on(manifest, base_config);

    (void)state;
    plan.layers = &layer;
    plan.layer_count = 1;
    assert_int_equal(image_build(&plan, &first, &err), 0);

    struct image_plan again = plan_on(strbuf_text(&first.manifest_bytes), strbuf_text(&first.config_bytes));
    again.keep_layers = 1;
    again.layers = &layer;
    again.layer_count = 1;
    assert_int_equal(image_build(&again, &folded, &err), 0);
    assert_string_equal(strbuf_text(&folded.config_bytes), golden_config);
    assert_string_equal(strbuf_text(&folded.manifest_bytes), strbuf_text(&first.manifest_bytes));
}

static void our_layers_are_told_from_the_bases(void **state)
{
    static const char no_history[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":"
                                     "\"layers\",\"diff_ids\":[\"" DIFF_BASE "\"]}}";
    const char *bases[] = {base_config, no_history};
    struct image_layer layer = top_layer();
    struct image_history history = {0, layer.created_by, layer.comment};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct error err = {0};
        SCOPED(image_config)
        struct image_config *config = NULL;
        assert_int_equal(image_config_parse(bases[i], strlen(bases[i]), "base", &config, &err), 0);
        assert_null(image_config_layer_comment(config, 0));
        assert_int_equal(image_config_add_layer(config, &layer.diff_id, &history, &err), 0);
        assert_null(image_config_layer_comment(config, 0));
        assert_string_equal(image_config_layer_comment(config, 1), "stasis");
        assert_string_equal(image_config_diff_id(config, 1)->text, DIFF_TOP);
        assert_null(image_config_layer_comment(config, 2));
    }
}

/* sha256("<chain below> <diffID>"), computed elsewhere. */
static void a_chain_names_a_stack_of_layers(void **state)
{
    static const struct {
        const char *diff_ids, *chain;
    } rows[] = {
        {"", NULL},
        {"\"" DIFF_BASE "\"", DIFF_BASE},
        {"\"" DIFF_BASE "\",\"" DIFF_TOP "\"",
         "sha256:9932074217c35353d2e03a3f5a86549f7c67bfeb0ba53e23d69f4d4c8f7958f5"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(string)
        char *text = xasprintf("{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
                               "\"diff_ids\":[%s]}}",
                               rows[i].diff_ids);
        SCOPED(image_config) struct image_config *config = NULL;
        struct error err = {0};
        struct digest chain;
        assert_int_equal(image_config_parse(text, strlen(text), "config", &config, &err), 0);
        assert_int_equal(image_config_chain_id(config, &chain), rows[i].chain != NULL);
        if (rows[i].chain)
            assert_string_equal(chain.text, rows[i].chain);
    }
}

static void a_config_of_another_image_is_refused(void **state)
{
    struct error err = {0};
    SCOPED_IMAGE struct image image = {0};
    SCOPED(string)
    char *manifest = base_manifest_for(base_config);
    struct image_plan plan = plan_on(manifest, golden_config);

    (void)state;
    assert_int_equal(image_build(&plan, &image, &err), -1);
    assert_int_equal(err.code, ERR_CORRUPT);

    SCOPED(string)
    char *two_diffs = base_manifest_for(golden_config); /* one layer, two diff_ids */
    plan = plan_on(two_diffs, golden_config);
    assert_int_equal(image_build(&plan, &image, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "1 layers, its config 2 diff_ids"));
}

static void a_config_that_cannot_be_is_refused_with_its_path(void **state)
{
    static const struct {
        const char *text, *story;
    } bad[] = {
        {"{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}", "architecture"},
        {"{\"os\":\"linux\",\"architecture\":\"amd64\"}", "rootfs"},
        {"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"other\",\"diff_ids\":[]}}",
         "rootfs.type"},
        {"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":["
         "\"" DIFF_BASE "\",\"x\"]}}",
         "rootfs.diff_ids[1]"},
        {"{\"os\":\"0123456789012345678901234567890123456789\",\"architecture\":\"amd64\",\"rootfs\":{"
         "\"type\":"
         "\"layers\",\"diff_ids\":[]}}",
         "31 characters"},
        {"{", "base"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        struct image_config *config = NULL;
        if (image_config_parse(bad[i].text, strlen(bad[i].text), "base", &config, &err) == 0)
            fail_msg("taken: %s", bad[i].text);
        assert_int_equal(err.code, ERR_INVALID);
        if (!strstr(err.text, bad[i].story))
            fail_msg("want \"%s\" in: %s", bad[i].story, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_base_is_kept_and_the_layer_is_on_top),
        cmocka_unit_test(the_same_plan_gives_the_same_bytes),
        cmocka_unit_test(folded_layers_leave_with_their_history),
        cmocka_unit_test(our_layers_are_told_from_the_bases),
        cmocka_unit_test(a_chain_names_a_stack_of_layers),
        cmocka_unit_test(a_config_of_another_image_is_refused),
        cmocka_unit_test(a_config_that_cannot_be_is_refused_with_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
