/* Handshakes over loopback, between a server and clients whose folders the test furnishes. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fixture.h"
#include "pki.h"
#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"
#include "shared/rpc/tls.h"

#define A_MINUTE_MS 60000

static const struct leaf agent = ROLE("committer-agent"), snapshot = ROLE("snapshot-svc"),
                         lifecycle = ROLE("lifecycle-svc");
static const char *const only_snapshot[] = {"snapshot-svc", NULL};

struct stage {
    struct fixture f; /* its channel is the client's */
    struct ca ours, foreign;
    char server_dir[64], client_dir[64];
};

static void folder_new(char dir[64])
{
    snprintf(dir, 64, "/tmp/stasis-tls-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static int setup(void **state)
{
    struct stage *stage = xcalloc(1, sizeof(*stage));

    pthread_mutex_init(&stage->f.gate.lock, NULL);
    pthread_cond_init(&stage->f.gate.changed, NULL);
    stage->ours = ca_new("ours");
    stage->foreign = ca_new("foreign");
    folder_new(stage->server_dir);
    folder_new(stage->client_dir);
    furnish(stage->server_dir, &stage->ours, &agent);
    furnish(stage->client_dir, &stage->ours, &snapshot);
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    struct stage *stage = *state;

    gate_open(&stage->f.gate);
    rpc_server_free(stage->f.server);
    rpc_channel_free(stage->f.channel);
    clear_away(stage->server_dir);
    clear_away(stage->client_dir);
    ca_done(&stage->ours);
    ca_done(&stage->foreign);
    pthread_cond_destroy(&stage->f.gate.changed);
    pthread_mutex_destroy(&stage->f.gate.lock);
    free(stage);
    return 0;
}

static void serve(struct stage *stage, const struct rpc_server_options *options)
{
    struct error err = {0};
    int port = 0;

    stage->f.server = echo_server_new(&stage->f, options);
    assert_ok(rpc_server_listen(stage->f.server, "127.0.0.1:0", &port, &err));
    rpc_server_start(stage->f.server);
    snprintf(stage->f.target, sizeof(stage->f.target), "127.0.0.1:%d", port);
}

static void serve_mutually(struct stage *stage)
{
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    struct error err = {0};

    assert_ok(rpc_tls_open(stage->server_dir, &tls, &err));
    serve(stage, &(const struct rpc_server_options){.tls = tls, .accept_roles = only_snapshot});
}

static void serve_publicly(struct stage *stage)
{
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    struct error err = {0};

    assert_ok(rpc_tls_open_server(stage->server_dir, &tls, &err));
    serve(stage, &(const struct rpc_server_options){.tls = tls});
}

static void connect_as(struct stage *stage, struct rpc_tls *tls, const char *server_role)
{
    const struct rpc_channel_options options = {.name = "peer", .tls = tls, .server_role = server_role};

    rpc_channel_free(stage->f.channel);
    stage->f.channel = rpc_channel_new(stage->f.target, &options);
}

static void connect_mutually(struct stage *stage, const char *server_role)
{
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    struct error err = {0};

    assert_ok(rpc_tls_open(stage->client_dir, &tls, &err));
    connect_as(stage, tls, server_role);
}

static void connect_publicly(struct stage *stage)
{
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    SCOPED(string) char *ca_file = xasprintf("%s/ca.crt", stage->client_dir);
    struct error err = {0};

    assert_ok(rpc_tls_open_client(ca_file, &tls, &err));
    connect_as(stage, tls, NULL);
}

static void assert_served(struct stage *stage)
{
    struct error err = {0};

    assert_ok(call_text(&stage->f, "Say", "", NULL, NULL, &err));
}

static struct error assert_fails(struct stage *stage, enum error_code code, const char *says)
{
    struct error err = {0};

    assert_int_equal(call_text(&stage->f, "Say", "", NULL, NULL, &err), -1);
    if (err.code != code || !strstr(err.text, says))
        fail_msg("%s: %s; want %s: %s", error_code_name(err.code), err.text, error_code_name(code), says);
    return err;
}

static int log_fd;

static char *read_log(void)
{
    static char text[65536];
    ssize_t length = pread(log_fd, text, sizeof(text) - 1, 0);

    assert_true(length >= 0);
    return xstrndup(text, (size_t)length);
}

/* Who is served */

static void a_client_of_an_accepted_role_is_served_and_known(void **state)
{
    struct stage *stage = *state;
    SCOPED(string) char *role = NULL;
    struct error err = {0};

    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    assert_ok(call_text(&stage->f, "Role", "", &role, NULL, &err));
    assert_string_equal(role, "snapshot-svc");
}

/* Helm's templates can make certificates, but none with a URI. */
static void roles_as_dns_names_do_on_both_sides(void **state)
{
    const struct leaf server = {.san = "DNS:committer-agent,DNS:committer-agent.roles.stasis.internal"};
    const struct leaf client = {.san = "DNS:snapshot-svc,DNS:snapshot-svc.roles.stasis.internal"};
    const struct leaf other = {.san = "DNS:snapshot-svc,DNS:lifecycle-svc.roles.stasis.internal"};
    struct stage *stage = *state;

    furnish(stage->server_dir, &stage->ours, &server);
    furnish(stage->client_dir, &stage->ours, &client);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    assert_served(stage);
    furnish(stage->client_dir, &stage->ours, &other);
    (void)assert_fails(stage, ERR_DENIED, "has the role lifecycle-svc, want");
}

static void any_of_several_roles_is_accepted(void **state)
{
    static const char *const both[] = {"lifecycle-svc", "snapshot-svc", NULL};
    struct stage *stage = *state;
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    struct error err = {0};

    assert_ok(rpc_tls_open(stage->server_dir, &tls, &err));
    serve(stage, &(const struct rpc_server_options){.tls = tls, .accept_roles = both});
    connect_mutually(stage, "committer-agent");
    assert_served(stage);
    furnish(stage->client_dir, &stage->ours, &lifecycle);
    assert_served(stage);
    furnish(stage->client_dir, &stage->ours, &agent);
    (void)assert_fails(stage, ERR_DENIED, "committer-agent, want the role lifecycle-svc or snapshot-svc");
}

static void another_role_is_refused_before_any_handler(void **state)
{
    static const char *const methods[] = {"Say", "Hold", "Absent"};
    struct stage *stage = *state;

    furnish(stage->client_dir, &stage->ours, &lifecycle);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    for (size_t i = 0; i < 3; i++) {
        struct error err = {0};
        assert_int_equal(call_text(&stage->f, methods[i], "", NULL, NULL, &err), -1);
        assert_int_equal(err.code, ERR_DENIED);
        assert_string_equal(err.reason, RPC_ROLE_NOT_ALLOWED);
        assert_true(rpc_tls_refused(&err));
        assert_string_equal(
            err.text, "the client's certificate has the role lifecycle-svc, want the role snapshot-svc");
    }
    assert_int_equal(stage->f.gate.entered, 0);
}

static void a_stream_is_refused_to_another_role_too(void **state)
{
    struct stage *stage = *state;
    number_message three = STASIS__TEST__NUMBER__INIT;
    struct error err = {0};

    furnish(stage->client_dir, &stage->ours, &lifecycle);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    three.value = 3;
    struct rpc_stream *stream = open_stream(&stage->f, "Count", &three.base);
    assert_int_equal(drain(stream, &err), -1);
    assert_int_equal(err.code, ERR_DENIED);
    rpc_stream_free(stream);
}

static void a_client_without_a_certificate_gets_no_connection(void **state)
{
    struct stage *stage = *state;

    serve_mutually(stage);
    connect_publicly(stage);
    (void)assert_fails(stage, ERR_UNAVAILABLE, "calling Say of peer");
}

/* The first test here that fails a handshake: later ones come too soon for a line of their own. */
static void the_servers_log_tells_why_a_client_gets_no_connection(void **state)
{
    struct stage *stage = *state;
    SCOPED(string) char *log = NULL;

    serve_mutually(stage);
    connect_publicly(stage);
    (void)assert_fails(stage, ERR_UNAVAILABLE, "calling Say of peer");
    (void)assert_fails(stage, ERR_UNAVAILABLE, "calling Say of peer");
    log = read_log();
    const char *line = strstr(log, "TLS handshake failed");
    assert_non_null(line);
    assert_non_null(strstr(line, "peer did not return a certificate"));
    assert_null(strstr(line + 1, "TLS handshake failed"));
}

static void a_client_in_plaintext_gets_no_connection(void **state)
{
    struct stage *stage = *state;

    serve_mutually(stage);
    connect_as(stage, NULL, NULL);
    (void)assert_fails(stage, ERR_UNAVAILABLE, "calling Say of peer");
}

static void a_client_of_a_foreign_ca_gets_no_connection(void **state)
{
    struct stage *stage = *state;
    SCOPED(string) char *ours = ca_pem(&stage->ours);
    SCOPED(string) char *foreign = ca_pem(&stage->foreign);
    SCOPED(string) char *both = xasprintf("%s%s", foreign, ours);

    serve_mutually(stage);
    furnish(stage->client_dir, &stage->foreign, &snapshot);
    put(stage->client_dir, "ca.crt", both); /* it trusts the server, but not the other way round */
    connect_mutually(stage, "committer-agent");
    (void)assert_fails(stage, ERR_UNAVAILABLE, "the server refused our certificate");
}

static void the_unix_socket_of_a_server_with_tls_needs_no_role(void **state)
{
    struct stage *stage = *state;
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    SCOPED(string) char *role = NULL;
    SCOPED(string) char *lock_path = xasprintf("%s/sock.lock", stage->server_dir);
    struct error err = {0};

    assert_ok(rpc_tls_open(stage->server_dir, &tls, &err));
    stage->f.server = echo_server_new(
        &stage->f, &(const struct rpc_server_options){.tls = tls, .accept_roles = only_snapshot});
    snprintf(stage->f.target, sizeof(stage->f.target), "unix:%s/sock", stage->server_dir);
    assert_ok(rpc_server_listen(stage->f.server, stage->f.target, NULL, &err));
    rpc_server_start(stage->f.server);
    connect_mutually(stage, "committer-agent");
    assert_ok(call_text(&stage->f, "Role", "", &role, NULL, &err));
    assert_string_equal(role, "");
    rpc_server_stop(stage->f.server, 0);
    assert_int_equal(unlink(lock_path), 0);
}

/* Whom a client trusts */

static void a_server_of_another_role_is_not_trusted(void **state)
{
    struct stage *stage = *state;
    const struct leaf disguised = {.san = "URI:spiffe://stasis/lifecycle-svc,DNS:committer-agent"};

    furnish(stage->server_dir, &stage->ours, &disguised);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    struct error err =
        assert_fails(stage, ERR_DENIED, "has the role lifecycle-svc, want the role committer-agent");
    assert_true(rpc_tls_refused(&err));
}

static void a_server_without_the_role_as_dns_name_is_not_trusted(void **state)
{
    struct stage *stage = *state;
    const struct leaf nameless = {.san = "URI:spiffe://stasis/committer-agent,DNS:elsewhere"};

    furnish(stage->server_dir, &stage->ours, &nameless);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    (void)assert_fails(stage, ERR_DENIED, "want it as DNS SAN");
}

static void a_server_of_a_foreign_ca_is_not_trusted(void **state)
{
    struct stage *stage = *state;

    furnish(stage->server_dir, &stage->foreign, &agent);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    struct error err = assert_fails(stage, ERR_DENIED, "does not verify: expired, or issued by no CA in");
    assert_true(rpc_tls_refused(&err));
    assert_non_null(strstr(err.text, stage->client_dir));
}

static void wait_until_unix_s(int64_t unix_s)
{
    int64_t left_ms;

    while ((left_ms = unix_s * 1000 - clock_realtime_ms()) > 0)
        (void)poll(NULL, 0, (int)left_ms);
}

static void a_server_whose_certificate_expired_is_not_trusted(void **state)
{
    struct stage *stage = *state;
    const struct leaf brief = {.san = agent.san, .until_s = 2};
    int64_t expired_s = clock_realtime_ms() / 1000 + 4;

    furnish(stage->server_dir, &stage->ours, &brief);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    wait_until_unix_s(expired_s);
    (void)assert_fails(stage, ERR_DENIED, "does not verify: expired");
    furnish(stage->server_dir, &stage->ours, &agent);
    connect_mutually(stage, "committer-agent"); /* a new channel: the old one tries again a little later */
    assert_served(stage);
}

static void our_own_expired_certificate_is_named(void **state)
{
    struct stage *stage = *state;
    const struct leaf brief = {.san = snapshot.san, .until_s = 2};
    int64_t expired_s = clock_realtime_ms() / 1000 + 4;

    furnish(stage->client_dir, &stage->ours, &brief);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    wait_until_unix_s(expired_s);
    (void)assert_fails(stage, ERR_UNAVAILABLE, "our own certificate expired at");
}

static void a_call_that_waits_for_the_server_says_at_its_deadline_why_it_waited(void **state)
{
    const struct rpc_call_options patient = {.wait_for_ready = true, .timeout_ms = 500};
    struct stage *stage = *state;
    const struct leaf disguised = {.san = "URI:spiffe://stasis/lifecycle-svc,DNS:committer-agent"};
    struct error err = {0};

    furnish(stage->server_dir, &stage->ours, &disguised);
    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    assert_int_equal(call_text(&stage->f, "Say", "", NULL, &patient, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_non_null(strstr(err.text, "lifecycle-svc"));
}

static void a_server_that_speaks_no_tls_is_named_so(void **state)
{
    struct stage *stage = *state;

    serve(stage, NULL);
    connect_mutually(stage, "committer-agent");
    (void)assert_fails(stage, ERR_UNAVAILABLE, "does not speak TLS");
}

static void a_server_that_is_away_is_simply_unavailable(void **state)
{
    struct stage *stage = *state;

    serve_mutually(stage);
    rpc_server_free(stage->f.server);
    stage->f.server = NULL;
    connect_mutually(stage, "committer-agent");
    struct error err = assert_fails(stage, ERR_UNAVAILABLE, "Connection refused");
    assert_null(strstr(err.text, "certificate"));
}

/* Renewal */

static void both_sides_renew_while_an_old_call_goes_on(void **state)
{
    struct stage *stage = *state;
    struct background_call old;

    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    background_start(&old, &stage->f, "Hold");
    gate_await_entered(&stage->f.gate, 1);
    furnish(stage->server_dir, &stage->foreign, &agent); /* another CA on both sides: nothing old would do */
    furnish(stage->client_dir, &stage->foreign, &snapshot);
    assert_served(stage);
    assert_int_equal(stage->f.gate.cancelled, 0);
    gate_open(&stage->f.gate);
    assert_int_equal(background_join(&old), 0);
}

static void a_renewed_server_refuses_clients_of_the_old_ca(void **state)
{
    struct stage *stage = *state;

    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    assert_served(stage);
    furnish(stage->server_dir, &stage->foreign, &agent);
    assert_served(stage); /* connected already */
    connect_mutually(stage, "committer-agent");
    (void)assert_fails(stage, ERR_DENIED, "does not verify");
}

static void half_written_files_disturb_nobody(void **state)
{
    struct stage *stage = *state;
    SCOPED(string) char *certificate = NULL;
    SCOPED(string) char *key = NULL;

    serve_mutually(stage);
    issue(&stage->ours, &agent, &certificate, &key);
    const char *const states[][2] = {{"tls.crt", "-----BEGIN CERT"}, {"tls.key", ""}, {"ca.crt", NULL}};
    for (size_t i = 0; i < 3; i++) {
        put(stage->server_dir, states[i][0], states[i][1]);
        put(stage->client_dir, "tls.crt", NULL);
        furnish(stage->client_dir, &stage->ours, &snapshot);
        connect_mutually(stage, "committer-agent"); /* certificates of its own: a handshake of its own */
        assert_served(stage);
    }
}

static void *keep_calling(void *arg)
{
    struct background_call *call = arg;

    for (int i = 0; i < 60 && call->result == 0; i++) {
        SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
        struct fixture own = *call->fixture;
        call->result = rpc_tls_open(((struct stage *)call->fixture)->client_dir, &tls, &call->err);
        if (call->result < 0)
            break;
        own.channel = rpc_channel_new(
            own.target, &(const struct rpc_channel_options){.tls = tls, .server_role = "committer-agent"});
        call->result = call_text(&own, "Say", "", NULL, NULL, &call->err);
        rpc_channel_free(own.channel);
    }
    return NULL;
}

/* Each call here is a handshake, and the certificates change under them. */
static void handshakes_go_on_while_certificates_are_renewed(void **state)
{
    struct background_call calls[4];
    struct stage *stage = *state;

    serve_mutually(stage);
    for (size_t i = 0; i < 4; i++) {
        calls[i] = (struct background_call){.fixture = &stage->f};
        assert_int_equal(pthread_create(&calls[i].thread, NULL, keep_calling, &calls[i]), 0);
    }
    for (int i = 0; i < 30; i++)
        furnish(stage->server_dir, &stage->ours, &agent);
    for (size_t i = 0; i < 4; i++)
        if (background_join(&calls[i]) < 0)
            fail_msg("%s", calls[i].err.text);
}

static void a_channel_of_many_threads_renews(void **state)
{
    struct background_call calls[4];
    struct stage *stage = *state;

    serve_mutually(stage);
    connect_mutually(stage, "committer-agent");
    for (size_t i = 0; i < 4; i++)
        background_start(&calls[i], &stage->f, "Say");
    furnish(stage->client_dir, &stage->ours, &snapshot);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(background_join(&calls[i]), 0);
    assert_served(stage);
}

/* The public door */

static void a_public_client_needs_only_the_ca(void **state)
{
    struct stage *stage = *state;
    SCOPED(string) char *role = NULL;
    struct error err = {0};

    serve_publicly(stage);
    connect_publicly(stage);
    assert_ok(call_text(&stage->f, "Role", "", &role, NULL, &err));
    assert_string_equal(role, "");
}

static void a_public_client_verifies_the_host_name(void **state)
{
    struct stage *stage = *state;
    const struct leaf elsewhere = {.san = "DNS:sandboxes.example.org"};

    furnish(stage->server_dir, &stage->ours, &elsewhere);
    serve_publicly(stage);
    connect_publicly(stage);
    (void)assert_fails(stage, ERR_DENIED, "for another host name");
}

static void a_public_client_trusts_only_its_cas(void **state)
{
    struct stage *stage = *state;

    furnish(stage->server_dir, &stage->foreign, &agent);
    serve_publicly(stage);
    connect_publicly(stage);
    (void)assert_fails(stage, ERR_DENIED, "issued by no CA in");
}

static void the_cas_of_this_machine_are_the_default(void **state)
{
    struct stage *stage = *state;
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    SCOPED(string) char *ca_file = xasprintf("%s/ca.crt", stage->client_dir);
    struct error err = {0};

    assert_int_equal(setenv("SSL_CERT_FILE", ca_file, 1), 0);
    assert_ok(rpc_tls_open_client(NULL, &tls, &err));
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
    serve_publicly(stage);
    connect_as(stage, tls, NULL);
    assert_served(stage);
}

/* Plaintext */

static void plaintext_beyond_this_machine_is_refused_and_the_flag_is_named(void **state)
{
    struct stage *stage = *state;
    const struct rpc_server_options named = {.secure_with = "--grpc-tls-dir=FOLDER or --grpc-insecure=true"};
    const struct rpc_server_options *const options[] = {NULL, &named};
    const char *const says[] = {"--tls-dir=FOLDER", "--grpc-insecure=true"};

    for (size_t i = 0; i < 2; i++) {
        struct rpc_server *server = echo_server_new(&stage->f, options[i]);
        struct error err = {0};
        assert_int_equal(rpc_server_listen(server, "0.0.0.0:0", NULL, &err), -1);
        assert_int_equal(err.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.text, says[i]));
        rpc_server_free(server);
    }
    snprintf(stage->f.target, sizeof(stage->f.target), "192.0.2.1:1");
    connect_as(stage, NULL, NULL);
    struct error call_err = assert_fails(stage, ERR_UNSUPPORTED, "--tls-dir=FOLDER"), err = {0};
    assert_int_equal(rpc_channel_check(stage->f.channel, &err), -1);
    assert_string_equal(err.text, call_err.text);
}

static void plaintext_behind_a_proxy_is_served_when_that_is_said(void **state)
{
    struct stage *stage = *state;
    struct rpc_server *server =
        echo_server_new(&stage->f, &(const struct rpc_server_options){.insecure = true});
    struct error err = {0};

    assert_ok(rpc_server_listen(server, "127.0.0.2:0", NULL, &err)); /* counts as beyond: not 127.0.0.1 */
    rpc_server_free(server);
}

static void tls_is_served_on_numeric_addresses_only(void **state)
{
    static const char *const names[] = {"localhost:0", "example.org:80", ":9091", "[::1]", "127.0.0.1"};
    struct stage *stage = *state;
    SCOPED(rpc_tls) struct rpc_tls *tls = NULL;
    struct error err = {0};

    assert_ok(rpc_tls_open_server(stage->server_dir, &tls, &err));
    struct rpc_server *server = echo_server_new(&stage->f, &(const struct rpc_server_options){.tls = tls});
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(rpc_server_listen(server, names[i], NULL, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.text, "want a numeric host:port"));
    }
    rpc_server_free(server);
}

#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(the_servers_log_tells_why_a_client_gets_no_connection),
        ON_STAGE(a_client_of_an_accepted_role_is_served_and_known),
        ON_STAGE(roles_as_dns_names_do_on_both_sides),
        ON_STAGE(any_of_several_roles_is_accepted),
        ON_STAGE(another_role_is_refused_before_any_handler),
        ON_STAGE(a_stream_is_refused_to_another_role_too),
        ON_STAGE(a_client_without_a_certificate_gets_no_connection),
        ON_STAGE(a_client_in_plaintext_gets_no_connection),
        ON_STAGE(a_client_of_a_foreign_ca_gets_no_connection),
        ON_STAGE(the_unix_socket_of_a_server_with_tls_needs_no_role),
        ON_STAGE(a_server_of_another_role_is_not_trusted),
        ON_STAGE(a_server_without_the_role_as_dns_name_is_not_trusted),
        ON_STAGE(a_server_of_a_foreign_ca_is_not_trusted),
        ON_STAGE(a_server_whose_certificate_expired_is_not_trusted),
        ON_STAGE(our_own_expired_certificate_is_named),
        ON_STAGE(a_call_that_waits_for_the_server_says_at_its_deadline_why_it_waited),
        ON_STAGE(a_server_that_speaks_no_tls_is_named_so),
        ON_STAGE(a_server_that_is_away_is_simply_unavailable),
        ON_STAGE(both_sides_renew_while_an_old_call_goes_on),
        ON_STAGE(a_renewed_server_refuses_clients_of_the_old_ca),
        ON_STAGE(half_written_files_disturb_nobody),
        ON_STAGE(handshakes_go_on_while_certificates_are_renewed),
        ON_STAGE(a_channel_of_many_threads_renews),
        ON_STAGE(a_public_client_needs_only_the_ca),
        ON_STAGE(a_public_client_verifies_the_host_name),
        ON_STAGE(a_public_client_trusts_only_its_cas),
        ON_STAGE(the_cas_of_this_machine_are_the_default),
        ON_STAGE(plaintext_beyond_this_machine_is_refused_and_the_flag_is_named),
        ON_STAGE(plaintext_behind_a_proxy_is_served_when_that_is_said),
        ON_STAGE(tls_is_served_on_numeric_addresses_only),
    };
    log_fd = memfd_create("log", MFD_CLOEXEC);
    log_set_output(log_fd);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
