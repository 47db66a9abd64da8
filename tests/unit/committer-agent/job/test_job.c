/* What a Job is asked. */
#include "committer-agent/job/job.h"
#include "shared/base/alloc.h"
#include "tests/unit/testing.h"

static int load(struct job *job, struct error *err, const char *a, const char *b, const char *c,
                const char *d)
{
    const char *texts[] = {"image-committer", a, b, c, d, NULL};
    static char *argv[6]; /* borrowed by the job */
    int argc = 0;
    enum config_outcome outcome;

    while (texts[argc]) {
        argv[argc] = (char *)(uintptr_t)texts[argc];
        argc++;
    }
    argv[argc] = NULL;
    return job_load(job, argc, argv, &outcome, err);
}

static int without_environment(void **state)
{
    (void)state;
    return clearenv();
}

static void a_spec_is_split_at_its_first_colon(void **state)
{
    (void)state;
    SCOPED_JOB struct job job = {0};
    SCOPED(commit_request) struct commit_request *request = NULL;
    struct error err;

    (void)setenv("STASIS_COMMIT_KEY", "uid-1.2", 1);
    (void)setenv("STASIS_COMMIT_HOLD", "kill", 1);
    (void)setenv("STASIS_POD_UID", "u-1", 1);
    (void)setenv("SNAPSHOT_REGISTRY_INSECURE", "true", 1);
    assert_ok(load(&job, &err, "pod", "ns", "main:registry:5000/a/b:tag", "side:r/b:1"), &err);
    assert_ok(job_request(&job, &request, &err), &err);
    assert_int_equal(request->count, 2);
    assert_string_equal(request->containers[0].name, "main");
    assert_string_equal(request->containers[0].image, "registry:5000/a/b:tag");
    assert_string_equal(request->key, "uid-1.2");
    assert_string_equal(request->pod_uid, "u-1");
    assert_string_equal(request->pod_name, "pod");
    assert_string_equal(request->pod_ns, "ns");
    assert_true(request->hold && request->insecure);
    assert_null(request->docker_config);
}

static void the_defaults_are_opensandboxs(void **state)
{
    (void)state;
    SCOPED_JOB struct job job = {0};
    SCOPED_JOB struct job other = {0};
    struct error err;

    assert_ok(load(&job, &err, "pod", "ns", "main:10.0.0.1/a:1", NULL), &err);
    assert_string_equal(job.agent.containerd_socket, "/run/containerd/containerd.sock");
    assert_string_equal(job.agent.containerd_namespace, "k8s.io");
    assert_string_equal(job.agent.docker_config_file, "/var/run/opensandbox/registry/config.json");
    assert_string_equal(job.termination_log, "/dev/termination-log");
    assert_false(job.kill);
    assert_false(job.agent.insecure); /* never guessed from the address */
    assert_ok(load(&other, &err, "pod", "ns", "main:r/a:1", NULL), &err);
    assert_string_not_equal(job.key, other.key);
}

static void unpause_takes_names(void **state)
{
    (void)state;
    SCOPED_JOB struct job job = {0};
    struct error err;

    assert_ok(load(&job, &err, "unpause", "pod", "ns", "main"), &err);
    assert_true(job.unpause);
    assert_string_equal(job.pod_name, "pod");
    assert_int_equal(job.count, 1);
    assert_string_equal(job.containers[0].name, "main");
    assert_null(job.containers[0].image);
}

static void refusals_name_what_was_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[4], *variable, *value, *part;
    } rows[] = {
        {{NULL}, NULL, NULL, "got 0 arguments"},
        {{"pod", "ns"}, NULL, NULL, "got 2 arguments"},
        {{"", "ns", "a:b"}, NULL, NULL, "want <pod>"},
        {{"pod", "ns", "a"}, NULL, NULL, "want <container>:<image>"},
        {{"pod", "ns", ":a"}, NULL, NULL, "want <container>:<image>"},
        {{"pod", "ns", "a:"}, NULL, NULL, "want <container>:<image>"},
        {{"unpause", "pod", "ns"}, NULL, NULL, "unpause <pod>"},
        {{"pod", "ns", "a:b"}, "STASIS_COMMIT_KEY", "..", "no dot in front"},
        {{"pod", "ns", "a:b"}, "STASIS_COMMIT_KEY", "a/b", "STASIS_COMMIT_KEY"},
        {{"pod", "ns", "a:b"}, "STASIS_COMMIT_HOLD", "KILL", "want kill or thaw"},
        {{"pod", "ns", "a:b"}, "SNAPSHOT_REGISTRY_INSECURE", "maybe", "SNAPSHOT_REGISTRY_INSECURE"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_JOB struct job job = {0};
        struct error err;
        (void)clearenv();
        (void)setenv("STASIS_TERMINATION_LOG", "/told/here", 1);
        if (rows[i].variable)
            (void)setenv(rows[i].variable, rows[i].value, 1);
        const char *const *a = rows[i].arguments;
        assert_fails(load(&job, &err, a[0], a[1], a[2], a[3]), &err, ERR_INVALID, rows[i].part);
        assert_string_equal(job.termination_log, "/told/here");
    }
}

static void an_image_needs_a_tag_to_push_to(void **state)
{
    (void)state;
    SCOPED_JOB struct job job = {0};
    struct commit_request *request = NULL;
    struct error err;

    assert_ok(load(&job, &err, "pod", "ns", "main:registry/a", NULL), &err);
    assert_fails(job_request(&job, &request, &err), &err, ERR_INVALID, "want repository:tag");
}

#define JOB_TEST(f) cmocka_unit_test_setup(f, without_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOB_TEST(a_spec_is_split_at_its_first_colon),
        JOB_TEST(the_defaults_are_opensandboxs),
        JOB_TEST(unpause_takes_names),
        JOB_TEST(refusals_name_what_was_wanted),
        JOB_TEST(an_image_needs_a_tag_to_push_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
