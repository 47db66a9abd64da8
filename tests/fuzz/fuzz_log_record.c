/* CRI log records: the text lies in the line, and a record's beginning alone tells the same as the whole. */
#include "tests/fuzz/fuzz.h"

#include "committer-agent/node/log_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = (const char *)data;
    struct log_record record;
    bool is_record = log_record_parse(line, size, &record);
    int ends_line = log_record_ends_line(line, size);

    if (is_record)
        FUZZ_CHECK(record.text >= line && record.text + record.length == line + size);
    if (size == 0 || memchr(data, '\n', size))
        return 0; /* the beginning ends there, the line does not */
    FUZZ_CHECK(ends_line == (is_record ? !record.is_partial : -1));
    return 0;
}
