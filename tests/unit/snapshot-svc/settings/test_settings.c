#include "tests/unit/testing.h"

#include "shared/base/alloc.h"
#include "snapshot-svc/concurrency.h"
#include "snapshot-svc/settings.h"

enum { ARGUMENTS_MAX = 64 };

/* The arguments as one text, split at blanks. */
static int load(const char *arguments, struct settings *settings, struct error *err)
{
    static char text[4096]; /* what settings point into */
    char *argv[ARGUMENTS_MAX + 2] = {(char *)"snapshot-svc"};
    int argc = 1;
    enum config_outcome outcome;

    snprintf(text, sizeof(text), "%s", arguments);
    for (char *word = text; *word && argc <= ARGUMENTS_MAX; argc++) {
        argv[argc] = word;
        word += strcspn(word, " ");
        if (*word)
            *word++ = '\0';
    }
    *settings = (struct settings){0};
    return settings_load(settings, argc, argv, &outcome, err);
}

static void it_starts_without_any_flag(void **state)
{
    struct settings settings;
    struct error err = {0};

    (void)state;
    assert_ok(load("", &settings, &err), &err);
    assert_int_equal(settings.backend, CLUSTER_LOCAL);
    assert_string_equal(settings.ns, "default");
    assert_int_equal(settings.commit_timeout_ms, 600 * 1000);
    assert_int_equal(settings.sandbox_workers, 32);
    assert_int_equal(settings.snapshot_workers, 8);
    assert_string_equal(settings.health_address, ":8081");
    assert_string_equal(settings.metrics_address, "0");
    assert_true(*settings.node_name);
    for (const char *c = settings.node_name; *c; c++)
        assert_false(*c >= 'A' && *c <= 'Z');
}

/* contract/controller-behaviour.md §1: the arguments of an existing Deployment. */
static void every_flag_of_the_contract_is_accepted(void **state)
{
    struct settings settings;
    struct error err = {0};

    (void)state;
    assert_ok(
        load("--snapshot-registry=registry:5000/snapshots -snapshot-registry-insecure --snapshot-push-secret "
             "push "
             "--resume-pull-secret pull --image-committer-image image-committer:dev --commit-job-timeout=90s "
             "--containerd-socket-path /run/containerd/containerd.sock --concurrency batchsandbox=5;pool=6 "
             "--leader-elect --health-probe-bind-address :9081 --metrics-bind-address :9443 "
             "--metrics-secure=true "
             "--metrics-cert-path /a --metrics-cert-name b --metrics-cert-key c --webhook-cert-path /d "
             "--webhook-cert-name e --webhook-cert-key f --enable-http2=false --kube-client-qps 100 "
             "--kube-client-burst=200 --expectation-timeout 5m --enable-file-log --log-file-path /tmp/x "
             "--log-max-size 1 --log-max-backups=2 --log-max-age 3 --log-compress --zap-devel "
             "--zap-encoder=json --zap-log-level debug --zap-stacktrace-level=error "
             "--zap-time-encoding=iso8601",
             &settings, &err),
        &err);
    assert_string_equal(settings.snapshot_registry, "registry:5000/snapshots");
    assert_true(settings.snapshot_registry_insecure);
    assert_string_equal(settings.snapshot_push_secret, "push");
    assert_string_equal(settings.resume_pull_secret, "pull");
    assert_int_equal(settings.commit_timeout_ms, 90 * 1000);
    assert_int_equal(settings.sandbox_workers, 5);
    assert_string_equal(settings.health_address, ":9081");
    assert_string_equal(settings.metrics_address, ":9443");
}

/* The chart gives the flag once for each of its imagePullSecrets. */
static void commit_jobs_may_pull_with_several_secrets(void **state)
{
    struct settings settings;
    struct error err = {0};

    (void)state;
    assert_ok(load("--job-image-pull-secret=cred --job-image-pull-secret=mirror", &settings, &err), &err);
    assert_int_equal(settings.job_pull_secrets.count, 2);
    assert_string_equal(settings.job_pull_secrets.items[0], "cred");
    assert_string_equal(settings.job_pull_secrets.items[1], "mirror");
    settings_done(&settings);
    assert_ok(load("", &settings, &err), &err);
    assert_int_equal(settings.job_pull_secrets.count, 0);
}

static void the_commit_timeout_counts_whole_seconds(void **state)
{
    struct settings settings;
    struct error err = {0};

    (void)state;
    assert_ok(load("--commit-job-timeout=2500ms", &settings, &err), &err);
    assert_int_equal(settings.commit_timeout_ms, 2000);
}

