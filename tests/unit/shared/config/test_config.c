#include "shared/config/config.h"

#include <unistd.h>

#include "tests/unit/testing.h"

struct settings {
    const char *cluster;
    bool verbose;
    int64_t port;
    int64_t grace_ms;
    const char *api_key;
    struct config_list mirrors;
};

// clang-format off
static const struct config_option options[] = {
    {"cluster",      "TEST_CLUSTER", CONFIG_STRING,   offsetof(struct settings, cluster),  "local", "Where objects live: local or kubernetes.", false},
    {"verbose",      "TEST_VERBOSE", CONFIG_BOOL,     offsetof(struct settings, verbose),  "false", "Say more.", false},
    {"port",         "TEST_PORT",    CONFIG_INT,      offsetof(struct settings, port),     "8080",  "Where to listen.", false},
    {"grace",        NULL,           CONFIG_DURATION, offsetof(struct settings, grace_ms), "30s",   "How long a commit may go on after SIGTERM, before it is handed back to the orchestrator, which then looks for another node.", false},
    {"api-key",      "TEST_API_KEY", CONFIG_STRING,   offsetof(struct settings, api_key),  NULL,    "The key that clients send.", true},
    {"leader-elect", NULL,           CONFIG_IGNORED_BOOL, 0,                               NULL,    NULL, false},
    {"kube-qps",     NULL,           CONFIG_IGNORED,  0,                                   NULL,    NULL, false},
    CONFIG_END,
};
// clang-format on

static const struct config_program program = {
    .name = "snapshot-svc", .synopsis = "[flags]", .about = "Reconciles snapshots.", .options = options};

/* One command line. argv is ours: config_load moves it about. */
struct run {
    char *argv[12];
    struct settings settings;
    int rest;
    enum config_outcome outcome;
    struct error err;
    int result;
};

static struct run run_program(const struct config_program *which, const char *const *arguments)
{
    static char name[] = "snapshot-svc";
    struct run run = {.argv = {name}, .rest = -1, .outcome = CONFIG_RUN};
    int argc = 1;
    for (; arguments[argc - 1]; argc++)
        run.argv[argc] = (char *)arguments[argc - 1];
    run.result = config_load(which, argc, run.argv, &run.settings, &run.rest, &run.outcome, &run.err);
    return run;
}

static struct run run(const char *const *arguments)
{
    return run_program(&program, arguments);
}

#define RUN(...)                run((const char *const[]){__VA_ARGS__, NULL})
#define RUN_WITHOUT_ARGUMENTS() run((const char *const[]){NULL})

static int clear_environment(void **state)
{
    (void)state;
    for (const struct config_option *option = options; option->flag; option++)
        if (option->env)
            (void)unsetenv(option->env);
    return 0;
}

/* ---- where values come from ---- */

static void without_arguments_the_defaults_hold(void **state)
{
    struct run r = RUN_WITHOUT_ARGUMENTS();
    (void)state;

    assert_ok(r.result, &r.err);
    assert_string_equal(r.settings.cluster, "local");
    assert_false(r.settings.verbose);
    assert_int_equal(r.settings.port, 8080);
    assert_int_equal(r.settings.grace_ms, 30000);
    assert_null(r.settings.api_key);
    assert_int_equal(r.rest, 0);
    assert_int_equal(r.outcome, CONFIG_RUN);
}

static void a_flag_beats_the_environment_which_beats_the_default(void **state)
{
    (void)state;
    (void)setenv("TEST_PORT", "1", 1);
    (void)setenv("TEST_CLUSTER", "kubernetes", 1);
    (void)setenv("TEST_VERBOSE", "true", 1);
    struct run r = RUN("--port", "2", "--verbose=false");
    assert_ok(r.result, &r.err);
    assert_int_equal(r.settings.port, 2);
    assert_string_equal(r.settings.cluster, "kubernetes");
    assert_false(r.settings.verbose);
}

static void an_empty_variable_is_not_set(void **state)
{
    (void)state;
    (void)setenv("TEST_PORT", "", 1);
    (void)setenv("TEST_CLUSTER", "", 1);
    struct run r = RUN_WITHOUT_ARGUMENTS();
    assert_ok(r.result, &r.err);
    assert_int_equal(r.settings.port, 8080);
    assert_string_equal(r.settings.cluster, "local");
}

static void a_wrong_variable_is_named_unless_a_flag_overrides_it(void **state)
{
    (void)state;
    (void)setenv("TEST_PORT", "http", 1);
    struct run r = RUN_WITHOUT_ARGUMENTS();
    assert_fails(r.result, &r.err, ERR_INVALID,
                 "environment variable TEST_PORT: want a whole number of 64 bits, got \"http\"; see "
                 "snapshot-svc --help");
    r = RUN("--port=5");
    assert_ok(r.result, &r.err);
    assert_int_equal(r.settings.port, 5);
}

