/* Contract crds.md §6.4 "Derived names", K8; OCI distribution-spec, <name>. */
#include "snapshot-svc/model/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

static char *repeated(char c, size_t count)
{
    char *text = xcalloc(count + 1, 1);
    memset(text, c, count);
    return text;
}

static void names_are_derived_from_the_sandbox(void **state)
{
    (void)state;
    SCOPED(string) char *pod = name_pod("demo", 3), *snapshot = name_internal_snapshot("demo");
    SCOPED(string) char *label = name_label_value("demo");

    assert_string_equal(pod, "demo-3");
    assert_string_equal(snapshot, "demo-pause");
    assert_string_equal(label, "demo");
}

static void a_long_name_is_cut_and_hashed_and_stays_distinct(void **state) /* K8 */
{
    (void)state;
    SCOPED(string) char *a = repeated('a', 252), *b = repeated('a', 251);
    SCOPED(string) char *name_a = name_internal_snapshot(a), *name_b = name_internal_snapshot(b);
    SCOPED(string)
    char *pod = name_pod(a, 12), *label_a = name_label_value(a), *label_b = name_label_value(b);

    assert_true(strlen(name_a) <= 253 && strlen(name_b) <= 253);
    assert_string_not_equal(name_a, name_b);
    assert_string_equal(name_a + strlen(name_a) - 6, "-pause");
    assert_string_equal(pod + strlen(pod) - 3, "-12");
    assert_int_equal(strlen(label_a), 63);
    assert_string_not_equal(label_a, label_b);
}

static void tags_tell_the_kinds_of_snapshots_apart(void **state)
{
    (void)state;
    static const struct {
        const char *name, *tag;
    } rows[] = {
        {"osb-snap-0123456789abcdef0123456789abcdef", "snap-0123456789abcdef0123456789abcdef"},
        /* anything else: SHA-256 of the name (printf abc | sha256sum) */
        {"abc", "snap-ba7816bf8f01cfea414140de5dae2223"},
    };
    static const char *const near_misses[] = {
        "osb-snap-0123456789ABCDEF0123456789abcdef", /* upper case */
        "osb-snap-0123456789abcdef0123456789abcde",  /* 31 */
        "osb-snap-0123456789abcdef0123456789abcdef0",
        "osb-snap-",
    };

    SCOPED(string) char *internal = tag_internal(7);
    assert_string_equal(internal, "snap-gen7");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(string) char *tag = tag_public(rows[i].name);
        assert_string_equal(tag, rows[i].tag);
    }
    for (size_t i = 0; i < sizeof(near_misses) / sizeof(*near_misses); i++) {
        SCOPED(string) char *tag = tag_public(near_misses[i]);
        assert_int_equal(strlen(tag), strlen("snap-") + 32);
        assert_string_not_equal(tag + 5, near_misses[i] + 9);
    }
}

static void a_public_snapshot_is_named_after_its_id(void **state)
{
    (void)state;
    static const struct {
        const char *id, *name;
    } rows[] = {
        {"01234567-89ab-cdef-0123-456789abcdef", "osb-snap-0123456789abcdef0123456789abcdef"},
        {"01234567-89AB-CDEF-0123-456789ABCDEF", "osb-snap-0123456789abcdef0123456789abcdef"},
        /* no UUID: SHA-256 (printf abc | sha256sum) */
        {"abc", "osb-snap-ba7816bf8f01cfea414140de5dae2223"},
    };
    static const char *const near_misses[] = {
        "0123456789abcdef0123456789abcdef",      /* without hyphens */
        "01234567-89ab-cdef-0123-456789abcde",   /* 31 digits */
        "01234567-89ab-cdef-0123-456789abcdef0", /* 33 */
        "01234567-89ab-cdef-0123-456789abcdeg",  "0123456-789ab-cdef-0123-456789abcdef", "",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(string) char *name = name_public_snapshot(rows[i].id), *tag = tag_public(name);
        assert_string_equal(name, rows[i].name);
        assert_string_equal(tag + strlen("snap-"),
                            name + strlen("osb-snap-")); /* the tag has the same digits */
    }
    for (size_t i = 0; i < sizeof(near_misses) / sizeof(*near_misses); i++) {
        SCOPED(string) char *name = name_public_snapshot(near_misses[i]), *tag = tag_public(name);
        assert_string_not_equal(name, rows[0].name);
        assert_string_equal(tag + strlen("snap-"), name + strlen("osb-snap-"));
    }
}

