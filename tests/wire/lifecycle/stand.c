#include "tests/wire/lifecycle/stand.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/strbuf.h"
#include "shared/json/json.h"

enum { MAX_ARGUMENTS = 32 };

const char *lifecycle_svc_path(void)
{
    return LIFECYCLE_SVC;
}

const char *stasisctl_path(void)
{
    return STASISCTL;
}

/* -- processes ------------------------------------------------------------------------------------------------- */

static char **environment_with(const char *const *more)
{
    extern char **environ;
    size_t count = 0, extra = 0;

    while (environ[count])
        count++;
    while (more && more[extra])
        extra++;
    char **all = xcalloc(count + extra + 1, sizeof(*all));
    for (size_t i = 0; i < extra; i++)
        all[i] = (char *)more[i]; /* first: getenv finds these */
    memcpy(all + extra, environ, count * sizeof(*all));
    return all;
}

static pid_t spawn(const char *const *argv, const char *const *environment, int out_fd, int err_fd)
{
    posix_spawn_file_actions_t actions;
    char **all = environment_with(environment);
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, (char **)argv, all), 0);
    posix_spawn_file_actions_destroy(&actions);
    free(all);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void read_both(int fds[2], struct strbuf texts[2])
{
    struct pollfd polled[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
    char piece[4096];

    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        assert_true(poll(polled, 2, 30000) > 0);
        for (int i = 0; i < 2; i++) {
            if (!polled[i].revents)
                continue;
            ssize_t length = read(fds[i], piece, sizeof(piece));
            if (length > 0)
                strbuf_append(&texts[i], piece, (size_t)length);
            else
                polled[i].fd = -1;
        }
    }
}

