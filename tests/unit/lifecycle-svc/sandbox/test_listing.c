/* List filters and the arithmetic of pages. Contract rest-api.md §5. */
#include "tests/unit/testing.h"

#include "lifecycle-svc/sandbox/listing.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"

static void the_metadata_form_is_decoded_by_its_own_rules(void **state)
{
    static const struct {
        const char *form, *pairs; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"a=b", "a=b;"},
        {"a=b&c=d", "a=b;c=d;"},
        {"a=", "a=;"},
        {"a=b=c", "a=b=c;"},
        {"a=1&a=2", "a=2;"},
        {"a=b%26c&d=e+f", "a=b&c;d=e f;"},
        {"a=%zz", "a=%zz;"},
        {"a=b&", NULL},
        {"&a=b", NULL},
        {"a", NULL},
        {"a=b&c", NULL},
        {"a=b;c=d", "a=b;c=d;"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_LIST_QUERY struct list_query query = {0};
        SCOPED_STRBUF struct strbuf pairs = STRBUF_INIT;
        struct error err = {0};

        print_message("%s\n", rows[i].form);
        int read = list_query_read_metadata(&query, rows[i].form, &err);
        if (!rows[i].pairs) {
            assert_fails(read, &err, ERR_INVALID, "bad query field");
            assert_string_equal(err.reason, "INVALID_METADATA_FORMAT");
            continue;
        }
        assert_ok(read, &err);
        for (size_t p = 0; p < query.metadata.count; p++)
            strbuf_addf(&pairs, "%s=%s;", query.metadata.pairs[p].key, query.metadata.pairs[p].value);
        assert_string_equal(strbuf_text(&pairs), rows[i].pairs);
    }
}

static void pages_cover_every_item_once(void **state)
{
    enum { MOST = 13 };

    (void)state;
    for (int64_t total = 0; total <= MOST; total++)
        for (int64_t size = 1; size <= MOST + 1; size++) {
            int64_t seen = 0;
            struct list_query query = {.page = 1, .page_size = size};
            struct page page = {.has_next = true};

            for (; page.has_next; query.page++) {
                page_cut(query.page, size, total, &page);
                assert_int_equal(page.first, seen);
                assert_int_equal(list_query_skip(&query), seen);
                seen += (int64_t)page.count;
            }
            assert_int_equal(seen, total);
            assert_int_equal(page.total_pages, total ? (total - 1) / size + 1 : 0);
        }
}

static void a_page_past_the_end_is_empty_however_far(void **state)
{
    const int64_t pages[] = {2, 1000, INT64_MAX / 20 + 2, INT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        const struct list_query query = {.page = pages[i], .page_size = 20};
        struct page page;

        page_cut(query.page, query.page_size, 20, &page);
        assert_int_equal(page.count, 0);
        assert_false(page.has_next);
        assert_true(list_query_skip(&query) >= 20);
    }
}

static void reserved_labels_are_no_metadata_to_filter_by(void **state)
{
    SCOPED_LIST_QUERY struct list_query query = {.page = 1, .page_size = 20};

    (void)state;
    assert_true(list_query_can_match(&query));
    json_map_set(&query.metadata, "mine.io/id", "web");
    assert_true(list_query_can_match(&query));
    json_map_set(&query.metadata, "opensandbox.io/id", "web");
    assert_false(list_query_can_match(&query));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_metadata_form_is_decoded_by_its_own_rules),
        cmocka_unit_test(pages_cover_every_item_once),
        cmocka_unit_test(a_page_past_the_end_is_empty_however_far),
        cmocka_unit_test(reserved_labels_are_no_metadata_to_filter_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
