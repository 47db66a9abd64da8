#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "snapshot-svc/cluster/kube/kube.h"
#include "snapshot-svc/cluster/kube/login.h"
#include "snapshot-svc/cluster/kube/token.h"
#include "tests/unit/testing.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/stasis-login-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static char *in_folder(const char *name)
{
    return xasprintf("%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
    SCOPED(string) char *path = in_folder(name);
    struct error err = {0};
    assert_ok(file_write_atomic(path, text, strlen(text), 0600, &err), &err);
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"config", "ca.pem", "tls.crt", "tls.key", "token", "ca.crt"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        SCOPED(string) char *path = in_folder(names[i]);
        (void)unlink(path); /* not every test makes every file */
    }
    return rmdir(folder);
}

static int read_text(const char *text, struct login **ret_login, struct error *err)
{
    error_clear(err);
    return login_from_kubeconfig_text(text, strlen(text), "the-file", folder, ret_login, err);
}

/* The usual document around a cluster's and a user's members. */
static int read_parts(const char *cluster, const char *user, struct login **ret_login, struct error *err)
{
    SCOPED(string)
    char *text = xasprintf("apiVersion: v1\nkind: Config\ncurrent-context: x\n"
                           "contexts:\n- name: other\n  context: {cluster: none}\n"
                           "- context:\n    cluster: home\n    user: me\n    namespace: n\n  name: x\n"
                           "clusters:\n- name: home\n  cluster: %s\n"
                           "users:\n- name: me\n  user: %s\n",
                           cluster, user);
    return read_text(text, ret_login, err);
}

#define SERVER "server: 'https://10.0.0.1:6443/'"

static void the_current_context_is_read(void **state)
{
    SCOPED(login) struct login *login = NULL;
    struct error err = {0};

    (void)state;
    assert_ok(read_parts("{" SERVER ", certificate-authority-data: Y2E=, tls-server-name: kube.test}",
                         "{client-certificate-data: Y2VydA==, client-key-data: a2V5, token: t}", &login,
                         &err),
              &err);
    assert_string_equal(login->server, "https://10.0.0.1:6443");
    assert_string_equal(login->tls_name, "kube.test");
    assert_false(login->insecure_tls);
    assert_string_equal(login->ca.bytes, "ca");
    assert_int_equal(login->ca.length, 2);
    assert_string_equal(login->cert.bytes, "cert");
    assert_string_equal(login->key.bytes, "key");
    assert_string_equal(login->token, "t");
    assert_null(login->token_file);
}

static void files_are_found_from_where_the_kubeconfig_is(void **state)
{
    SCOPED(login) struct login *login = NULL;
    SCOPED(string) char *path = in_folder("config");
    SCOPED(string) char *key = in_folder("tls.key");
    SCOPED(string) char *token = in_folder("token");
    struct error err = {0};

    (void)state;
    write_file("ca.pem", "the ca");
    write_file("tls.crt", "the cert");
    write_file("tls.key", "the key");
    SCOPED(string)
    char *text = xasprintf(
        "clusters: [{name: c, cluster: {" SERVER ", certificate-authority: ca.pem}}]\n"
        "users: [{name: u, user: {client-certificate: ./tls.crt, client-key: %s, tokenFile: token}}]\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n",
        key);
    write_file("config", text);
    assert_ok(login_from_kubeconfig(path, &login, &err), &err);
    assert_string_equal(login->ca.bytes, "the ca");
    assert_string_equal(login->cert.bytes, "the cert");
    assert_string_equal(login->key.bytes, "the key");
    assert_string_equal(login->token_file, token);
}

static void json_is_a_kubeconfig_too(void **state)
{
    SCOPED(login) struct login *login = NULL;
    struct error err = {0};

    (void)state;
    assert_ok(
        read_text(
            "{\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\",\"context\":{\"cluster\":\"c\"}}],"
            "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"http://127.0.0.1:1\","
            "\"insecure-skip-tls-verify\":true}}],\"users\":null}",
            &login, &err),
        &err);
    assert_string_equal(login->server, "http://127.0.0.1:1");
    assert_true(login->insecure_tls);
    assert_null(login->token);
}

static void other_ways_to_log_in_are_refused_with_what_to_use_instead(void **state)
{
    static const char *const users[] = {
        "{exec: {command: aws}}", "{auth-provider: {name: gcp}}", "{username: a, password: SECRET}",
        "{password: SECRET}",     "{token: t, as: admin}",        "{token: t, as-groups: [a]}",
    };
    struct login *login = NULL;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        assert_fails(read_parts("{" SERVER "}", users[i], &login, &err), &err, ERR_UNSUPPORTED,
                     "user \"me\": ");
        assert_contains(err.text, "is not supported; use a client certificate, token or tokenFile");
        assert_lacks(err.text, "SECRET");
    }
    assert_fails(read_parts("{" SERVER ", proxy-url: 'http://p'}", "{}", &login, &err), &err, ERR_UNSUPPORTED,
                 "cluster \"home\": proxy-url is not supported");
    assert_null(login);
}

