/* The law of a push: whatever goes wrong at whatever request of it, it ends soon; either with the right image in the
 * registry, or with an error that names the reason. Never with a wrong image, and no upload stays open that could be ended.
 *
 * One table per way to talk (htpasswd over plain HTTP, and over TLS with a private CA; tokens): a row for each request of a clean push, a
 * column for each fault, which happens once, at that request. Some columns run at once, each on its thread: they mostly wait. */
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "tests/integration/registry/docker_registry.h"
#include "tests/integration/registry/fault_proxy.h"
#include "tests/integration/registry/pushed_image.h"
#include "tests/integration/registry/token_server.h"

enum {
    ROWS_MAX = 40,
    ONCE_MAX_MS = 40 * 1000,   /* a fault that happens once: a wait or two, on a machine that is busy */
    ALWAYS_MAX_MS = 40 * 1000, /* one that stays: all of the retry budget, and the clean-up */
};

static struct test_key *key; /* made once: RSA keys take their time */

struct ways { /* how the registry of a test is talked to */
    const char *name;
    bool tls;
    char challenge[128];
    struct token_server *tokens; /* or NULL: htpasswd */
    const enum fault *faults;    /* the columns of its table, up to FAULT_NONE */
    struct docker_registry *server;
};

struct outcome {
    bool ran, pushed;
    struct error err; /* not pushed */
    int64_t ms;
    unsigned requests, faults;
    unsigned open_uploads;
    char request[24];         /* what the fault happened to */
    int image;                /* pushed_image_check */
    struct error image_error; /* image is -1 */
};

/* ---- one push through a proxy ---- */

static struct registry *open_at(const struct ways *ways, const char *host)
{
    struct registry *registry = NULL;
    struct error err;
    SCOPED(string)
    char *config = xasprintf("{\"auths\":{\"%s\":{\"username\":\"user\",\"password\":\"pass\"}}}", host);
    const struct registry_options options = {.host = host,
                                             .insecure = !ways->tls,
                                             .ca_file =
                                                 ways->tls ? docker_registry_ca_file(ways->server) : NULL,
                                             .dockerconfigjson = config,
                                             .dockerconfigjson_length = strlen(config)};
    if (registry_open(&options, &registry, &err) < 0)
        abort();
    return registry;
}

static struct fault_proxy *start_proxy(const struct ways *ways, enum fault fault, unsigned first,
                                       unsigned last)
{
    const struct fault_proxy_options options = {
        .upstream = docker_registry_host(ways->server),
        .certificate = ways->tls ? docker_registry_ca_file(ways->server) : NULL,
        .key = ways->tls ? docker_registry_key_file(ways->server) : NULL,
        .challenge = ways->challenge,
        .fault = fault,
        .first = first,
        .last = last};
    return fault_proxy_start(&options);
}

static void push_through(const struct ways *ways, struct fault_proxy *proxy, const struct pushed_image *image,
                         struct outcome *outcome)
{
    SCOPED(registry) struct registry *registry = open_at(ways, fault_proxy_host(proxy));
    int64_t start_ms = clock_monotonic_ms();

    outcome->pushed = pushed_image_push(image, registry, &outcome->err) == 0;
    outcome->ms = clock_monotonic_ms() - start_ms;
}

static struct outcome push_with(const struct ways *ways, enum fault fault, unsigned first, unsigned last)
{
    SCOPED_PUSHED_IMAGE struct pushed_image image;
    SCOPED(registry) struct registry *direct = open_at(ways, docker_registry_host(ways->server));
    struct fault_proxy *proxy = start_proxy(ways, fault, first, last);
    struct outcome outcome = {.ran = true};
    char repository[64];

    (void)snprintf(repository, sizeof(repository), "push/%s-%u-%u", fault_name(fault), first, last);
    pushed_image_make(&image, repository);
    push_through(ways, proxy, &image, &outcome);
    outcome.requests = fault_proxy_requests(proxy);
    outcome.faults = fault_proxy_faults(proxy);
    (void)snprintf(outcome.request, sizeof(outcome.request), "%s", fault_proxy_request(proxy, first));
    fault_proxy_stop(proxy);
    outcome.image = pushed_image_check(&image, direct, &outcome.image_error);
    outcome.open_uploads = docker_registry_open_uploads(ways->server, repository);
    return outcome;
}

