/* stasisctl against a real lifecycle-svc: output, exit codes, waiting. */
#include "tests/wire/lifecycle/stand.h"

#include <pthread.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/json/json.h"

static const struct fake_sandbox web = {
    .name = "web",
    .phase = "Succeed",
    .endpoints = "[\"10.0.0.7\"]",
    .template_json = "{\"spec\":{\"containers\":[{\"image\":\"busybox\",\"command\":[\"sleep\",\"9\"]}]}}",
    .labels = {{"opensandbox.io/id", "web"}, {"team", "blue"}},
    .created_ms = 1763303070000,
};

enum { MAX_WORDS = 32 };

/* Runs `stasisctl words...` against the stand. */
static struct run ctl_at(const char *address, const char *key, const char *words)
{
    SCOPED(string) char *copy = xstrdup(words), *address_variable = xasprintf("STASIS_ADDRESS=%s", address);
    SCOPED(string) char *key_variable = xasprintf("OPEN_SANDBOX_API_KEY=%s", key);
    const char *environment[] = {address_variable, key_variable, NULL};
    const char *argv[MAX_WORDS] = {stasisctl_path()};
    size_t count = 1;

    for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[count++] = word;
    return run_program(argv, environment);
}

static struct run ctl(const struct stand *stand, const char *words)
{
    SCOPED(string) char *address = xasprintf("127.0.0.1:%d", stand->grpc_port);

    return ctl_at(address, STAND_KEY, words);
}

#define SCOPED_RUN __attribute__((cleanup(run_done)))

static void expect_exit(const struct run *run, int code, const char *file, int line)
{
    if (run->exit_code == code)
        return;
    print_error("want exit code %d, got %d: %s%s\n", code, run->exit_code, run->output, run->errors);
    _fail(file, line);
}
#define assert_exit(run, code) expect_exit((run), (code), __FILE__, __LINE__)