static void what_is_paused_is_kept_unless_told_otherwise(void **state)
{
    struct settings settings;
    struct error err = {0};

    (void)state;
    assert_ok(load("", &settings, &err), &err);
    assert_false(settings.ttl_runs_while_paused);
    assert_int_equal(settings.paused_retention_ms, 0);
    assert_ok(load("--ttl-while-paused=run --paused-retention=720h", &settings, &err), &err);
    assert_true(settings.ttl_runs_while_paused);
    assert_int_equal(settings.paused_retention_ms, (int64_t)720 * 3600 * 1000);
}

static void bad_flags_are_refused_and_named(void **state)
{
    static const struct {
        const char *arguments, *named;
        enum error_code code;
    } cases[] = {
        {"--cluster=kubernetes --commit-mode=never", "--commit-mode: want auto, agent or job", ERR_INVALID},
        {"--kube-client-qps=0", "--kube-client-qps: want 1 to", ERR_INVALID},
        {"--cluster=nomad", "--cluster: want local or kubernetes", ERR_INVALID},
        {"--commit-job-timeout=0s", "--commit-job-timeout", ERR_INVALID},
        {"--commit-job-timeout=25h", "--commit-job-timeout", ERR_INVALID},
        {"--upload-timeout=0s", "--upload-timeout", ERR_INVALID},
        {"--ttl-while-paused=halt", "--ttl-while-paused: want stop or run", ERR_INVALID},
        {"--paused-retention=59s", "--paused-retention: want 0s (for ever), or 1m to", ERR_INVALID},
        {"--paused-retention=87601h", "--paused-retention", ERR_INVALID},
        {"--concurrency=batchsandbox", "--concurrency", ERR_INVALID},
        {"--log-level=loud", "--log-level", ERR_INVALID},
        {"--log-format=xml", "--log-format", ERR_INVALID},
        {"--no-such-flag", "no-such-flag", ERR_INVALID},
        {"serve", "serve", ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct settings settings;
        struct error err = {0};
        assert_fails(load(cases[i].arguments, &settings, &err), &err, cases[i].code, cases[i].named);
    }
}

static void concurrency_names_controllers_and_keeps_the_others(void **state)
{
    static const struct {
        const char *text;
        unsigned sandboxes, snapshots, pools;
    } cases[] = {
        {"", 1, 2, 3},        {"batchsandbox=32;pool=16", 32, 2, 16},         {"sandboxsnapshot=9", 1, 9, 3},
        {"pool=7;", 1, 2, 7}, {"batchsandbox=4;batchsandbox=256", 256, 2, 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct concurrency concurrency = {.sandboxes = 1, .snapshots = 2, .pools = 3};
        struct error err = {0};
        assert_ok(concurrency_parse(cases[i].text, &concurrency, &err), &err);
        assert_int_equal(concurrency.sandboxes, cases[i].sandboxes);
        assert_int_equal(concurrency.snapshots, cases[i].snapshots);
        assert_int_equal(concurrency.pools, cases[i].pools);
    }
}

static void nonsense_concurrency_changes_nothing(void **state)
{
    static const char *const texts[] = {"pool",
                                        "pool=",
                                        "pool=0",
                                        "pool=257",
                                        "pool=-1",
                                        "pool=+1",
                                        "pool= 1",
                                        "pool=1x",
                                        "pond=1",
                                        "=1",
                                        "pool=1,batchsandbox=2",
                                        "batchsandbox=5;pool=99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct concurrency concurrency = {.sandboxes = 1, .snapshots = 2, .pools = 3};
        struct error err = {0};
        assert_fails(concurrency_parse(texts[i], &concurrency, &err), &err, ERR_INVALID, "pool=N");
        assert_int_equal(concurrency.sandboxes, 1);
        assert_int_equal(concurrency.pools, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_without_any_flag),
        cmocka_unit_test(every_flag_of_the_contract_is_accepted),
        cmocka_unit_test(commit_jobs_may_pull_with_several_secrets),
        cmocka_unit_test(the_commit_timeout_counts_whole_seconds),
        cmocka_unit_test(what_is_paused_is_kept_unless_told_otherwise),
        cmocka_unit_test(bad_flags_are_refused_and_named),
        cmocka_unit_test(concurrency_names_controllers_and_keeps_the_others),
        cmocka_unit_test(nonsense_concurrency_changes_nothing),
    };
    return cmocka_run_group_tests_name("snapshot-svc settings", tests, NULL, NULL);
}