/* ---- what may come out ---- */

static bool is_transient(enum fault fault)
{
    return fault != FAULT_400 && fault != FAULT_401 && fault != FAULT_404 && fault != FAULT_416;
}

/* Nobody can end an upload without the answer that says where it is. docker-registry moves it with every byte (its _state
 * names the offset): after a lost answer it knows nothing of the old place any more. */
static bool loses_an_upload(enum fault fault, const char *request)
{
    bool opens = strcmp(request, "POST uploads") == 0 || strcmp(request, "POST blob") == 0;
    bool moves = strcmp(request, "PATCH upload") == 0 || strcmp(request, "PUT upload") == 0;
    bool ends = strcmp(request, "DELETE upload") == 0;
    bool lost = fault == FAULT_CUT_AFTER || fault == FAULT_CUT_BODY || fault == FAULT_TRUNCATE_HEAD ||
                fault == FAULT_TRUNCATE;

    return ((opens || moves) && lost) || (ends && !is_transient(fault));
}

static const char *reason_of(enum fault fault)
{
    switch (fault) {
    case FAULT_CUT_BEFORE:
    case FAULT_CUT_BODY:
    case FAULT_CUT_AFTER:
    case FAULT_TRUNCATE_HEAD:
    case FAULT_TRUNCATE:
        return "RegistryUnreachable";
    case FAULT_401:
        return "RegistryUnauthorized";
    default:
        return "RegistryError";
    }
}

/* What is against the law in it, or NULL. */
static const char *violation(enum fault fault, const struct outcome *outcome)
{
    /* That is what a TLS server says to plain HTTP: nobody is found who speaks either. */
    bool no_http = fault == FAULT_400 && strcmp(outcome->request, "GET ping") == 0;
    const char *reason = no_http ? "RegistryUnreachable" : reason_of(fault);

    if (outcome->image < 0)
        return "a wrong image";
    if (outcome->pushed && outcome->image == 0)
        return "told to be pushed, and there is no image";
    if (!outcome->pushed && strcmp(outcome->err.reason, reason) != 0)
        return "failed for another reason";
    return NULL;
}

static const char *violation_once(const struct ways *ways, enum fault fault, const struct outcome *outcome)
{
    bool heals = is_transient(fault) || (fault == FAULT_401 && ways->tokens); /* tokens expire */

    if (!outcome->pushed && heals)
        return "it was only once, and the push failed";
    if (outcome->ms > ONCE_MAX_MS)
        return "it took too long";
    if (outcome->open_uploads > (loses_an_upload(fault, outcome->request) ? 1 : 0))
        return "an upload was left behind";
    return violation(fault, outcome);
}

static bool complain(const char *way, enum fault fault, unsigned row, const struct outcome *outcome,
                     const char *what)
{
    if (!what)
        return false;
    print_error(
        "%s, %s at request %u (%s): %s; %s %s %s; image %d%s, %u uploads open, %u requests, %lld ms\n", way,
        fault_name(fault), row, outcome->request, what,
        outcome->pushed ? "pushed" : error_code_name(outcome->err.code), outcome->err.reason,
        outcome->pushed ? "" : outcome->err.text, outcome->image,
        outcome->image < 0 ? outcome->image_error.text : "", outcome->open_uploads, outcome->requests,
        (long long)outcome->ms);
    return true;
}

/* ---- the table ---- */

struct column {
    const struct ways *ways;
    enum fault fault;
    unsigned rows;
    struct outcome outcomes[ROWS_MAX + 1]; /* by request, from 1 */
    pthread_t thread;
};

static void *fill_column(void *self)
{
    struct column *column = self;

    for (unsigned row = 1; row <= column->rows; row++)
        column->outcomes[row] = push_with(column->ways, column->fault, row, row);
    return NULL;
}