static void exit_codes_tell_what_went_wrong(void **state)
{
    static const struct {
        const char *words;
        int code;
        const char *says;
    } rows[] = {
        {"", 2, "want a command"},
        {"fly", 2, "unknown command"},
        {"get", 2, "want the id"},
        {"get web more", 2, "unexpected argument"},
        {"get --image x web", 2, "no flag of get"},
        {"get --nonsense web", 2, "unknown flag"},
        {"create -- sleep 9", 2, "want --image"},
        {"create --image busybox", 2, "behind --"},
        {"create --image busybox --timeout 5s -- a", 2, "at least 1m"},
        {"create --image busybox --env A -- a", 2, "KEY=VALUE"},
        {"create --image busybox --metadata opensandbox.io/a=b -- a", 2, "reserved"},
        {"list -o paper", 2, "table, json, yaml or name"},
        {"get none", 3, "KUBERNETES::SANDBOX_NOT_FOUND"},
        {"exec none -- ls", 0, ""},
        {"exec stopped -- ls", 4, "no running pod"},
        {"delete none", 3, "not found"},
        {"pause none --wait", 3, "not found"},
        {"snapshot create none --wait", 3, "not found"},
        {"snapshot delete none --wait", 3, "not found"},
        {"snapshot get none --wait", 2, "no flag of snapshot get"},
        {"--help", 0, ""},
        {"get web --version", 0, ""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED_RUN struct run run = ctl(*state, rows[i].words);

        print_message("stasisctl %s\n", rows[i].words);
        assert_exit(&run, rows[i].code);
        assert_contains(run.errors, rows[i].says);
    }
}

static void an_unreachable_service_is_5_and_a_wrong_key_6(void **state)
{
    const struct stand *stand = *state;
    SCOPED(string) char *address = xasprintf("127.0.0.1:%d", stand->grpc_port);
    SCOPED_RUN struct run away = ctl_at("unix:/tmp/stasis-nobody-listens-here.sock", STAND_KEY, "get web");
    SCOPED_RUN struct run stranger = ctl_at(address, "", "get web");
    SCOPED_RUN struct run liar = ctl_at(address, "wrong", "pause web --wait");

    assert_exit(&away, 5);
    assert_contains(away.errors, "lifecycle-svc");
    assert_exit(&stranger, 6);
    assert_contains(stranger.errors, "MISSING_API_KEY");
    assert_exit(&liar, 6);
    assert_contains(liar.errors, "INVALID_API_KEY");
}

static void a_wrong_state_is_4(void **state)
{
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    fake_on_pause(stand->fake, ERR_PRECONDITION, "sandbox is already paused");
    SCOPED_RUN struct run run = ctl(stand, "pause --wait web");
    assert_exit(&run, 4);
    assert_contains(run.errors, "already paused");
}

static void create_prints_the_id_and_sends_everything(void **state)
{
    struct stand *stand = *state;
    SCOPED_RUN struct run run =
        ctl(stand, "create --image busybox --env A=b=c --metadata team=blue --timeout 10m "
                   "--cpu 500m --memory 64Mi -- sh -c --wait");
    SCOPED(string) char *id = xasprintf("%s\n", fake_await_created(stand->fake));

    assert_exit(&run, 0);
    assert_string_equal(run.output, id);
    assert_string_equal(fake_created_label(stand->fake, "team"), "blue");
    assert_contains(fake_created_template(stand->fake), "\"command\":[\"sh\",\"-c\",\"--wait\"]");
    assert_contains(fake_created_template(stand->fake), "{\"name\":\"A\",\"value\":\"b=c\"}");
    assert_contains(fake_created_template(stand->fake), "\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"}");
    assert_int_not_equal(fake_created_expiry_ms(stand->fake), 0);
}

static void every_output_shows_the_sandbox(void **state)
{
    struct stand *stand = *state;

    fake_put(stand->fake, &web);
    SCOPED_RUN struct run table = ctl(stand, "get web");
    SCOPED_RUN struct run json = ctl(stand, "get web -o json");
    SCOPED_RUN struct run yaml = ctl(stand, "get web --output=yaml");
    SCOPED_RUN struct run name = ctl(stand, "list -o name --metadata team=blue --state Running");
    SCOPED(json) json_t *document = NULL;
    struct error err = {0};

    assert_contains(table.output, "ID   STATE    IMAGE    AGE");
    assert_contains(table.output, "web  Running  busybox");
    assert_ok(json_parse(json.output, strlen(json.output), "output", &document, &err), &err);
    assert_string_equal(json_path_string(document, "status.state"), "Running");
    assert_string_equal(json_path_string(document, "createdAt"), "2025-11-16T14:24:30Z");
    assert_contains(yaml.output, "id: \"web\"\nstatus:\n  state: \"Running\"\n");
    assert_contains(yaml.output, "entrypoint:\n  - \"sleep\"\n  - \"9\"\n");
    assert_string_equal(name.output, "web\n");
}

static void a_list_goes_through_all_pages(void **state)
{
    static char names[205][16];
    struct stand *stand = *state;
    int lines = 0;

    for (int i = 0; i < 205; i++) {
        snprintf(names[i], sizeof(names[i]), "s%d", i);
        fake_put(stand->fake, &(struct fake_sandbox){.name = names[i], .phase = "Paused", .created_ms = i});
    }
    SCOPED_RUN struct run run = ctl(stand, "list -o name");
    for (const char *c = run.output; *c; c++)
        lines += *c == '\n';
    assert_exit(&run, 0);
    assert_int_equal(lines, 205);
}

static void exec_passes_output_and_the_commands_exit_code_on(void **state)
{
    SCOPED_RUN struct run run = ctl(*state, "exec web -- exit 7");

    assert_exit(&run, 7);
    assert_string_equal(run.output, "exit\n7\n");
    assert_string_equal(run.errors, "complaint\n");
}

static void logs_are_shown(void **state)
{
    SCOPED_RUN struct run run = ctl(*state, "logs web --tail 5");

    assert_exit(&run, 0);
    assert_string_equal(run.output, "hello from the log\n");
}

/* -- waiting: the command on its own thread, the world changed by the test ------------------------------------------ */

struct running {
    const struct stand *stand;
    const char *words;
    struct run run;
    pthread_t thread;
};

static void *run_ctl(void *arg)
{
    struct running *running = arg;

    running->run = ctl(running->stand, running->words);
    return NULL;
}

static void begin(struct running *running, struct stand *stand, const char *words)
{
    running->stand = stand;
    running->words = words;
    assert_int_equal(pthread_create(&running->thread, NULL, run_ctl, running), 0);
}

static void put_phase(struct stand *stand, const char *phase)
{
    struct fake_sandbox sandbox = web;

    sandbox.phase = phase;
    fake_put(stand->fake, &sandbox);
}

/* A failure of request number `answered`, while the sandbox is at request number `asked`. */
static void put_failure(struct stand *stand, const char *phase, const char *type, const char *message,
                        int64_t asked, int64_t answered)
{
    struct fake_sandbox sandbox = web;

    sandbox.phase = phase;
    sandbox.conditions[0] = (struct fake_condition){type, NULL, "PushFailed", message, 5000};
    sandbox.generation = asked;
    sandbox.acknowledged = answered;
    fake_put(stand->fake, &sandbox);
}

static void pause_waits_until_paused_and_names_the_image(void **state)
{
    struct stand *stand = *state;
    struct running running;
    struct fake_sandbox pushing = web, paused = web;

    put_phase(stand, "Succeed");
    begin(&running, stand, "pause --wait web");
    fake_await_call(stand->fake, "PauseSandbox web");
    put_phase(stand, "Pausing");
    pushing.phase = "Pausing";
    pushing.progress_phase = "Pushing";
    pushing.bytes_pushed = 3 << 20;
    fake_put(stand->fake, &pushing);
    paused.phase = "Paused";
    paused.image = "reg/web-sandbox:snap-gen1";
    paused.image_digest = "sha256:abc";
    fake_put(stand->fake, &paused);
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 0);
    assert_contains(running.run.output, "web paused");
    assert_contains(running.run.output, "sandbox: reg/web-sandbox:snap-gen1@sha256:abc");
    assert_contains(running.run.errors, "Paused");
    run_done(&running.run);
}

