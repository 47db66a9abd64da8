/* Query strings: decoding never grows a text or hides its end, and what url_add_query writes is what form_each reads. */
#include "tests/fuzz/fuzz.h"

#include "shared/http/form.h"
#include "shared/http/url.h"

static void check_decode(const char *text, int plus_is_space)
{
    SCOPED(string) char *copy = xstrdup(text);
    size_t length = form_decode(copy, plus_is_space);

    FUZZ_CHECK(length <= strlen(text) && strlen(copy) == length);
}

static void count_pair(void *self, const char *name, const char *value)
{
    *(size_t *)self += strlen(name) + strlen(value);
}

struct expected {
    const char *value;
    size_t pairs;
};

static void expect_value(void *self, const char *name, const char *value)
{
    struct expected *expected = self;

    FUZZ_CHECK(strcmp(name, "name") == 0 && strcmp(value, expected->value) == 0);
    expected->pairs++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    struct expected expected = {.value = text};
    size_t bytes = 0;

    check_decode(text, 0);
    check_decode(text, 1);
    form_each(text, count_pair, &bytes);
    FUZZ_CHECK(bytes <= strlen(text));

    SCOPED(string) char *url = url_add_query("http://host/path", "name", text);
    form_each(strchr(url, '?') + 1, expect_value, &expected);
    FUZZ_CHECK(expected.pairs == 1);
    return 0;
}
