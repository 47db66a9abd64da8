/* url_resolve: a base and a Location, on a line each. What it accepts is an http(s) URL that has one origin and
 * resolves to itself. */
#include "tests/fuzz/fuzz.h"

#include "shared/http/url.h"

static void check_resolved(const char *url)
{
    SCOPED(string) char *again = NULL;
    struct error err = {0};

    FUZZ_CHECK(url_is_https(url) || strncmp(url, "http://", 7) == 0);
    FUZZ_CHECK(url_same_origin(url, url));
    FUZZ_CHECK(strlen(url) <= URL_MAX);
    FUZZ_CHECK(url_resolve(url, url, &again, &err) == 0);
    FUZZ_CHECK(strcmp(again, url) == 0);

    SCOPED(string) char *host = url_host(url);
    FUZZ_CHECK(*host && !strpbrk(host, "/?#@"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    SCOPED(string) char *url = NULL;
    char *rest = text;
    const char *base = fuzz_line(&rest);
    struct error err = {0};

    if (rest && url_resolve(base, rest, &url, &err) == 0)
        check_resolved(url);
    (void)url_same_origin(base, rest ? rest : ""); /* only that it comes back */
    return 0;
}