struct run run_program(const char *const *argv, const char *const *environment)
{
    struct strbuf texts[2] = {STRBUF_INIT, STRBUF_INIT};
    int out[2], err[2];

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid_t pid = spawn(argv, environment, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    read_both((int[2]){out[0], err[0]}, texts);
    close(out[0]);
    close(err[0]);
    struct run run = {.exit_code = wait_for(pid)};
    run.output = strbuf_take(&texts[0]);
    run.errors = strbuf_take(&texts[1]);
    return run;
}

void run_done(struct run *run)
{
    free(run->output);
    free(run->errors);
}

/* -- the stand ------------------------------------------------------------------------------------------------- */

/* The port of a door's log line, or 0 for any other line. */
static int port_in(const char *line, const char *message)
{
    SCOPED(json) json_t *entry = NULL;
    struct error err;

    if (json_parse(line, strlen(line), "log", &entry, &err) < 0)
        return 0;
    const char *said = json_path_string(entry, "msg");
    return said && strcmp(said, message) == 0 ? (int)json_integer_value(json_object_get(entry, "port")) : 0;
}

static void *drain(void *arg)
{
    FILE *log = arg;
    char line[4096];
    bool show = getenv("STAND_SHOW_LOG") != NULL;

    while (fgets(line, sizeof(line), log))
        if (show || strstr(line, "ERROR: AddressSanitizer") || strstr(line, "runtime error"))
            fputs(line, stderr);
    fclose(log);
    return NULL;
}

static void await_doors(struct stand *stand)
{
    FILE *log = fdopen(stand->log_fd, "r");
    SCOPED_STRBUF struct strbuf said = STRBUF_INIT;
    char line[4096];
    pthread_t thread;

    stand->rest_port = stand->grpc_port = stand->metrics_port = 0;
    while (!stand->rest_port && fgets(line, sizeof(line), log)) {
        int rest = port_in(line, "REST door open"), grpc = port_in(line, "gRPC door open");
        stand->rest_port = rest ? rest : stand->rest_port;
        stand->grpc_port = grpc ? grpc : stand->grpc_port;
        int metrics = port_in(line, "metrics open");
        stand->metrics_port = metrics ? metrics : stand->metrics_port;
        strbuf_adds(&said, line);
    }
    if (!stand->rest_port)
        fail_msg("lifecycle-svc did not open its doors: %s", strbuf_text(&said));
    assert_int_equal(pthread_create(&thread, NULL, drain, log), 0);
    stand->drain = thread;
}

void stand_start(struct stand *stand, const char *const *flags)
{
    static const char *const environment[] = {"OPENSANDBOX_SERVER_API_KEY=" STAND_KEY, NULL};
    char folder[] = "/tmp/stasis-stand-XXXXXX";
    const char *argv[MAX_ARGUMENTS] = {LIFECYCLE_SVC, "--address=127.0.0.1:0", "--grpc-address=127.0.0.1:0"};
    size_t count = 3;
    int log[2];

    assert_non_null(mkdtemp(folder));
    stand->folder = xstrdup(folder);
    char *socket_path = xasprintf("%s/orchestrator.sock", folder);
    char *orchestrator = xasprintf("--orchestrator-address=unix:%s", socket_path);
    stand->fake = fake_orchestrator_new(socket_path);
    argv[count++] = orchestrator;
    for (size_t i = 0; flags && flags[i]; i++)
        argv[count++] = flags[i];
    assert_int_equal(pipe2(log, O_CLOEXEC), 0);
    stand->pid = spawn(argv, environment, log[1], log[1]);
    close(log[1]);
    stand->log_fd = log[0];
    free(orchestrator);
    free(socket_path);
    await_doors(stand);
}

void stand_stop(struct stand *stand)
{
    assert_int_equal(kill(stand->pid, SIGTERM), 0);
    assert_int_equal(wait_for(stand->pid), 0);
    pthread_join(stand->drain, NULL);
    fake_orchestrator_free(stand->fake);
    char *lock = xasprintf("%s/orchestrator.sock.lock", stand->folder);
    (void)unlink(lock); /* lock files are never removed by their owners */
    assert_int_equal(rmdir(stand->folder), 0);
    free(lock);
    free(stand->folder);
}

int stand_setup_group(void **state)
{
    static struct stand stand;

    stand_start(&stand, NULL);
    *state = &stand;
    return 0;
}

int stand_teardown_group(void **state)
{
    stand_stop(*state);
    return 0;
}

int stand_setup(void **state)
{
    struct stand *stand = *state;

    fake_clear(stand->fake);
    return 0;
}

/* -- HTTP ------------------------------------------------------------------------------------------------------ */

void reply_done(struct reply *reply)
{
    http_response_done(&reply->http);
    json_decref(reply->json);
}

static size_t split_headers(const char *const *headers, struct http_header *out, char **copies)
{
    size_t count = 0;

    for (; headers && headers[count]; count++) {
        copies[count] = xstrdup(headers[count]);
        char *colon = strstr(copies[count], ": ");
        assert_non_null(colon);
        *colon = '\0';
        out[count] = (struct http_header){copies[count], colon + 2};
    }
    return count;
}

struct reply ask_with(const struct stand *stand, const char *method, const char *path, const char *body,
                      const char *const *headers)
{
    struct http_client_options options = {.user_agent = "stand", .stall_timeout_ms = 60000};
    struct http_client *client = http_client_new(&options);
    struct http_header given[8];
    char *copies[8], *url = xasprintf("http://127.0.0.1:%d%s", stand->rest_port, path);
    size_t count = split_headers(headers, given, copies);
    struct http_request request = {.method = method,
                                   .url = url,
                                   .headers = given,
                                   .header_count = count,
                                   .body = body,
                                   .body_length = body ? strlen(body) : 0};
    struct reply reply = {0};
    struct error err = {0}, no_json;

    assert_ok(http_do(client, &request, &reply.http, &err), &err);
    (void)json_parse(strbuf_text(&reply.http.body), reply.http.body.length, "body", &reply.json, &no_json);
    for (size_t i = 0; i < count; i++)
        free(copies[i]);
    free(url);
    http_client_free(client);
    return reply;
}

struct reply ask(const struct stand *stand, const char *method, const char *path, const char *body)
{
    static const char *const headers[] = {"OPEN-SANDBOX-API-KEY: " STAND_KEY,
                                          "Content-Type: application/json", NULL};

    return ask_with(stand, method, path, body, headers);
}

void expect_reply(const struct reply *reply, int status, const char *code, const char *part, const char *file,
                  int line)
{
    const char *said = json_path_string(reply->json, "code"),
               *message = json_path_string(reply->json, "message");

    if (reply->http.status == status && said && strcmp(said, code) == 0 && message && strstr(message, part))
        return;
    print_error("want %d %s \"%s\", got %d %s\n", status, code, part, reply->http.status,
                strbuf_text(&reply->http.body));
    _fail(file, line);
}

const char *text_at(const struct reply *reply, const char *path)
{
    const char *text = json_path_string(reply->json, path);

    if (!text)
        fail_msg("no text at %s in %s", path, strbuf_text(&reply->http.body));
    return text;
}

int dial_and_say(const struct stand *stand, const char *request)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)stand->rest_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    return fd;
}