static void fill_table(const struct ways *ways, unsigned rows, struct column *columns)
{
    for (const enum fault *fault = ways->faults; *fault; fault++) {
        columns[*fault] = (struct column){.ways = ways, .fault = *fault, .rows = rows};
        assert_int_equal(pthread_create(&columns[*fault].thread, NULL, fill_column, &columns[*fault]), 0);
    }
    for (const enum fault *fault = ways->faults; *fault; fault++)
        assert_int_equal(pthread_join(columns[*fault].thread, NULL), 0);
}

/* "ok", "ok+3" (so many requests more than a clean push), or the reason. */
static void print_cell(const struct outcome *outcome, unsigned clean)
{
    char text[24];

    if (!outcome->faults)
        (void)snprintf(text, sizeof(text), "-");
    else if (!outcome->pushed)
        (void)snprintf(text, sizeof(text), "%s", outcome->err.reason + strlen("Registry"));
    else
        (void)snprintf(text, sizeof(text), outcome->requests == clean ? "ok" : "ok%+d",
                       (int)outcome->requests - (int)clean);
    (void)printf(" %-12s", text);
}

static void print_table(const struct ways *ways, unsigned rows, const struct column *columns)
{
    (void)printf("%s\n%-20s", ways->name, "");
    for (const enum fault *fault = ways->faults; *fault; fault++)
        (void)printf(" %-12s", fault_name(*fault));
    for (unsigned row = 1; row <= rows; row++) {
        (void)printf("\n%2u %-17s", row, columns[*ways->faults].outcomes[row].request);
        for (const enum fault *fault = ways->faults; *fault; fault++)
            print_cell(&columns[*fault].outcomes[row], rows);
    }
    (void)printf("\n");
    (void)fflush(stdout);
}

static void every_fault_at_every_request(const struct ways *ways)
{
    static struct column columns[FAULT_MAX];
    struct outcome clean = push_with(ways, FAULT_NONE, 0, 0);
    unsigned complaints = 0;

    complaints += complain(ways->name, FAULT_NONE, 0, &clean, violation_once(ways, FAULT_DELAY, &clean));
    assert_in_range(clean.requests, 10, ROWS_MAX);
    fill_table(ways, clean.requests, columns);
    print_table(ways, clean.requests, columns);
    for (const enum fault *fault = ways->faults; *fault; fault++)
        for (unsigned row = 1; row <= clean.requests; row++) {
            const struct outcome *outcome = &columns[*fault].outcomes[row];
            complaints += complain(ways->name, *fault, row, outcome, violation_once(ways, *fault, outcome));
        }
    assert_int_equal(complaints, 0);
}

/* ---- faults that stay ---- */

static void *push_into_the_lasting(void *self)
{
    struct column *column = self;

    column->outcomes[1] = push_with(column->ways, column->fault, column->rows, UINT_MAX);
    return NULL;
}

/* Faults that a push may live with: bodies go up piece by piece, and the last byte of a head says nothing. */
static bool is_bearable(enum fault fault)
{
    return fault == FAULT_DELAY || fault == FAULT_CUT_BODY || fault == FAULT_TRUNCATE;
}

static const char *violation_for_good(enum fault fault, const struct outcome *outcome)
{
    if (outcome->pushed && !is_bearable(fault))
        return "pushed all the same";
    return outcome->ms > ALWAYS_MAX_MS ? "it took too long" : violation(fault, outcome);
}

static void every_fault_for_good(const struct ways *ways, unsigned from)
{
    static struct column columns[FAULT_MAX];
    unsigned complaints = 0;

    for (int fault = 1; fault < FAULT_MAX; fault++) {
        columns[fault] = (struct column){.ways = ways, .fault = (enum fault)fault, .rows = from};
        assert_int_equal(pthread_create(&columns[fault].thread, NULL, push_into_the_lasting, &columns[fault]),
                         0);
    }
    (void)printf("%s, from request %u on\n", ways->name, from);
    for (int fault = 1; fault < FAULT_MAX; fault++) {
        const struct outcome *outcome = &columns[fault].outcomes[1];
        assert_int_equal(pthread_join(columns[fault].thread, NULL), 0);
        (void)printf("  %-12s %-22s %3u requests %6lld ms\n", fault_name((enum fault)fault),
                     outcome->pushed ? "ok" : outcome->err.reason, outcome->requests, (long long)outcome->ms);
        complaints += complain(ways->name, (enum fault)fault, from, outcome,
                               violation_for_good((enum fault)fault, outcome));
    }
    assert_int_equal(complaints, 0);
}