/* ---- Go's flag rules ---- */

static void go_flags_are_read_as_go_reads_them(void **state)
{
    static const struct {
        const char *arguments[4];
        const char *cluster;
        bool verbose;
        int64_t port, grace_ms;
    } rows[] = {
        {{"-cluster", "x"}, "x", false, 8080, 30000},
        {{"--cluster", "x"}, "x", false, 8080, 30000},
        {{"-cluster=x"}, "x", false, 8080, 30000},
        {{"--cluster=x"}, "x", false, 8080, 30000},
        {{"--cluster="}, "", false, 8080, 30000},
        {{"--cluster", ""}, "", false, 8080, 30000},
        {{"--cluster=a=b"}, "a=b", false, 8080, 30000},
        {{"--cluster", "-x"}, "-x", false, 8080, 30000},
        {{"--cluster", "--verbose"}, "--verbose", false, 8080, 30000},
        {{"--cluster", "--"}, "--", false, 8080, 30000},
        {{"--cluster=x", "--cluster=y"}, "y", false, 8080, 30000},
        {{"-verbose"}, "local", true, 8080, 30000},
        {{"--verbose=true"}, "local", true, 8080, 30000},
        {{"--verbose=1"}, "local", true, 8080, 30000},
        {{"--verbose=T"}, "local", true, 8080, 30000},
        {{"--verbose", "--verbose=F"}, "local", false, 8080, 30000},
        {{"--port", "-1"}, "local", false, -1, 30000},
        {{"--port=0x10"}, "local", false, 16, 30000},
        {{"--port=9223372036854775807"}, "local", false, INT64_MAX, 30000},
        {{"--grace", "1h30m"}, "local", false, 8080, 5400000},
        {{"--grace=0"}, "local", false, 8080, 0},
        {{"--leader-elect", "--verbose"}, "local", true, 8080, 30000},
        {{"--leader-elect=false", "--kube-qps", "20", "--verbose"}, "local", true, 8080, 30000},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *arguments[5] = {rows[i].arguments[0], rows[i].arguments[1], rows[i].arguments[2],
                                    rows[i].arguments[3], NULL};
        struct run r = run(arguments);
        assert_ok(r.result, &r.err);
        assert_string_equal(r.settings.cluster, rows[i].cluster);
        assert_int_equal(r.settings.verbose, rows[i].verbose);
        assert_int_equal(r.settings.port, rows[i].port);
        assert_int_equal(r.settings.grace_ms, rows[i].grace_ms);
        assert_int_equal(r.rest, 0);
    }
}