static void a_failed_pause_is_1_with_its_reason(void **state)
{
    struct stand *stand = *state;
    struct running running;

    put_phase(stand, "Succeed");
    begin(&running, stand, "pause web --wait");
    fake_await_call(stand->fake, "PauseSandbox web");
    put_phase(stand, "Pausing");
    put_failure(stand, "Succeed", "PauseFailed", "registry answered 401", 1, 1);
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 1);
    assert_contains(running.run.errors, "PushFailed: registry answered 401");
    run_done(&running.run);
}

static void an_older_failure_is_told_from_this_ones(void **state)
{
    struct stand *stand = *state;
    struct running running;

    put_failure(stand, "Succeed", "PauseFailed", "the old one", 1, 1);
    begin(&running, stand, "pause web --wait");
    fake_await_call(stand->fake, "PauseSandbox web");
    put_failure(stand, "Succeed", "PauseFailed", "the old one", 2, 1);
    fake_await_sent(stand->fake, 2); /* else the watch may skip it */
    put_failure(stand, "Succeed", "PauseFailed", "the new one", 2, 2);
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 1);
    assert_contains(running.run.errors, "the new one");
    run_done(&running.run);
}

static void resume_waits_until_running_or_fails_with_the_reason(void **state)
{
    struct stand *stand = *state;
    struct running running;

    put_phase(stand, "Paused");
    begin(&running, stand, "resume web --wait");
    fake_await_call(stand->fake, "ResumeSandbox web");
    put_phase(stand, "Resuming");
    put_phase(stand, "Succeed");
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 0);
    assert_string_equal(running.run.output, "web running\n");
    run_done(&running.run);

    fake_clear(stand->fake);
    put_phase(stand, "Paused");
    begin(&running, stand, "resume web --wait");
    fake_await_call(stand->fake, "ResumeSandbox web");
    put_failure(stand, "Failed", "ResumeFailed", "image is gone", 2, 2);
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 1);
    assert_contains(running.run.errors, "image is gone");
    run_done(&running.run);
}

static void a_restart_of_the_orchestrator_does_not_end_the_wait(void **state)
{
    struct stand *stand = *state;
    struct running running;

    put_phase(stand, "Succeed");
    begin(&running, stand, "pause web --wait");
    fake_await_call(stand->fake, "PauseSandbox web");
    fake_drop_watches(stand->fake);
    put_phase(stand, "Paused");
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 0);
    run_done(&running.run);
}

static void a_sandbox_deleted_meanwhile_ends_the_wait_with_3(void **state)
{
    struct stand *stand = *state;
    struct running running;

    put_phase(stand, "Succeed");
    begin(&running, stand, "pause web --wait");
    fake_await_call(stand->fake, "PauseSandbox web");
    fake_remove(stand->fake, "web");
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 3);
    run_done(&running.run);
}

/* -- Ctrl-C, on a terminal ------------------------------------------------------------------------------------- */