/* ---- the two ways ---- */

static void seed(const struct ways *ways)
{
    SCOPED(registry) struct registry *registry = open_at(ways, docker_registry_host(ways->server));
    struct error err;

    if (pushed_image_seed(registry, &err) < 0)
        fail_msg("%s", err.text);
}

static int start_plain(void **state)
{
    static const enum fault all[] = {
        FAULT_CUT_BEFORE, FAULT_CUT_BODY, FAULT_CUT_AFTER, FAULT_TRUNCATE_HEAD, FAULT_TRUNCATE, FAULT_DELAY,
        FAULT_400,        FAULT_401,      FAULT_404,       FAULT_408,           FAULT_416,      FAULT_429,
        FAULT_500,        FAULT_502,      FAULT_503,       FAULT_503_EARLY,     FAULT_NONE};
    struct ways *ways = calloc(1, sizeof(*ways));

    *ways = (struct ways){.name = "plain HTTP, htpasswd", .challenge = "Basic realm=\"test\"", .faults = all};
    ways->server = docker_registry_start(&(struct docker_registry_options){.htpasswd = true}, NULL);
    seed(ways);
    *state = ways;
    return 0;
}

/* What TLS changes: how connections end. */
static int start_tls(void **state)
{
    static const enum fault some[] = {FAULT_CUT_BEFORE, FAULT_CUT_BODY,  FAULT_CUT_AFTER, FAULT_TRUNCATE_HEAD,
                                      FAULT_TRUNCATE,   FAULT_503_EARLY, FAULT_NONE};
    struct ways *ways = calloc(1, sizeof(*ways));

    *ways = (struct ways){
        .name = "TLS, htpasswd", .tls = true, .challenge = "Basic realm=\"test\"", .faults = some};
    ways->server =
        docker_registry_start(&(struct docker_registry_options){.htpasswd = true, .tls = true}, key);
    seed(ways);
    *state = ways;
    return 0;
}

/* What tokens change: they are refused, and fetched in between. */
static int start_tokens(void **state)
{
    static const enum fault some[] = {FAULT_CUT_AFTER, FAULT_401, FAULT_503, FAULT_NONE};
    struct ways *ways = calloc(1, sizeof(*ways));

    *ways = (struct ways){.name = "plain HTTP, tokens", .tokens = token_server_start(key), .faults = some};
    (void)snprintf(ways->challenge, sizeof(ways->challenge), "Bearer realm=\"%s\",service=\"%s\"",
                   token_server_realm(ways->tokens), TOKEN_SERVICE);
    ways->server = docker_registry_start(
        &(struct docker_registry_options){.token_realm = token_server_realm(ways->tokens)}, key);
    seed(ways);
    *state = ways;
    return 0;
}

static int stop(void **state)
{
    struct ways *ways = *state;

    docker_registry_stop(ways->server);
    if (ways->tokens)
        token_server_stop(ways->tokens);
    free(ways);
    return 0;
}

static void a_fault_at_any_request_ends_in_the_right_image_or_the_right_reason(void **state)
{
    every_fault_at_every_request(*state);
}

static void a_registry_that_never_answers_well_is_given_up(void **state)
{
    every_fault_for_good(*state, 1);
}

static void a_registry_that_breaks_in_the_middle_is_given_up(void **state)
{
    every_fault_for_good(*state, 7);
}

#define TEST(name, start) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fault_at_any_request_ends_in_the_right_image_or_the_right_reason, start_plain),
        TEST(a_fault_at_any_request_ends_in_the_right_image_or_the_right_reason, start_tls),
        TEST(a_fault_at_any_request_ends_in_the_right_image_or_the_right_reason, start_tokens),
        TEST(a_registry_that_never_answers_well_is_given_up, start_plain),
        TEST(a_registry_that_breaks_in_the_middle_is_given_up, start_plain),
    };
    if (!docker_registry_installed()) {
        (void)fprintf(stderr, "docker-registry is not installed: skipped\n");
        return 77;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* connections are cut here */
    key = test_key_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_key_free(key);
    return failed;
}
