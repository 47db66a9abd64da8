/* Kubernetes quantities: what the node can turn into a number, the API admits; thousandths are worth as much. */
#include "tests/fuzz/fuzz.h"

#include "lifecycle-svc/sandbox/quantity.h"
#include "shared/json/json.h"
#include "snapshot-svc/model/quantity.h"

static void check_value(const json_t *value, const char *text)
{
    int64_t units = -1, millis = -1;
    struct error err = {0};
    bool has_units = quantity_units(value, &units, &err) == 0;
    bool has_millis = quantity_millis(value, &millis, &err) == 0;

    FUZZ_CHECK(!has_units || units >= 0);
    FUZZ_CHECK(!has_millis || millis >= 0);
    if (has_millis) /* the larger number fits, so does the smaller one */
        FUZZ_CHECK(has_units && units == millis / 1000 + (millis % 1000 != 0));
    if (text && has_units)
        FUZZ_CHECK(is_quantity(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    SCOPED(json) json_t *string = json_string(text); /* NULL: no UTF-8 */
    SCOPED(json) json_t *document = NULL;
    struct error err = {0};

    if (string)
        check_value(string, text);
    if (json_parse((const char *)data, size, "value", &document, &err) == 0)
        check_value(document, NULL);
    return 0;
}
