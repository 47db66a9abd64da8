/* Header fields on their way through the proxy: what is for this server alone never goes on, whatever the client calls it in
 * Connection. Each line is a field, "Name: value". */
#include "tests/fuzz/fuzz.h"

#include <strings.h>

#include "lifecycle-svc/proxy/headers.h"

static const char *const never_handed_on[] = {
    "host",    "authorization", "cookie", "open-sandbox-api-key", "connection", "keep-alive", "te",
    "trailer", "upgrade",       "expect", "transfer-encoding"};

static void add_field(struct header_list *list, char *line)
{
    char *colon = strchr(line, ':');

    if (!colon)
        return;
    *colon = '\0';
    header_list_add(list, line, colon + 1 + strspn(colon + 1, " "));
}

static void check_handed_on(const struct header_list *out)
{
    for (size_t i = 0; i < out->count; i++)
        for (size_t j = 0; j < sizeof(never_handed_on) / sizeof(*never_handed_on); j++)
            FUZZ_CHECK(strcasecmp(out->items[i].name, never_handed_on[j]) != 0);
    FUZZ_CHECK(header_list_get(out, "X-Forwarded-Host"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct forwarded forwarded = {.proto = "http", .host = "outside.example", .client = "192.0.2.1"};
    SCOPED(string) char *text = fuzz_text(data, size);
    SCOPED_HEADERS struct header_list from_client = {0};
    SCOPED_HEADERS struct header_list out = {0};
    char *rest = text;

    for (char *line; (line = fuzz_line(&rest));)
        add_field(&from_client, line);
    const char *length = header_list_get(&from_client, "Content-Length");
    FUZZ_CHECK(!length || content_length_of(length) >= -1);
    FUZZ_CHECK(upgrade_wished(&from_client) == UPGRADE_NONE || header_list_get(&from_client, "Upgrade"));
    headers_for_sandbox(&from_client, &forwarded, &out);
    check_handed_on(&out);
    return 0;
}