static void a_cycle_is_a_positive_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t cycle;
    } rows[] = {{NULL, 0},
                {"1", 1},
                {"41", 41},
                {"0", -1},
                {"-1", -1},
                {"", -1},
                {"x", -1},
                {"1x", -1},
                {"99999999999999999999", -1},
                {"9223372036854775807", -1}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(pause_cycle_parse(rows[i].text), rows[i].cycle);
}

static void an_image_is_registry_sandbox_container_and_tag(void **state)
{
    (void)state;
    static const struct {
        const char *registry, *sandbox, *container, *image;
    } rows[] = {
        {"registry:5000", "demo", "main", "registry:5000/demo-main:t"},
        {"registry:5000/", "demo", "main", "registry:5000/demo-main:t"},
        {"registry.example/team/app", "demo", "main", "registry.example/team/app/demo-main:t"},
        {"[::1]:5000", "a.b", "c", "[::1]:5000/a.b-c:t"},
        {"Registry.Example", "a--b", "c", "Registry.Example/a--b-c:t"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(string) char *image = NULL;
        struct error err = {0};
        assert_int_equal(
            name_snapshot_image(rows[i].registry, rows[i].sandbox, rows[i].container, "t", &image, &err), 0);
        assert_string_equal(image, rows[i].image);
    }
}

static void what_oci_does_not_allow_is_replaced_without_collisions(void **state)
{
    (void)state;
    static const char *const sandboxes[] = {"Demo",  "demo",  "de_mo", "de___mo", "-demo",
                                            "demo.", "d/emo", "d:emo", "d..emo"};
    char *images[9] = {NULL};

    for (size_t i = 0; i < 9; i++) {
        struct error err = {0};
        assert_int_equal(name_snapshot_image("r", sandboxes[i], "c", "t", &images[i], &err), 0);
        assert_int_equal(strspn(images[i] + 2, "abcdefghijklmnopqrstuvwxyz0123456789._-"),
                         strlen(images[i]) - 4);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(images[i], images[j]);
    }
    for (size_t i = 0; i < 9; i++)
        free(images[i]);
}

static void a_long_repository_is_cut_to_what_registries_take(void **state)
{
    (void)state;
    SCOPED(string)
    char *sandbox = repeated('s', 253), *container = repeated('c', 63), *image = NULL, *other = NULL;
    struct error err = {0};

    assert_int_equal(name_snapshot_image("registry:5000/team", sandbox, container, "t", &image, &err), 0);
    assert_int_equal(strlen(image), 255 + 2);
    container[62] = 'd';
    assert_int_equal(name_snapshot_image("registry:5000/team", sandbox, container, "t", &other, &err), 0);
    assert_string_not_equal(image, other);
}

static void what_cannot_be_a_reference_is_refused_by_name(void **state)
{
    (void)state;
    SCOPED(string) char *long_prefix = repeated('r', 230), *long_tag = repeated('t', 129);
    const struct {
        const char *registry, *tag, *text;
    } rows[] = {
        {"", "t", "--snapshot-registry"},
        {"/", "t", "--snapshot-registry"},
        {"http://registry", "t", "without a scheme"},
        {"registry:", "t", "--snapshot-registry"},
        {"registry/Team", "t", "lowercase"},
        {"registry//team", "t", "--snapshot-registry"},
        {"regi stry", "t", "--snapshot-registry"},
        {long_prefix, "t", "at most"},
        {"r", "", "tag"},
        {"r", ".t", "tag"},
        {"r", "a/b", "tag"},
        {"r", long_tag, "tag"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char *image = NULL;
        struct error err = {0};
        assert_int_equal(name_snapshot_image(rows[i].registry, "demo", "main", rows[i].tag, &image, &err),
                         -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(image);
        if (!strstr(err.text, rows[i].text))
            fail_msg("%s: %s", rows[i].registry, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_derived_from_the_sandbox),
        cmocka_unit_test(a_long_name_is_cut_and_hashed_and_stays_distinct),
        cmocka_unit_test(tags_tell_the_kinds_of_snapshots_apart),
        cmocka_unit_test(a_public_snapshot_is_named_after_its_id),
        cmocka_unit_test(a_cycle_is_a_positive_number),
        cmocka_unit_test(an_image_is_registry_sandbox_container_and_tag),
        cmocka_unit_test(what_oci_does_not_allow_is_replaced_without_collisions),
        cmocka_unit_test(a_long_repository_is_cut_to_what_registries_take),
        cmocka_unit_test(what_cannot_be_a_reference_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
