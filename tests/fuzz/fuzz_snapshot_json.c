/* POST /sandboxes/{id}/snapshots and GET /snapshots?...: a body is refused with a code of the contract or gives a name that
 * may be one; whatever the query says, the page lies inside what there is. The first line is the query, the rest the body. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/rest/snapshot_json.h"
#include "shared/http/form.h"

struct reading {
    struct snapshot_query query;
    int result;
    struct error err;
};

static void read_pair(void *self, const char *name, const char *value)
{
    struct reading *reading = self;

    if (reading->result == 0)
        reading->result = snapshot_query_read_pair(&reading->query, name, value, &reading->err);
}

static void check_query(const char *text)
{
    struct reading reading = {.query = {.page = 1, .page_size = LIST_DEFAULT_PAGE_SIZE}};
    struct page page;

    form_each(text, read_pair, &reading);
    if (reading.result == 0) {
        page_cut(reading.query.page, reading.query.page_size, 0, &page);
        FUZZ_CHECK(page.first == 0 && page.count == 0 && !page.has_next);
    } else {
        FUZZ_CHECK(reading.err.code == ERR_INVALID && *reading.err.reason && *reading.err.text);
    }
    snapshot_query_done(&reading.query);
}

static void check_body(const char *body, size_t length)
{
    SCOPED(string) char *name = NULL;
    struct error err = {0};

    if (snapshot_json_read(body, length, &name, &err) < 0)
        FUZZ_CHECK(err.code == ERR_INVALID && *err.reason && *err.text);
    else if (snapshot_check_name(name, &err) == 0)
        FUZZ_CHECK(!name || (*name && strlen(name) <= SNAPSHOT_MAX_NAME));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *newline = size ? memchr(text, '\n', size) : NULL;
    size_t line = newline ? (size_t)(newline - text) : size;
    SCOPED(string) char *query = fuzz_text(data, line);

    check_query(query);
    if (newline)
        check_body(newline + 1, size - line - 1);
    return 0;
}