static pid_t begin_on_a_terminal(const struct stand *stand, int *ret_terminal)
{
    SCOPED(string) char *address = xasprintf("127.0.0.1:%d", stand->grpc_port);

    /* Before the fork: the child of a process with threads may only exec. */
    setenv("STASIS_ADDRESS", address, 1);
    setenv("OPEN_SANDBOX_API_KEY", STAND_KEY, 1);
    pid_t pid = forkpty(ret_terminal, NULL, NULL, NULL);
    if (pid == 0) {
        execl(stasisctl_path(), "stasisctl", "pause", "--wait", "web", (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

/* Reads until `part` was said; fails the test when the terminal closes first. */
static void hear(int terminal, struct strbuf *said, const char *part)
{
    char piece[512];

    while (!strstr(strbuf_text(said), part)) {
        ssize_t length = read(terminal, piece, sizeof(piece));
        if (length <= 0)
            fail_msg("want \"%s\" in \"%s\"", part, strbuf_text(said));
        strbuf_append(said, piece, (size_t)length);
    }
}

static void ctrl_c_leaves_and_says_that_the_pause_goes_on(void **state)
{
    struct stand *stand = *state;
    struct fake_sandbox pushing = web;
    SCOPED_STRBUF struct strbuf said = STRBUF_INIT;
    int terminal, status;

    put_phase(stand, "Succeed");
    pid_t pid = begin_on_a_terminal(stand, &terminal);
    fake_await_call(stand->fake, "PauseSandbox web");
    pushing.phase = "Pausing";
    pushing.progress_phase = "Capturing";
    pushing.bytes_read = 1 << 20;
    pushing.bytes_total = 4 << 20;
    fake_put(stand->fake, &pushing);
    hear(terminal, &said, "25%"); /* the bar redraws itself on one line */
    assert_contains(strbuf_text(&said), "\r");
    assert_int_equal(write(terminal, "\003", 1), 1);
    hear(terminal, &said, "leaving; the pause goes on");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 130);
    close(terminal);
    fake_await_watchers(stand->fake, 0);
    assert_int_equal(fake_calls(stand->fake, "ResumeSandbox web"), 0);
}

#define ID_OF_S1 "debd1027-9784-4407-ad12-d75992e39ca9"

static void put_snapshot(struct stand *stand, const char *phase)
{
    const struct fake_snapshot snapshot = {.id = ID_OF_S1,
                                           .sandbox = "web",
                                           .name = "",
                                           .phase = phase,
                                           .restore_image = "reg/snap:1@sha256:abc",
                                           .pull_secret = "",
                                           .containers = 1,
                                           .failed_reason = "PushFailed",
                                           .failed_message = "registry says 403",
                                           .transition_ms = 5000};

    fake_put_snapshot(stand->fake, &snapshot);
}

static void snapshot_create_waits_until_the_snapshot_is_ready(void **state)
{
    struct stand *stand = *state;
    struct running running;

    put_phase(stand, "Succeed");
    begin(&running, stand, "snapshot create web --request-id s-1 --wait");
    fake_await_call(stand->fake, "WatchSnapshot " ID_OF_S1);
    put_snapshot(stand, "Committing");
    put_snapshot(stand, "Succeed");
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 0);
    assert_string_equal(running.run.output, ID_OF_S1 "\n");
    assert_contains(running.run.errors, "Ready"); /* a watch may skip what came before */
    run_done(&running.run);
}

static void snapshot_create_that_fails_is_1_and_tells_why(void **state)
{
    struct stand *stand = *state;
    struct running running;

    put_phase(stand, "Succeed");
    begin(&running, stand, "snapshot create web --request-id s-1 --wait -o json");
    fake_await_call(stand->fake, "WatchSnapshot " ID_OF_S1);
    put_snapshot(stand, "Failed");
    pthread_join(running.thread, NULL);
    assert_exit(&running.run, 1);
    assert_contains(running.run.output, "\"state\": \"Failed\"");
    assert_contains(running.run.errors, "the snapshot failed: ");
    assert_contains(running.run.errors, "registry says 403");
    run_done(&running.run);
}

static void snapshot_delete_waits_until_it_is_gone(void **state)
{
    struct stand *stand = *state;

    put_snapshot(stand, "Succeed");
    SCOPED_RUN struct run run = ctl(stand, "snapshot delete --wait " ID_OF_S1);
    assert_exit(&run, 0);
    assert_string_equal(run.output, ID_OF_S1 " deleted\n");
    assert_int_equal(fake_calls(stand->fake, "WatchSnapshot " ID_OF_S1), 1);
}

#define WITH_STAND(test) cmocka_unit_test_setup(test, stand_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND(exit_codes_tell_what_went_wrong),
        WITH_STAND(an_unreachable_service_is_5_and_a_wrong_key_6),
        WITH_STAND(a_wrong_state_is_4),
        WITH_STAND(create_prints_the_id_and_sends_everything),
        WITH_STAND(every_output_shows_the_sandbox),
        WITH_STAND(a_list_goes_through_all_pages),
        WITH_STAND(exec_passes_output_and_the_commands_exit_code_on),
        WITH_STAND(logs_are_shown),
        WITH_STAND(pause_waits_until_paused_and_names_the_image),
        WITH_STAND(a_failed_pause_is_1_with_its_reason),
        WITH_STAND(an_older_failure_is_told_from_this_ones),
        WITH_STAND(resume_waits_until_running_or_fails_with_the_reason),
        WITH_STAND(a_restart_of_the_orchestrator_does_not_end_the_wait),
        WITH_STAND(a_sandbox_deleted_meanwhile_ends_the_wait_with_3),
        WITH_STAND(ctrl_c_leaves_and_says_that_the_pause_goes_on),
        WITH_STAND(snapshot_create_waits_until_the_snapshot_is_ready),
        WITH_STAND(snapshot_create_that_fails_is_1_and_tells_why),
        WITH_STAND(snapshot_delete_waits_until_it_is_gone),
    };
    return cmocka_run_group_tests(tests, stand_setup_group, stand_teardown_group);
}
