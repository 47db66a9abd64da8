#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pki.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/rpc/tls_priv.h"

struct stage {
    char dir[64];
    struct ca ours, foreign;
};

static const struct leaf agent = ROLE("committer-agent");

static int setup(void **state)
{
    struct stage *stage = xcalloc(1, sizeof(*stage));

    snprintf(stage->dir, sizeof(stage->dir), "/tmp/stasis-tls-XXXXXX");
    assert_non_null(mkdtemp(stage->dir));
    stage->ours = ca_new("ours");
    stage->foreign = ca_new("foreign");
    furnish(stage->dir, &stage->ours, &agent);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    clear_away(stage->dir);
    ca_done(&stage->ours);
    ca_done(&stage->foreign);
    free(stage);
    return 0;
}

static void assert_refused(const char *dir, const char *file, const char *says)
{
    struct rpc_tls *tls = NULL;
    struct error err = {0};

    assert_int_equal(rpc_tls_open(dir, &tls, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_null(tls);
    if (!strstr(err.text, file) || !strstr(err.text, says))
        fail_msg("\"%s\" names not %s, or says not \"%s\"", err.text, file, says);
}

static struct rpc_tls *open_good(const char *dir)
{
    struct rpc_tls *tls = NULL;
    struct error err = {0};

    if (rpc_tls_open(dir, &tls, &err) < 0)
        fail_msg("%s", err.text);
    return tls;
}

static char *read_back(const struct stage *stage, const char *name)
{
    SCOPED(string) char *path = xasprintf("%s/%s", stage->dir, name);
    char text[8192];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    assert_int_equal(fclose(file), 0);
    return xstrndup(text, length);
}

/* Opening */

static void a_good_folder_tells_our_role(void **state)
{
    struct stage *stage = *state;
    struct rpc_tls *tls = open_good(stage->dir);

    assert_string_equal(rpc_tls_role(tls), "committer-agent");
    rpc_tls_free(tls);
}

static void each_missing_empty_or_cut_file_is_named(void **state)
{
    static const char *const names[] = {"ca.crt", "tls.crt", "tls.key"};
    struct stage *stage = *state;

    for (size_t i = 0; i < 3; i++) {
        SCOPED(string) char *good = read_back(stage, names[i]);
        SCOPED(string) char *half = xstrndup(good, strlen(good) / 2);
        put(stage->dir, names[i], NULL);
        assert_refused(stage->dir, names[i], "No such file");
        put(stage->dir, names[i], "");
        assert_refused(stage->dir, names[i], "want");
        put(stage->dir, names[i], half);
        assert_refused(stage->dir, names[i], "want");
        put(stage->dir, names[i], good);
        rpc_tls_free(open_good(stage->dir));
    }
}

static void a_bundle_that_is_cut_in_its_second_certificate_is_refused(void **state)
{
    struct stage *stage = *state;
    SCOPED(string) char *first = ca_pem(&stage->ours);
    SCOPED(string) char *second = ca_pem(&stage->foreign);
    SCOPED(string) char *both = xasprintf("%s%s", first, second);
    SCOPED(string) char *cut = xasprintf("%s%.*s", first, (int)strlen(second) / 2, second);

    put(stage->dir, "ca.crt", both);
    rpc_tls_free(open_good(stage->dir));
    put(stage->dir, "ca.crt", cut);
    assert_refused(stage->dir, "ca.crt", "certificate 2 is malformed or cut off");
}

static void files_that_do_not_belong_together_are_refused(void **state)
{
    struct stage *stage = *state;
    SCOPED(string) char *certificate = NULL;
    SCOPED(string) char *key = NULL;
    SCOPED(string) char *foreign = ca_pem(&stage->foreign);

    issue(&stage->ours, &agent, &certificate, &key);
    put(stage->dir, "tls.key", key);
    assert_refused(stage->dir, "tls.key", "not the key of the certificate");
    put(stage->dir, "tls.crt", certificate);
    rpc_tls_free(open_good(stage->dir));
    put(stage->dir, "ca.crt", foreign);
    assert_refused(stage->dir, "tls.crt", "not issued by a CA in");
}

static void a_certificate_that_no_peer_would_accept_is_refused(void **state)
{
    static const struct {
        struct leaf leaf;
        const char *says;
    } rows[] = {
        {{.san = "URI:spiffe://stasis/x", .until_s = -60}, "expired at"},
        {{.san = "URI:spiffe://stasis/x", .from_s = 600}, "is the clock right?"},
        {{.san = NULL}, "no role of ours"},
        {{.san = "DNS:committer-agent"}, "no role of ours"},
        {{.san = "URI:https://stasis/committer-agent"}, "no role of ours"},
        {{.san = "URI:spiffe://elsewhere/committer-agent"}, "no role of ours"},
        {{.san = "URI:spiffe://stasis/"}, "no role of ours"},
        {{.san = "URI:spiffe://stasis/a/b"}, "no role of ours"},
        {{.san = "URI:spiffe://stasis/Agent"}, "no role of ours"},
        {{.san = "URI:spiffe://stasis/a,URI:spiffe://stasis/b"}, "2 identities"},
        {{.san = "URI:spiffe://stasis/a,URI:spiffe://elsewhere/b"}, "2 identities"},
        {{.san = "URI:spiffe://stasis/a,DNS:b.roles.stasis.internal"}, "2 identities"},
        {{.san = "DNS:a.roles.stasis.internal,DNS:b.roles.stasis.internal"}, "2 identities"},
        {{.san = "DNS:*.roles.stasis.internal"}, "no role of ours"},
        {{.san = "DNS:a.roles.stasis.internal.example.org"}, "no role of ours"},
        {{.san = "URI:spiffe://stasis/a", .usage = "serverAuth"}, "clientAuth"},
        {{.san = "URI:spiffe://stasis/a", .usage = "clientAuth"}, "serverAuth"},
    };
    struct stage *stage = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        furnish(stage->dir, &stage->ours, &rows[i].leaf);
        assert_refused(stage->dir, "tls.crt", rows[i].says);
    }
}

static void a_role_is_a_dns_label_and_ends_where_its_length_says(void **state)
{
    static const char hidden[] = "spiffe://stasis/snapshot-svc\0.example.org";
    struct rpc_role role = {.identities = 0};

    (void)state;
    rpc_role_note_uri(&role, hidden, sizeof(hidden) - 1);
    assert_false(rpc_role_is(&role, "snapshot-svc"));
    role = (struct rpc_role){.identities = 0};
    rpc_role_note_uri(&role, hidden, strlen(hidden));
    assert_true(rpc_role_is(&role, "snapshot-svc"));
}

static void two_roles_are_none(void **state)
{
    static const char one[] = "spiffe://stasis/snapshot-svc", other[] = "lifecycle-svc.roles.stasis.internal";
    struct rpc_role role = {.identities = 0};

    (void)state;
    rpc_role_note_uri(&role, one, strlen(one));
    rpc_role_note_uri(&role, one, strlen(one));
    assert_true(rpc_role_is(&role, "snapshot-svc"));
    rpc_role_note_dns(&role, other, strlen(other));
    assert_false(rpc_role_is(&role, "snapshot-svc"));
    assert_false(rpc_role_is(&role, "lifecycle-svc"));
}

static void a_role_may_be_told_as_uri_as_dns_name_or_as_both(void **state)
{
    static const char *const sans[] = {
        "URI:spiffe://stasis/agent", "DNS:agent.roles.stasis.internal",
        "DNS:agent,DNS:agent.roles.stasis.internal,URI:https://example.org,URI:spiffe://stasis/agent"};
    struct stage *stage = *state;

    for (size_t i = 0; i < 3; i++) {
        furnish(stage->dir, &stage->ours, &(const struct leaf){.san = sans[i]});
        struct rpc_tls *tls = open_good(stage->dir);
        assert_string_equal(rpc_tls_role(tls), "agent");
        rpc_tls_free(tls);
    }
}

static void a_role_of_64_bytes_is_too_long(void **state)
{
    char uri[sizeof("spiffe://stasis/") + RPC_TLS_ROLE_MAX + 1];
    struct rpc_role role = {.identities = 0};

    (void)state;
    memset(uri, 'a', sizeof(uri));
    memcpy(uri, "spiffe://stasis/", strlen("spiffe://stasis/"));
    rpc_role_note_uri(&role, uri, strlen("spiffe://stasis/") + RPC_TLS_ROLE_MAX);
    assert_int_equal(strlen(role.name), RPC_TLS_ROLE_MAX);
    role = (struct rpc_role){.identities = 0};
    rpc_role_note_uri(&role, uri, strlen("spiffe://stasis/") + RPC_TLS_ROLE_MAX + 1);
    assert_string_equal(role.name, "");
}

static void a_public_server_needs_no_ca_and_no_role(void **state)
{
    struct stage *stage = *state;
    const struct leaf site = {.san = "DNS:sandboxes.example.org", .usage = "serverAuth"};
    struct rpc_tls *tls = NULL;
    struct error err = {0};

    furnish(stage->dir, &stage->ours, &site);
    put(stage->dir, "ca.crt", NULL);
    assert_int_equal(rpc_tls_open_server(stage->dir, &tls, &err), 0);
    assert_null(rpc_tls_role(tls));
    rpc_tls_free(tls);
}

/* Renewal */

static void untouched_files_keep_their_generation(void **state)
{
    struct stage *stage = *state;
    struct rpc_tls *tls = open_good(stage->dir);
    uint64_t first = rpc_tls_generation(tls);

    for (int i = 0; i < 100; i++)
        assert_int_equal(rpc_tls_generation(tls), first);
    rpc_tls_free(tls);
}

/* Files of the same size, replaced faster than time stamps tick: size and times alone would miss some. */
static void new_files_are_seen_at_the_next_look(void **state)
{
    struct stage *stage = *state;
    SCOPED(rpc_tls) struct rpc_tls *tls = open_good(stage->dir);
    char *certificates[2] = {NULL, NULL}, *keys[2] = {NULL, NULL};

    for (int i = 0; i < 2; i++)
        do {
            free(certificates[i]);
            free(keys[i]);
            issue(&stage->ours, &agent, &certificates[i], &keys[i]);
        } while (strlen(certificates[i]) != strlen(certificates[0]));
    for (int i = 0; i < 100; i++) {
        uint64_t before = rpc_tls_generation(tls);
        put(stage->dir, "tls.crt", certificates[i % 2]);
        put(stage->dir, "tls.key", keys[i % 2]);
        assert_int_equal(rpc_tls_generation(tls), before + 1);
    }
    for (int i = 0; i < 2; i++) {
        free(certificates[i]);
        free(keys[i]);
    }
}

static void half_a_renewal_changes_nothing_until_the_rest_is_there(void **state)
{
    struct stage *stage = *state;
    struct rpc_tls *tls = open_good(stage->dir);
    uint64_t before = rpc_tls_generation(tls), unused;
    SCOPED(string) char *certificate = NULL;
    SCOPED(string) char *key = NULL;
    SCOPED(rpc_certificates) struct rpc_certificates *old = rpc_tls_current(tls, &unused);

    issue(&stage->ours, &agent, &certificate, &key);
    SCOPED(string) char *half = xstrndup(certificate, strlen(certificate) / 2);
    put(stage->dir, "tls.crt", half);
    assert_int_equal(rpc_tls_generation(tls), before);
    put(stage->dir, "tls.crt", certificate);
    assert_int_equal(rpc_tls_generation(tls), before);
    put(stage->dir, "tls.key", key);
    assert_int_equal(rpc_tls_generation(tls), before + 1);
    SCOPED(rpc_certificates) struct rpc_certificates *new = rpc_tls_current(tls, &unused);
    assert_string_equal(new->pem[RPC_TLS_CHAIN], certificate);
    assert_string_not_equal(old->pem[RPC_TLS_CHAIN], certificate);
    rpc_tls_free(tls);
}

static void files_that_vanish_or_expire_leave_the_last_good_ones(void **state)
{
    struct stage *stage = *state;
    struct rpc_tls *tls = open_good(stage->dir);
    uint64_t before = rpc_tls_generation(tls);
    const struct leaf expired = {.san = "URI:spiffe://stasis/committer-agent", .until_s = -60};

    put(stage->dir, "tls.key", NULL);
    assert_int_equal(rpc_tls_generation(tls), before);
    furnish(stage->dir, &stage->ours, &expired);
    assert_int_equal(rpc_tls_generation(tls), before);
    rpc_tls_free(tls);
}

/* As the kubelet does it: dir/tls.crt -> ..data/tls.crt, ..data -> the folder of one version. */
static void a_mounted_secret_is_swapped_as_a_whole(void **state)
{
    static const char *const names[] = {"ca.crt", "tls.crt", "tls.key"};
    struct stage *stage = *state;
    SCOPED(string) char *one = xasprintf("%s/..one", stage->dir);
    SCOPED(string) char *two = xasprintf("%s/..two", stage->dir);
    SCOPED(string) char *data = xasprintf("%s/..data", stage->dir);
    SCOPED(string) char *next = xasprintf("%s/..data_tmp", stage->dir);

    assert_int_equal(mkdir(one, 0700) | mkdir(two, 0700), 0);
    furnish(one, &stage->ours, &agent);
    furnish(two, &stage->foreign, &agent);
    assert_int_equal(symlink("..one", data), 0);
    for (size_t i = 0; i < 3; i++) {
        SCOPED(string) char *link = xasprintf("%s/%s", stage->dir, names[i]);
        SCOPED(string) char *target = xasprintf("..data/%s", names[i]);
        assert_int_equal(unlink(link) | symlink(target, link), 0);
    }
    struct rpc_tls *tls = open_good(stage->dir);
    uint64_t before = rpc_tls_generation(tls);
    assert_int_equal(symlink("..two", next) | rename(next, data), 0);
    assert_int_equal(rpc_tls_generation(tls), before + 1);
    rpc_tls_free(tls);
    clear_away(one);
    clear_away(two);
    assert_int_equal(unlink(data), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_folder_tells_our_role, setup, teardown),
        cmocka_unit_test_setup_teardown(each_missing_empty_or_cut_file_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bundle_that_is_cut_in_its_second_certificate_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(files_that_do_not_belong_together_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_certificate_that_no_peer_would_accept_is_refused, setup, teardown),
        cmocka_unit_test(a_role_is_a_dns_label_and_ends_where_its_length_says),
        cmocka_unit_test_setup_teardown(a_role_may_be_told_as_uri_as_dns_name_or_as_both, setup, teardown),
        cmocka_unit_test(two_roles_are_none),
        cmocka_unit_test(a_role_of_64_bytes_is_too_long),
        cmocka_unit_test_setup_teardown(a_public_server_needs_no_ca_and_no_role, setup, teardown),
        cmocka_unit_test_setup_teardown(untouched_files_keep_their_generation, setup, teardown),
        cmocka_unit_test_setup_teardown(new_files_are_seen_at_the_next_look, setup, teardown),
        cmocka_unit_test_setup_teardown(half_a_renewal_changes_nothing_until_the_rest_is_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(files_that_vanish_or_expire_leave_the_last_good_ones, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_mounted_secret_is_swapped_as_a_whole, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
