/* WWW-Authenticate and Retry-After, as a registry sends them: what was understood, written with every character
 * escaped, is understood as the same. */
#include "tests/fuzz/fuzz.h"

#include "committer-agent/registry/challenge.h"
#include "committer-agent/registry/retry.h"
#include "shared/base/strbuf.h"

enum { NOW_UNIX_MS = 1700000000 };

static void add_member(struct strbuf *header, const char *name, const char *value)
{
    (void)strbuf_addf(header, ", %s=\"", name);
    for (; *value; value++)
        (void)strbuf_addf(header, "\\%c", *value);
    (void)strbuf_addc(header, '"');
}

static void check_bearer(const struct challenge *challenge)
{
    SCOPED_STRBUF struct strbuf header = STRBUF_INIT;

    FUZZ_CHECK(*challenge->realm);
    (void)strbuf_adds(&header, "Basic realm=x, bearer");
    add_member(&header, "realm", challenge->realm);
    add_member(&header, "service", challenge->service);
    add_member(&header, "scope", challenge->scope);
    add_member(&header, "error", challenge->error);
    struct challenge again = challenge_parse(strbuf_text(&header));
    FUZZ_CHECK(again.scheme == CHALLENGE_BEARER);
    FUZZ_CHECK(strcmp(again.realm, challenge->realm) == 0 && strcmp(again.service, challenge->service) == 0);
    FUZZ_CHECK(strcmp(again.scope, challenge->scope) == 0 && strcmp(again.error, challenge->error) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(string) char *text = fuzz_text(data, size);
    struct challenge challenge = challenge_parse(text);

    if (challenge.scheme == CHALLENGE_BEARER)
        check_bearer(&challenge);
    FUZZ_CHECK(retry_after_parse(text, NOW_UNIX_MS) >= 0);
    return 0;
}