static void wrong_entries_are_named(void **state)
{
    static const struct {
        const char *cluster, *user, *text;
    } rows[] = {
        {"{}", "{}", "cluster \"home\": server: want https://host:port"},
        {"{server: 'ftp://x'}", "{}", "server: want https://"},
        {"{server: 'https://'}", "{}", "server: want https://"},
        {"{server: 'http:///x'}", "{}", "server: want https://"},
        {"{server: 'https://u:p@x'}", "{}", "server: want https://"},
        {"{server: [a]}", "{}", "cluster \"home\": server: want a text"},
        {"{" SERVER ", certificate-authority-data: '!'}", "{}", "certificate-authority-data: want base64"},
        {"{" SERVER ", insecure-skip-tls-verify: 1}", "{}", "want true or false"},
        {"{" SERVER ", insecure-skip-tls-verify: true, certificate-authority-data: Y2E=}", "{}",
         "remove one"},
        {"{" SERVER ", tls-server-name: 'a/b'}", "{}", "tls-server-name: want a host name"},
        {"{" SERVER "}", "{client-certificate-data: Y2VydA==}",
         "client-certificate and client-key come together"},
        {"{" SERVER "}", "{client-key-data: SECRET!}", "user \"me\": client-key-data: want base64"},
        {"{" SERVER "}", "text", "users \"me\": want \"user:\" with members"},
        {"text", "{}", "clusters \"home\": want \"cluster:\" with members"},
    };
    struct login *login = NULL;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_fails(read_parts(rows[i].cluster, rows[i].user, &login, &err), &err, ERR_INVALID,
                     rows[i].text);
        assert_contains(err.text, "kubeconfig the-file: ");
        assert_lacks(err.text, "SECRET");
    }
}

static void a_document_without_its_parts_is_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "current-context: want the name of a context"},
        {"current-context: ''", "current-context: want"},
        {"current-context: x", "contexts: there is no entry \"x\""},
        {"current-context: x\ncontexts: [{name: x, context: {user: u}}]", "context \"x\": cluster: missing"},
        {"current-context: x\ncontexts: [{name: x, context: {cluster: c}}]",
         "clusters: there is no entry \"c\""},
        {"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
         "clusters: [{name: c, cluster: {" SERVER "}}]",
         "users: there is no entry \"u\""},
        {"a: [", "the-file: line 2 column 1: "},
        {"a: 1\na: 2", "the-file: line 2 column 1: a key that was there before"},
        {"a: &x SECRET\nb: *x", "aliases"},
        {"a: 1\n---\nb: 2", "want one document"},
        {"? [a]\n: b", "want a text as key"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "nested too deeply"},
        {"a: \"\\0\"", "NUL in a text"},
    };
    struct login *login = NULL;
    struct error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_fails(read_text(rows[i].text, &login, &err), &err, ERR_INVALID, rows[i].error);
        assert_lacks(err.text, "SECRET");
    }
}

static void a_missing_file_is_named(void **state)
{
    struct login *login = NULL;
    struct error err = {0};

    (void)state;
    assert_fails(login_from_kubeconfig("/nonexistent/config", &login, &err), &err, ERR_NOT_FOUND,
                 "kubeconfig: /nonexistent/config");
    assert_fails(read_parts("{" SERVER ", certificate-authority: nowhere.pem}", "{}", &login, &err), &err,
                 ERR_NOT_FOUND, "cluster \"home\": certificate-authority: ");
}

/* ---- the pod's service account ---- */

static void a_pod_logs_in_with_its_service_account(void **state)
{
    SCOPED(login) struct login *login = NULL;
    SCOPED(string) char *token = in_folder("token");
    struct error err = {0};

    (void)state;
    write_file("ca.crt", "the ca");
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_ok(login_from_pod(folder, &login, &err), &err);
    assert_string_equal(login->server, "https://[fd00::1]:443");
    assert_string_equal(login->ca.bytes, "the ca");
    assert_string_equal(login->token_file, token);
    unsetenv("KUBERNETES_SERVICE_HOST");
}

static void outside_a_pod_a_kubeconfig_is_asked_for(void **state)
{
    struct cluster *cluster = NULL;
    struct error err = {0};

    (void)state;
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_fails(cluster_kube_open(&(struct cluster_kube_options){0}, &cluster, &err), &err, ERR_NOT_FOUND,
                 "name a kubeconfig with --kubeconfig");
}

/* ---- tokens ---- */

static void assert_header(struct token *token, const char *expected)
{
    SCOPED_TOKEN_HEADER char *value = NULL;
    struct error err = {0};
    assert_ok(token_header(token, &value, &err), &err);
    assert_string_equal(value, expected);
}

static void a_token_file_is_read_again_when_it_changed(void **state)
{
    SCOPED(string) char *path = in_folder("token");
    struct token *token = token_new("not this one", path);

    (void)state;
    write_file("token", "first \n");
    assert_header(token, "Bearer first");
    write_file("token", "other");
    assert_header(token, "Bearer other");
    assert_int_equal(unlink(path), 0);
    assert_header(token, "Bearer other"); /* between two versions of the mount */
    token_free(token);
}

static void what_is_no_token_is_never_sent(void **state)
{
    SCOPED(string) char *path = in_folder("token");
    struct error err = {0};
    char *value = NULL;

    (void)state;
    struct token *token = token_new(NULL, path);
    assert_fails(token_header(token, &value, &err), &err, ERR_DENIED, "token file");
    write_file("token", "SECRET\r\nX: y");
    error_clear(&err);
    assert_fails(token_header(token, &value, &err), &err, ERR_DENIED, "without blanks");
    assert_lacks(err.text, "SECRET");
    write_file("token", "");
    error_clear(&err);
    assert_fails(token_header(token, &value, &err), &err, ERR_DENIED, "want a token");
    assert_null(value);
    token_free(token);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_current_context_is_read),
        TEST(files_are_found_from_where_the_kubeconfig_is),
        TEST(json_is_a_kubeconfig_too),
        TEST(other_ways_to_log_in_are_refused_with_what_to_use_instead),
        TEST(wrong_entries_are_named),
        TEST(a_document_without_its_parts_is_refused),
        TEST(a_missing_file_is_named),
        TEST(a_pod_logs_in_with_its_service_account),
        TEST(outside_a_pod_a_kubeconfig_is_asked_for),
        TEST(a_token_file_is_read_again_when_it_changed),
        TEST(what_is_no_token_is_never_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