static void a_wrong_flag_says_which_what_was_wanted_and_where_to_look(void **state)
{
    static const struct {
        const char *arguments[3];
        const char *story;
    } rows[] = {
        {{"--clutser=x"}, "--clutser: no such flag; see snapshot-svc --help"},
        {{"-p", "1"}, "--p: no such flag; see snapshot-svc --help"},
        {{"---port=1"}, "---port: no such flag; see snapshot-svc --help"},
        {{"--=x"}, "--: no such flag; see snapshot-svc --help"},
        {{"-=x"}, "--: no such flag"},
        {{"--PORT=1"}, "--PORT: no such flag"},
        {{"--por=1"}, "--por: no such flag"},
        {{"--port"}, "--port: want a value after it; see snapshot-svc --help"},
        {{"--kube-qps"}, "--kube-qps: want a value after it"},
        {{"--port="}, "--port: want a whole number of 64 bits, got \"\"; see snapshot-svc --help"},
        {{"--port", "80a"}, "--port: want a whole number of 64 bits, got \"80a\""},
        {{"--port= 80"}, "--port: want a whole number"},
        {{"--port=1.0"}, "--port: want a whole number"},
        {{"--port=+-1"}, "--port: want a whole number"},
        {{"--port=9223372036854775808"}, "--port: want a whole number of 64 bits"},
        {{"--verbose=yes"}, "--verbose: want true or false, got \"yes\""},
        {{"--verbose="}, "--verbose: want true or false, got \"\""},
        {{"--grace=30"}, "--grace: want a duration like 250ms, 1.5s, 10m or 1h30m, not negative, got \"30\""},
        {{"--grace=-1s"}, "--grace: want a duration"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct run r = run(rows[i].arguments);
        assert_fails(r.result, &r.err, ERR_INVALID, rows[i].story);
        assert_int_equal(strncmp(r.err.text, rows[i].story, strlen(rows[i].story)), 0);
        assert_int_equal(r.rest, -1);
    }
}

/* ---- arguments that are no flags ---- */

static void other_arguments_move_to_the_front(void **state)
{
    struct run r = RUN("pause", "--verbose", "sandbox-1", "--port", "7", "-");
    (void)state;

    assert_ok(r.result, &r.err);
    assert_int_equal(r.rest, 3);
    assert_string_equal(r.argv[0], "snapshot-svc");
    assert_string_equal(r.argv[1], "pause");
    assert_string_equal(r.argv[2], "sandbox-1");
    assert_string_equal(r.argv[3], "-");
    assert_null(r.argv[4]);
    assert_int_equal(r.settings.port, 7);
    assert_true(r.settings.verbose);
}

static void a_boolean_takes_no_word_after_it(void **state)
{
    struct run r = RUN("--verbose", "false");
    (void)state;

    assert_ok(r.result, &r.err);
    assert_true(r.settings.verbose);
    assert_int_equal(r.rest, 1);
    assert_string_equal(r.argv[1], "false");
}

static void after_two_dashes_nothing_is_a_flag(void **state)
{
    struct run r = RUN("exec", "s1", "--port=3", "--", "ls", "--port=4", "--", "--help");
    (void)state;

    assert_ok(r.result, &r.err);
    assert_int_equal(r.settings.port, 3);
    assert_int_equal(r.rest, 6);
    assert_string_equal(r.argv[3], "ls");
    assert_string_equal(r.argv[4], "--port=4");
    assert_string_equal(r.argv[5], "--");
    assert_string_equal(r.argv[6], "--help");
    assert_null(r.argv[7]);
}

/* ---- lists ---- */

static void assert_list(struct config_list *list, const char *joined)
{
    SCOPED_STRBUF struct strbuf got = STRBUF_INIT;
    for (size_t i = 0; i < list->count; i++)
        (void)strbuf_addf(&got, "%s%s", i ? " " : "", list->items[i]);
    assert_string_equal(strbuf_text(&got), joined);
    config_list_done(list);
    assert_int_equal(list->count, 0);
}

static void what_was_given_to_a_list_replaces_what_was_not(void **state)
{
    static const struct config_option mirror_options[] = {{"mirror", "TEST_MIRROR", CONFIG_LIST,
                                                           offsetof(struct settings, mirrors), "docker.io",
                                                           "Mirror.", false},
                                                          CONFIG_END};
    const struct config_program puller = {.name = "puller", .synopsis = "", .options = mirror_options};
    const char *const none[] = {NULL}, *const some[] = {"--mirror=a", "x", "--mirror", "b", "-mirror=", NULL};
    (void)state;

    (void)unsetenv("TEST_MIRROR");
    struct run r = run_program(&puller, none);
    assert_list(&r.settings.mirrors, "docker.io");
    (void)setenv("TEST_MIRROR", "env.example", 1);
    r = run_program(&puller, none);
    assert_list(&r.settings.mirrors, "env.example");
    r = run_program(&puller, some);
    assert_ok(r.result, &r.err);
    assert_list(&r.settings.mirrors, "a b ");
    assert_int_equal(r.rest, 1);
    (void)unsetenv("TEST_MIRROR");
}

/* ---- secrets ---- */

static void a_secret_comes_from_the_environment(void **state)
{
    (void)state;
    (void)setenv("TEST_API_KEY", "hunter2", 1);
    struct run r = RUN_WITHOUT_ARGUMENTS();
    assert_ok(r.result, &r.err);
    assert_string_equal(r.settings.api_key, "hunter2");
}

static void a_secret_on_the_command_line_is_refused_and_not_repeated(void **state)
{
    static const char *const rows[][3] = {
        {"--api-key", "hunter2"}, {"--api-key=hunter2"}, {"-api-key=hunter2"}, {"--api-key"}};
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct run r = run(rows[i]);
        assert_fails(r.result, &r.err, ERR_INVALID, "--api-key: a secret is not taken from the command line");
        assert_contains(r.err.text, "set the environment variable TEST_API_KEY");
        assert_lacks(r.err.text, "hunter2");
    }
}

static void a_wrong_secret_is_not_quoted(void **state)
{
    static const struct config_option numbers[] = {
        {"pin", "TEST_API_KEY", CONFIG_INT, offsetof(struct settings, port), NULL, "A number.", true},
        CONFIG_END};
    const struct config_program locked = {.name = "svc", .synopsis = "", .options = numbers};
    char name[] = "svc", *argv[] = {name, NULL};
    struct settings settings = {0};
    enum config_outcome outcome;
    struct error err;
    int rest;
    (void)state;

    (void)setenv("TEST_API_KEY", "hunter2", 1);
    assert_fails(config_load(&locked, 1, argv, &settings, &rest, &outcome, &err), &err, ERR_INVALID,
                 "environment variable TEST_API_KEY: want a whole number of 64 bits; see svc --help");
    assert_lacks(err.text, "hunter2");
}

/* ---- --help and --version ---- */

