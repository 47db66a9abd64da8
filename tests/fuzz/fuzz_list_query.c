/* GET /sandboxes?...: whatever the query says, the page lies inside what there is. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/rest/params.h"
#include "shared/http/form.h"

struct reading {
    struct list_query query;
    int result;
    struct error err;
};

static void read_pair(void *self, const char *name, const char *value)
{
    struct reading *reading = self;

    if (reading->result == 0)
        reading->result = list_query_read_pair(&reading->query, name, value, &reading->err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    struct reading reading = {.query = {.page = 1, .page_size = LIST_DEFAULT_PAGE_SIZE}};
    struct page page;
    bool flag;

    form_each(text, read_pair, &reading);
    if (reading.result == 0) {
        page_cut(reading.query.page, reading.query.page_size, 0, &page);
        FUZZ_CHECK(page.first == 0 && page.count == 0 && !page.has_next && page.total_pages == 0);
        FUZZ_CHECK(list_query_skip(&reading.query) >= 0);
    } else {
        FUZZ_CHECK(reading.err.code == ERR_INVALID && *reading.err.reason);
    }
    list_query_done(&reading.query);
    (void)param_read_bool("switch", text, &flag, &reading.err);
    return 0;
}
