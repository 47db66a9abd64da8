/* test_fold.c - which layers of an image are ours, and when they are made one again. */
#include "committer-agent/commit/fold.h"

#include <stdio.h>
#include <string.h>

#include "committer-agent/image/image.h"
#include "shared/base/alloc.h"
#include "tests/unit/testing.h"

/* A history in letters: "b" a layer of the base, "e" an empty one, "s" ours, "x" one whose comment only begins like ours. */
static struct image_config *config_of(size_t layers, const char *history)
{
    static const char *const entries[] = {
        ['b'] = "{\"created_by\":\"base\"}",
        ['e'] = "{\"created_by\":\"ENV\",\"empty_layer\":true,\"comment\":\"stasis\"}",
        ['s'] = "{\"created_by\":\"stasis commit\",\"comment\":\"stasis\"}",
        ['x'] = "{\"created_by\":\"other\",\"comment\":\"stasis of another kind\"}",
    };
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    struct image_config *config;
    struct error err;

    (void)strbuf_adds(&text, "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\","
                             "\"diff_ids\":[");
    for (size_t i = 0; i < layers; i++)
        (void)strbuf_addf(&text, "%s\"sha256:%064zu\"", i ? "," : "", i);
    (void)strbuf_adds(&text, "]},\"history\":[");
    for (const char *c = history; *c; c++)
        (void)strbuf_addf(&text, "%s%s", c > history ? "," : "", entries[(unsigned char)*c]);
    (void)strbuf_adds(&text, "]}");
    assert_ok(image_config_parse(strbuf_text(&text), text.length, "config", &config, &err), &err);
    return config;
}

static void as_many_layers_as_allowed_are_folded_at_the_next_commit(void **state)
{
    static const struct {
        const char *what;
        size_t layers;
        const char *history;
        unsigned layers_max; /* 0: 4 */
        size_t keep;
    } rows[] = {
        {"a base alone", 3, "bbb", 1, 3},
        {"fewer than allowed", 5, "bbsss", 0, 5},
        {"as many as allowed", 6, "bbssss", 0, 2},
        {"more than allowed, after the limit was lowered", 9, "bbsssssss", 2, 2},
        {"one", 2, "bs", 1, 1},
        {"one, of two allowed", 2, "bs", 2, 2},
        {"empty entries are no layers", 3, "bebeseeee", 1, 2},
        {"an empty entry between ours", 4, "bbeses", 2, 2},
        {"only what is on top of all others", 5, "bssbs", 1, 4},
        {"what others built on ours is theirs", 4, "bssb", 1, 4},
        {"the comment as a whole", 3, "bsx", 1, 3},
        {"a base without history", 6, "ssss", 4, 2},
        {"no history at all", 4, "", 1, 4},
        {"the lowest layer stays, whoever made it", 3, "sss", 1, 1},
        {"and stays alone", 1, "s", 1, 1},
        {"no layers", 0, "", 1, 0},
        {"more history than layers", 2, "bbss", 2, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(image_config) struct image_config *config = config_of(rows[i].layers, rows[i].history);
        size_t keep = fold_keep_layers(config, rows[i].layers_max);
        if (keep != rows[i].keep)
            print_error("%s\n", rows[i].what);
        assert_int_equal(keep, rows[i].keep);
    }
}

/* A law: whatever the limit, no number of commits makes more of our layers than it. */
static void any_number_of_commits_keeps_base_and_at_most_the_limit(void **state)
{
    (void)state;
    for (unsigned layers_max = 1; layers_max < 7; layers_max++) {
        SCOPED(image_config) struct image_config *config = config_of(2, "beb");
        for (unsigned commit = 1; commit <= 40; commit++) {
            const struct image_history history = {.created_by = "stasis commit", .comment = FOLD_COMMENT};
            char text[32];
            struct error err;
            int length = snprintf(text, sizeof(text), "%u", commit);
            struct digest diff_id = digest_of(text, (size_t)length);
            image_config_keep_layers(config, fold_keep_layers(config, layers_max));
            assert_ok(image_config_add_layer(config, &diff_id, &history, &err), &err);
            assert_int_equal(image_config_layer_count(config), 2 + (commit - 1) % layers_max + 1);
            assert_string_equal(image_config_diff_id(config, 1)->text + strlen("sha256:") + 63, "1");
            assert_null(image_config_layer_comment(config, 1));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_layers_as_allowed_are_folded_at_the_next_commit),
        cmocka_unit_test(any_number_of_commits_keeps_base_and_at_most_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
