/* What registries and token servers answer: a refusal becomes a printable text with a reason, an offset and a wait are numbers
 * that can be relied on, a Location is a URL of the web, a token is fit for a header, and no refusal quotes one. Lines:
 * status, Range, Retry-After, Location; the rest is the body. */
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

#include "committer-agent/registry/registry_priv.h"
#include "committer-agent/registry/retry.h"
#include "committer-agent/registry/token.h"

#define NOW_MS 1763303070000
#define ASKED  "https://registry.example/v2/team/app/blobs/uploads/"

static bool is_printable(const char *text)
{
    while (*text && isprint((unsigned char)*text))
        text++;
    return !*text;
}

static void check_refusal(const struct http_response *response)
{
    struct error err = {0};

    FUZZ_CHECK(registry_refusal(response, &err) < 0);
    FUZZ_CHECK(err.code != ERR_NONE && *err.reason && *err.text && is_printable(err.text));
}

static void check_location(const struct http_response *response)
{
    const struct registry registry = {.host = "registry.example", .base = "https://registry.example"};
    SCOPED(string) char *url = NULL;
    struct error err = {0};

    if (registry_location(&registry, response, ASKED, &url, &err) < 0)
        FUZZ_CHECK(err.code == ERR_INVALID && *err.reason);
    else
        FUZZ_CHECK(strncmp(url, "https://", 8) == 0);
}

static void check_token(const struct strbuf *body)
{
    struct token token = {0};
    struct error err = {0};

    if (token_read(body, "repository:team/app:pull", &token, &err) < 0)
        FUZZ_CHECK(err.code == ERR_INVALID && strcmp(err.reason, "RegistryError") == 0 &&
                   is_printable(err.text));
    else
        FUZZ_CHECK(strncmp(token.header, "Bearer ", 7) == 0 && is_printable(token.header));
    token_done(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    char *rest = text, *status = fuzz_line(&rest), *range = fuzz_line(&rest), *wait = fuzz_line(&rest),
         *location = fuzz_line(&rest);
    struct http_header headers[] = {{"range", range ? range : ""}, {"location", location ? location : ""}};
    struct http_response response = {
        .status = status ? atoi(status) : 0, .headers = headers, .header_count = 2};
    SCOPED_STRBUF struct strbuf body = STRBUF_INIT;

    (void)strbuf_adds(&body, rest ? rest : "");
    response.body = body;
    check_refusal(&response);
    check_location(&response);
    FUZZ_CHECK(registry_kept_bytes(&response) == -1 || registry_kept_bytes(&response) > 1);
    FUZZ_CHECK(retry_after_parse(wait, NOW_MS) >= 0);
    check_token(&body);
    return 0;
}
