/* kill -9 at any moment: what was acknowledged is there, and what is there is whole. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "tests/unit/snapshot-svc/cluster/local/local_kit.h"
#include "tests/unit/snapshot-svc/cluster/port_kit.h"

enum { ROUNDS = 6, NAMES = 5 };

/* "name count": this value of the annotation was acknowledged. */
struct ack {
    int name, count;
};

static json_t *counted(int count)
{
    return quotedf("{'metadata': {'annotations': {'count': '%d'}}}", count);
}

/* In the child: counts up the annotations of a few objects, in turn, until it is killed. */
static void write_for_ever(struct local_kit *kit, int first_count, int ack_fd)
{
    for (int count = first_count;; count++) {
        for (int i = 0; i < NAMES; i++) {
            struct error err = {0};
            struct ack ack = {i, count};
            char name[16];
            snprintf(name, sizeof(name), "n%d", i);
            SCOPED(json) json_t *object = sandbox_named(name);
            SCOPED(json) json_t *body = counted(count);
            if (cluster_create(kit->cluster, KIND_BATCH_SANDBOX, "test", object, NULL, &err) < 0 &&
                err.code != ERR_EXISTS)
                _exit(2);
            if (cluster_patch(kit->cluster, KIND_BATCH_SANDBOX, "test", name, body, NULL, NULL, &err) < 0)
                _exit(3);
            if (write(ack_fd, &ack, sizeof(ack)) != sizeof(ack))
                _exit(4);
        }
    }
}

static pid_t start_writer(struct local_kit *kit, int first_count, int *ret_ack_fd)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct error err = {0};
        close(ends[0]);
        if (cluster_local_open(&kit->options, &kit->cluster, &err) < 0)
            _exit(1);
        write_for_ever(kit, first_count, ends[1]);
    }
    close(ends[1]);
    *ret_ack_fd = ends[0];
    return pid;
}

static void read_acks(int fd, int at_least, int acked[NAMES])
{
    struct ack ack;
    for (int i = 0; i < at_least; i++) {
        assert_int_equal(read(fd, &ack, sizeof(ack)), sizeof(ack));
        acked[ack.name] = ack.count;
    }
}

static void kill_writer(pid_t pid, int fd, int acked[NAMES])
{
    struct ack ack;
    int status;

    kill(pid, SIGKILL);
    while (read(fd, &ack, sizeof(ack)) == sizeof(ack)) /* what it still acknowledged */
        acked[ack.name] = ack.count;
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int stored_count(struct local_kit *kit, int name)
{
    struct error err = {0};
    SCOPED(json) json_t *object = NULL;
    char text[16];

    snprintf(text, sizeof(text), "n%d", name);
    if (cluster_get(kit->cluster, KIND_BATCH_SANDBOX, "test", text, &object, &err) < 0)
        return -1;
    const char *count = json_path_string(object, "metadata.annotations.count");
    return count ? atoi(count) : 0;
}

static void every_acknowledged_write_survives_a_kill(void **state)
{
    struct local_kit *kit = local_kit_new();
    int acked[NAMES] = {0};
    unsigned seed = 11;
    (void)state;

    for (int round = 0; round < ROUNDS; round++) {
        int fd, last = acked[0];
        pid_t pid = start_writer(kit, last + 1, &fd);
        read_acks(fd, 1 + rand_r(&seed) % 40, acked);
        kill_writer(pid, fd, acked);

        local_kit_open(kit);
        for (int i = 0; i < NAMES; i++) {
            int stored = stored_count(kit, i);
            assert_true(stored == acked[i] ||
                        stored == acked[i] + 1); /* written, but killed before it could tell */
        }
        local_kit_close(kit);
    }
    local_kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_acknowledged_write_survives_a_kill),
    };
    return cmocka_run_group_tests_name("cluster/local crash", tests, NULL, NULL);
}