static void the_help_page_is_aligned_and_wrapped(void **state)
{
    SCOPED_STRBUF struct strbuf help = STRBUF_INIT;
    (void)state;

    config_help(&program, &help);
    assert_string_equal(
        help.bytes,
        "Usage: snapshot-svc [flags]\n"
        "\n"
        "Reconciles snapshots.\n"
        "\n"
        "Flags:\n"
        "  --cluster string  Where objects live: local or kubernetes. [default: local, env: TEST_CLUSTER]\n"
        "  --verbose         Say more. [env: TEST_VERBOSE]\n"
        "  --port number     Where to listen. [default: 8080, env: TEST_PORT]\n"
        "  --grace duration  How long a commit may go on after SIGTERM, before it is handed back to the\n"
        "                    orchestrator, which then looks for another node. [default: 30s]\n"
        "  --help            Print this page.\n"
        "  --version         Print the version.\n"
        "\n"
        "Environment (secrets are not taken from the command line):\n"
        "  TEST_API_KEY      The key that clients send.\n");
}

static void a_long_flag_stands_on_its_own_line(void **state)
{
    static const struct config_option long_options[] = {
        {"the-longest-flag-that-anybody-ever-had", NULL, CONFIG_INT, 0, NULL, "Short.", false}, CONFIG_END};
    const struct config_program wide = {.name = "w", .synopsis = "[flags]", .options = long_options};
    SCOPED_STRBUF struct strbuf help = STRBUF_INIT;
    (void)state;

    config_help(&wide, &help);
    assert_string_equal(help.bytes, "Usage: w [flags]\n\nFlags:\n"
                                    "  --the-longest-flag-that-anybody-ever-had number\n"
                                    "             Short.\n"
                                    "  --help     Print this page.\n"
                                    "  --version  Print the version.\n");
}

/* Runs with standard output in a file; *ret_text is the caller's. */
static struct run run_and_read(const char *const *arguments, char text[4096])
{
    FILE *file = tmpfile();
    (void)fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    struct run r = run(arguments);
    (void)fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    rewind(file);
    text[fread(text, 1, 4095, file)] = '\0';
    (void)fclose(file);
    return r;
}

static void help_and_version_are_answered_before_anything_can_be_wrong(void **state)
{
    static const struct {
        const char *arguments[3], *part;
    } rows[] = {
        {{"--help"}, "Usage: snapshot-svc [flags]\n"},
        {{"-h"}, "Usage: snapshot-svc [flags]\n"},
        {{"-help", "--nonsense"}, "Usage: snapshot-svc [flags]\n"},
        {{"pause", "--help"}, "Usage: snapshot-svc [flags]\n"},
        {{"--version"}, "snapshot-svc " STASIS_VERSION "\n"},
    };
    (void)state;

    (void)setenv("TEST_PORT", "http", 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[4096];
        struct run r = run_and_read(rows[i].arguments, text);
        assert_ok(r.result, &r.err);
        assert_int_equal(r.outcome, CONFIG_EXIT_OK);
        assert_int_equal(strncmp(text, rows[i].part, strlen(rows[i].part)), 0);
    }
}

#define IN_A_CLEAN_ENVIRONMENT(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, clear_environment, clear_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_CLEAN_ENVIRONMENT(without_arguments_the_defaults_hold),
        IN_A_CLEAN_ENVIRONMENT(a_flag_beats_the_environment_which_beats_the_default),
        IN_A_CLEAN_ENVIRONMENT(an_empty_variable_is_not_set),
        IN_A_CLEAN_ENVIRONMENT(a_wrong_variable_is_named_unless_a_flag_overrides_it),
        IN_A_CLEAN_ENVIRONMENT(go_flags_are_read_as_go_reads_them),
        IN_A_CLEAN_ENVIRONMENT(a_wrong_flag_says_which_what_was_wanted_and_where_to_look),
        IN_A_CLEAN_ENVIRONMENT(other_arguments_move_to_the_front),
        IN_A_CLEAN_ENVIRONMENT(a_boolean_takes_no_word_after_it),
        IN_A_CLEAN_ENVIRONMENT(after_two_dashes_nothing_is_a_flag),
        IN_A_CLEAN_ENVIRONMENT(what_was_given_to_a_list_replaces_what_was_not),
        IN_A_CLEAN_ENVIRONMENT(a_secret_comes_from_the_environment),
        IN_A_CLEAN_ENVIRONMENT(a_secret_on_the_command_line_is_refused_and_not_repeated),
        IN_A_CLEAN_ENVIRONMENT(a_wrong_secret_is_not_quoted),
        IN_A_CLEAN_ENVIRONMENT(the_help_page_is_aligned_and_wrapped),
        IN_A_CLEAN_ENVIRONMENT(a_long_flag_stands_on_its_own_line),
        IN_A_CLEAN_ENVIRONMENT(help_and_version_are_answered_before_anything_can_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
