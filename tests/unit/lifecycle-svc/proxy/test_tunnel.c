/* Bytes both ways between two sockets. */
#include "lifecycle-svc/proxy/tunnel.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "tests/unit/testing.h"

enum { MANY_BYTES = 8 << 20, FOR_EVER_MS = 60000 };

/* left and right talk through a tunnel between their other ends. */
struct stage {
    int left, right, stop_fd;
    struct tunnel_end a, b;
    int64_t idle_ms;
    pthread_t thread;
};

static void *run(void *arg)
{
    struct stage *stage = arg;

    tunnel_run(&stage->a, &stage->b, stage->stop_fd, stage->idle_ms);
    shutdown(stage->a.fd, SHUT_RDWR); /* as its owner closes them */
    shutdown(stage->b.fd, SHUT_RDWR);
    return NULL;
}

static void begin(struct stage *stage, const char *early, int64_t idle_ms)
{
    int a[2], b[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b), 0);
    *stage = (struct stage){.left = a[0],
                            .right = b[0],
                            .stop_fd = eventfd(0, EFD_CLOEXEC),
                            .a = {.fd = a[1], .early = early, .early_length = strlen(early)},
                            .b = {.fd = b[1], .early = ""},
                            .idle_ms = idle_ms};
    assert_int_equal(pthread_create(&stage->thread, NULL, run, stage), 0);
}

static void end(struct stage *stage)
{
    pthread_join(stage->thread, NULL);
    close(stage->left);
    close(stage->right);
    close(stage->a.fd);
    close(stage->b.fd);
    close(stage->stop_fd);
}

static void expect(int fd, const char *text)
{
    char heard[64] = "";
    size_t length = strlen(text);

    assert_int_equal(recv(fd, heard, length, MSG_WAITALL), length);
    assert_string_equal(heard, text);
}

static void expect_end(int fd)
{
    char byte;

    assert_true(recv(fd, &byte, 1, 0) <= 0);
}

static void what_was_said_early_comes_first(void **state)
{
    struct stage stage;

    (void)state;
    begin(&stage, "early ", FOR_EVER_MS);
    (void)!send(stage.left, "later", 5, 0);
    expect(stage.right, "early later");
    (void)!send(stage.right, "back", 4, 0);
    expect(stage.left, "back");
    shutdown(stage.left, SHUT_RDWR);
    end(&stage);
    assert_int_equal(stage.a.sent_bytes, 11);
    assert_int_equal(stage.b.sent_bytes, 4);
}

static void last_words_are_delivered_however_slowly_they_are_heard(void **state)
{
    char *much = xcalloc(1, MANY_BYTES), piece[4096];
    struct stage stage;
    int64_t heard = 0, sent = 0;

    (void)state;
    begin(&stage, "", FOR_EVER_MS);
    while (sent < MANY_BYTES) { /* the tunnel holds little: who speaks waits for who hears */
        ssize_t length = send(stage.left, much, 1 << 16, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += length > 0 ? length : 0;
        if (length < 0)
            heard += recv(stage.right, piece, sizeof(piece), 0);
    }
    close(stage.left);
    stage.left = dup(stage.stop_fd);
    for (ssize_t length; (length = recv(stage.right, piece, sizeof(piece), 0)) > 0;)
        heard += length;
    end(&stage);
    free(much);
    assert_int_equal(heard, sent);
    assert_int_equal(stage.a.sent_bytes, sent);
}

static void a_stop_ends_it(void **state)
{
    struct stage stage;

    (void)state;
    begin(&stage, "", FOR_EVER_MS);
    eventfd_write(stage.stop_fd, 1);
    expect_end(stage.left);
    expect_end(stage.right);
    end(&stage);
}

static void a_stop_ends_one_that_is_stuck(void **state)
{
    char *much = xcalloc(1, 1 << 16);
    struct stage stage;

    (void)state;
    begin(&stage, "", FOR_EVER_MS);
    for (int misses = 0; misses < 3;) /* until neither the tunnel nor the sockets take more */
        if (send(stage.left, much, 1 << 16, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && ++misses)
            usleep(20000);
    eventfd_write(stage.stop_fd, 1);
    end(&stage);
    free(much);
}

static void silence_ends_it_and_talk_keeps_it(void **state)
{
    struct stage stage;

    (void)state;
    begin(&stage, "", 300);
    for (int i = 0; i < 6; i++) {
        usleep(100000);
        (void)!send(stage.right, "x", 1, MSG_NOSIGNAL);
        expect(stage.left, "x");
    }
    int64_t began_ms = clock_monotonic_ms();
    expect_end(stage.left);
    assert_true(clock_monotonic_ms() - began_ms >= 200);
    end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_said_early_comes_first),
        cmocka_unit_test(last_words_are_delivered_however_slowly_they_are_heard),
        cmocka_unit_test(a_stop_ends_it),
        cmocka_unit_test(a_stop_ends_one_that_is_stuck),
        cmocka_unit_test(silence_ends_it_and_talk_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
