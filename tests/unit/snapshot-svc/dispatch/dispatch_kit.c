#include "tests/unit/snapshot-svc/dispatch/dispatch_kit.h"

#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"

/* ---- what the dispatcher asks and tells ---- */

static void note_change(void *self, const char *ns, const char *snapshot, int64_t delay_ms)
{
    struct fixture *fixture = self;

    assert_string_equal(ns, "default");
    pthread_mutex_lock(&fixture->lock);
    if (fixture->told_count < TOLD_MAX) {
        struct told *told = &fixture->told[fixture->told_count++];
        snprintf(told->snapshot, sizeof(told->snapshot), "%s", snapshot);
        told->delay_ms = delay_ms;
    }
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

static int give_credentials(void *self, const char *ns, struct strbuf *docker_config, struct error *err)
{
    struct fixture *fixture = self;

    assert_string_equal(ns, "default");
    pthread_mutex_lock(&fixture->lock);
    bool fails = fixture->secret_failures > 0;
    fixture->secret_failures -= fails;
    pthread_mutex_unlock(&fixture->lock);
    if (fails)
        return error_set(err, ERR_NOT_FOUND, "the Secret is not there");
    strbuf_adds(docker_config, DOCKERCONFIG);
    return 0;
}

/* ---- setting up ---- */

void begin_dispatcher(struct fixture *fixture)
{
    fixture->dispatcher = dispatcher_new(&fixture->options);
}

int kit_set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));

    strcpy(fixture->folder, "/tmp/stasis-dispatch-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->socket, sizeof(fixture->socket), "%s/agent.sock", fixture->folder);
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    fixture->agent = fake_committer_new(fixture->socket);
    fixture->agents = agents_new(NULL);
    SCOPED(string) char *address = xasprintf("unix:%s", fixture->socket);
    agents_put(fixture->agents, NODE, address);
    fixture->options = (struct dispatcher_options){.agents = fixture->agents,
                                                   .registry_insecure = true,
                                                   .retry_first_ms = 5,
                                                   .retry_max_ms = 50,
                                                   .credentials = give_credentials,
                                                   .changed = note_change,
                                                   .self = fixture};
    begin_dispatcher(fixture);
    *state = fixture;
    return 0;
}

int kit_set_up_with_agent(void **state)
{
    kit_set_up(state);
    fake_committer_start(((struct fixture *)*state)->agent);
    return 0;
}

void end_dispatcher(struct fixture *fixture)
{
    if (!fixture->dispatcher)
        return;
    dispatcher_stop(fixture->dispatcher);
    dispatcher_free(fixture->dispatcher);
    fixture->dispatcher = NULL;
}

int kit_tear_down(void **state)
{
    struct fixture *fixture = *state;
    SCOPED(string) char *lock_file = xasprintf("%s.lock", fixture->socket);

    end_dispatcher(fixture);
    agents_free(fixture->agents);
    fake_committer_free(fixture->agent);
    (void)unlink(fixture->socket);
    (void)unlink(lock_file);
    (void)rmdir(fixture->folder);
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->lock);
    free(fixture);
    return 0;
}

/* ---- saying what the tests mean ---- */

static void ask(struct fixture *fixture, const char *key, const char *pod_uid, int64_t timeout_ms,
                bool early_release, bool attach)
{
    struct commit_target target = {.container = (char *)"main",
                                   .image = (char *)"registry:5000/demo-main:snap-gen1"};
    const struct action commit = {.type = ACTION_COMMIT,
                                  .ns = (char *)"default",
                                  .name = (char *)"demo-pause",
                                  .node = (char *)NODE,
                                  .commit_key = (char *)key,
                                  .pod_ns = (char *)"default",
                                  .pod_name = (char *)"demo-0",
                                  .pod_uid = (char *)pod_uid,
                                  .targets = &target,
                                  .target_count = 1,
                                  .hold = true,
                                  .early_release = early_release,
                                  .attach = attach,
                                  .upload_timeout_ms = SOON_MS,
                                  .timeout_ms = timeout_ms,
                                  .deadline_ms = clock_realtime_ms() + timeout_ms};

    dispatcher_commit(fixture->dispatcher, &commit);
}

void follow_on_pod(struct fixture *fixture, const char *key, const char *pod_uid, int64_t timeout_ms)
{
    ask(fixture, key, pod_uid, timeout_ms, false, false);
}

void follow_pause(struct fixture *fixture, const char *key, int64_t timeout_ms, bool attach)
{
    ask(fixture, key, POD_UID, timeout_ms, true, attach);
}

void follow(struct fixture *fixture, const char *key, int64_t timeout_ms)
{
    follow_on_pod(fixture, key, "pod-uid", timeout_ms);
}

enum commit_state state_of(struct fixture *fixture, const char *key)
{
    SCOPED_COMMIT_VIEW struct commit_view view = {0};

    dispatcher_view(fixture->dispatcher, key, &view);
    return view.state;
}

static bool has_ended(const struct commit_view *view)
{
    return view->state == COMMIT_SUCCEEDED || view->state == COMMIT_FAILED;
}

void await_outcome(struct fixture *fixture, const char *key, struct commit_view *ret_view)
{
    await_view(fixture, key, has_ended);
    dispatcher_view(fixture->dispatcher, key, ret_view);
}

static bool view_looks(struct fixture *fixture, const char *key,
                       bool (*looks)(const struct commit_view *view))
{
    SCOPED_COMMIT_VIEW struct commit_view view = {0};

    dispatcher_view(fixture->dispatcher, key, &view);
    return looks(&view);
}

/* Each change is told, so waiting for the next telling suffices. */
void await_view(struct fixture *fixture, const char *key, bool (*looks)(const struct commit_view *view))
{
    pthread_mutex_lock(&fixture->lock);
    for (;;) {
        pthread_mutex_unlock(&fixture->lock);
        const bool is_so = view_looks(fixture, key, looks);
        pthread_mutex_lock(&fixture->lock);
        if (is_so)
            break;
        struct timespec until = {.tv_sec = clock_realtime_ms() / 1000 + 1};
        (void)pthread_cond_timedwait(&fixture->changed, &fixture->lock, &until);
    }
    pthread_mutex_unlock(&fixture->lock);
}

void await_telling(struct fixture *fixture, unsigned count)
{
    pthread_mutex_lock(&fixture->lock);
    while (fixture->told_count < count)
        pthread_cond_wait(&fixture->changed, &fixture->lock);
    pthread_mutex_unlock(&fixture->lock);
}

void assert_fails_with(struct fixture *fixture, const char *key, const char *reason)
{
    SCOPED_COMMIT_VIEW struct commit_view view = {0};

    await_outcome(fixture, key, &view);
    assert_int_equal(view.state, COMMIT_FAILED);
    assert_string_equal(view.reason, reason);
}

void assert_succeeds(struct fixture *fixture, const char *key)
{
    SCOPED_COMMIT_VIEW struct commit_view view = {0};

    await_outcome(fixture, key, &view);
    if (view.state == COMMIT_FAILED)
        print_error("%s: %s\n", view.reason, view.message);
    assert_int_equal(view.state, COMMIT_SUCCEEDED);
}

void slow_down_retries(struct fixture *fixture)
{
    end_dispatcher(fixture);
    fixture->options.retry_first_ms = 10 * 60 * 1000;
    fixture->options.retry_max_ms = 10 * 60 * 1000;
    fixture->options.line_retry_ms = 30 * 1000; /* a test that needed it for every slot would never end */
    begin_dispatcher(fixture);
}
