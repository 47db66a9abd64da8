/* test_kill_rule.c - law: what a sandbox was told is written before it was killed is in the image, and the image is what its
 * file system holds when all of its processes are dead. One sandbox with a hundred writers is paused and resumed again and
 * again; where the pause can be handed over, every second one is.
 *
 * STASIS_KILL_ROUNDS: how many pauses. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/base/strbuf.h"
#include "tests/integration/commit/place.h"
#include "tests/integration/layer/tree.h"

enum { WRITERS = 100, PATIENCE_MS = 60000 };

struct sandbox {
    struct place *place;
    char folder[64]; /* of this test, on the host: out/, want/, got/ */
    char *
        verify; /* ctr in a namespace that knows nothing of our node's images: what it has, the registry gave */
    char *image; /* the next container's */
    uint64_t *acks;
    int ready_fd;
    char lowers[4096], upper[1024]; /* the running container's layers */
    unsigned handed_over;
};

/* ---- the sandbox ---- */

static void map_acks(struct sandbox *sandbox)
{
    SCOPED(string)
    char *acks = xasprintf("%s/out/acks", sandbox->folder),
         *ready = xasprintf("%s/out/ready", sandbox->folder);
    SCOPED(fd) int fd = open(acks, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(ftruncate(fd, WRITERS * sizeof(uint64_t)), 0);
    sandbox->acks = mmap(NULL, WRITERS * sizeof(uint64_t), PROT_READ, MAP_SHARED, fd, 0);
    assert_true(sandbox->acks != MAP_FAILED);
    assert_int_equal(mkfifo(ready, 0600), 0);
    sandbox->ready_fd = open(ready, O_RDWR | O_CLOEXEC);
    assert_true(sandbox->ready_fd >= 0);
}

static void sandbox_open(struct sandbox *sandbox, struct place *place)
{
    *sandbox = (struct sandbox){.place = place, .image = xstrdup(place->image)};
    strcpy(sandbox->folder, "/tmp/stasis-kill-XXXXXX");
    assert_non_null(mkdtemp(sandbox->folder));
    sandbox->verify = xasprintf("ctr -a %s/containerd.sock -n verify", getenv("STASIS_CONTAINERD_DIR"));
    assert_int_equal(sh("cd %s && mkdir out want got", sandbox->folder), 0);
    map_acks(sandbox);
}

static void sandbox_close(struct sandbox *sandbox)
{
    (void)munmap(sandbox->acks, WRITERS * sizeof(uint64_t));
    (void)close(sandbox->ready_fd);
    free(sandbox->verify);
    free(sandbox->image);
    (void)sh("rm -rf %s", sandbox->folder);
}

/* One line of what a command prints. */
static void ask(char *answer, int size, const char *command)
{
    FILE *out = popen(command, "r");

    assert_non_null(out);
    assert_non_null(fgets(answer, size, out));
    (void)pclose(out);
    answer[strcspn(answer, "\n")] = '\0';
}

static void look_up_layers(struct sandbox *sandbox)
{
    const struct place *place = sandbox->place;
    static const struct {
        const char *option;
        size_t at, size;
    } wanted[] = {
        {"lowerdir", offsetof(struct sandbox, lowers), sizeof(sandbox->lowers)},
        {"upperdir", offsetof(struct sandbox, upper), sizeof(sandbox->upper)},
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        SCOPED(string)
        char *command = xasprintf("%s snapshots mounts /m %s | tr ', ' '\\n\\n' | sed -n 's/^%s=//p'",
                                  place->ctr, place->uid, wanted[i].option);
        ask((char *)sandbox + wanted[i].at, (int)wanted[i].size, command);
    }
}

static void wait_until_all_write(struct sandbox *sandbox)
{
    struct pollfd ready = {.fd = sandbox->ready_fd, .events = POLLIN};
    char what = 0;

    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(read(sandbox->ready_fd, &what, 1), 1);
    if (what != 'r')
        fail_msg("a writer does not find what was acknowledged to it before the pause");
}

static void resume(struct sandbox *sandbox)
{
    struct place *place = sandbox->place;

    uuid_v4(place->uid);
    assert_int_equal(
        sh("%s run -d --cpus 0.8 --label io.cri-containerd.kind=container --label io.kubernetes.pod.uid=%s "
           "--label io.kubernetes.pod.name=pod --label io.kubernetes.pod.namespace=default "
           "--label io.kubernetes.container.name=main --mount type=bind,src=%s/out,dst=/out,options=rbind:rw "
           "--mount type=bind,src=" WRITERS_PROGRAM
           ",dst=/writers,options=bind:ro %s %s /writers /data /out %d",
           place->ctr, place->uid, sandbox->folder, sandbox->image, place->uid, WRITERS),
        0);
    look_up_layers(sandbox);
    wait_until_all_write(sandbox);
}

/* The end of a container's first process, which comes after that of all others in its pid namespace. */
static int watch_first_process(const struct place *place)
{
    struct task task;
    struct error err;

    assert_ok(task_get(place->containerd, place->uid, &task, &err), &err);
    int fd = (int)syscall(SYS_pidfd_open, task.pid, 0);
    assert_true(fd >= 0);
    return fd;
}

/* Whoever thaws them now finds nobody alive. */
static void let_die(const struct place *place, int first_process)
{
    struct pollfd dead = {.fd = first_process, .events = POLLIN};

    (void)sh("%s tasks resume %s 2>/dev/null", place->ctr,
             place->uid); /* fails where the frozen die at once */
    assert_int_equal(poll(&dead, 1, PATIENCE_MS), 1);
}

/* Answers the commit's key, which the caller frees. */
static char *paused(struct sandbox *sandbox, bool early)
{
    struct place *place = sandbox->place;
    SCOPED(commit_request) struct commit_request *wanted = request(place, "kill", true);
    wanted->compression = LAYER_NONE;
    wanted->early_release = early;
    SCOPED(fd) int first_process = watch_first_process(place);
    SCOPED(commit) struct commit *commit = start(place, wanted);
    struct commit_report report = {0};

    while (!report.finished && !report.releasable)
        report = commit_wait(commit, &report, PATIENCE_MS);
    if (!report.failed)
        release(place, wanted->key);
    let_die(place, first_process);
    assert_success(commit);
    sandbox->handed_over += outcome(commit).handed_over;
    replace(&sandbox->image, xstrdup(wanted->containers[0].image));
    return xstrdup(wanted->key);
}

/* ---- what is compared ---- */

/* Nobody writes any more, so this mount changes nothing. */
static void mount_what_the_dead_left(const struct sandbox *sandbox, const char *at)
{
    SCOPED(string) char *options = xasprintf("lowerdir=%s:%s", sandbox->upper, sandbox->lowers);
    if (mount("overlay", at, "overlay", MS_RDONLY, options) < 0)
        fail_msg("mounting %s: %s", options, strerror(errno));
}

static bool has_acked(const struct sandbox *sandbox, const char *root, unsigned writer)
{
    char path[256];
    uint64_t acked = sandbox->acks[writer], found = 0;
    struct stat st;

    if (writer % 3 == 1)
        (void)snprintf(path, sizeof(path), "%s/data/create-%u-%ju", root, writer, (uintmax_t)acked);
    else
        (void)snprintf(path, sizeof(path), "%s/data/%s-%u", root, writer % 3 ? "mmap" : "append", writer);
    SCOPED(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || writer % 3 == 1)
        return fd >= 0;
    assert_int_equal(fstat(fd, &st), 0);
    off_t at = writer % 3 ? 0 : st.st_size - (off_t)sizeof(found);
    return pread(fd, &found, sizeof(found), at) == sizeof(found) && found >= acked;
}

static unsigned count_lost(const struct sandbox *sandbox, const char *root)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < WRITERS; i++)
        lost += !has_acked(sandbox, root, i);
    return lost;
}

/* The image from the registry against the dead sandbox's file system; answers whether they are equal. */
static bool compare(const struct sandbox *sandbox, unsigned round)
{
    SCOPED_STRBUF struct strbuf want = STRBUF_INIT, got = STRBUF_INIT;
    SCOPED(string)
    char *want_at = xasprintf("%s/want", sandbox->folder), *got_at = xasprintf("%s/got", sandbox->folder);
    char what[64];

    mount_what_the_dead_left(sandbox, want_at);
    assert_int_equal(sh("%s images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null && "
                        "%s images mount %s %s >/dev/null",
                        sandbox->verify, sandbox->image, sandbox->verify, sandbox->image, got_at),
                     0);
    tree_describe(want_at, false, &want);
    tree_describe(got_at, false, &got);
    (void)snprintf(what, sizeof(what), "pause %u", round);
    bool equal = trees_equal(what, &want, &got);
    unsigned lost = count_lost(sandbox, got_at);
    if (lost)
        print_error("%s: %u writers were told that something is written, and it is not in the image\n", what,
                    lost);
    assert_int_equal(umount(want_at), 0);
    assert_int_equal(sh("%s images unmount --rm %s >/dev/null && %s images rm %s >/dev/null", sandbox->verify,
                        got_at, sandbox->verify, sandbox->image),
                     0);
    return equal && lost == 0;
}

/* ---- a pause after the other ---- */

static bool pause_once(struct sandbox *sandbox, unsigned round)
{
    struct place *place = sandbox->place;
    struct error err;

    resume(sandbox);
    SCOPED(string) char *key = paused(sandbox, round % 2 == 1);
    bool equal = compare(sandbox, round);
    (void)sh("%s tasks rm -f %s >/dev/null 2>&1; %s containers rm %s >/dev/null 2>&1", place->ctr, place->uid,
             place->ctr, place->uid);
    assert_int_equal(sh("%s images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null",
                        place->ctr, sandbox->image),
                     0);
    assert_ok(commits_discard(place->commits, key, &err), &err);
    return equal;
}

static unsigned rounds_wanted(void)
{
    const char *text = getenv("STASIS_KILL_ROUNDS");
    return text && *text ? (unsigned)strtoul(text, NULL, 10) : 50;
}

static void nothing_acknowledged_is_lost_and_nothing_is_written_after_the_capture(void **state)
{
    struct sandbox sandbox;
    unsigned rounds = rounds_wanted(), differing = 0;

    sandbox_open(&sandbox, *state);
    sandbox.place->options.env.hands_over = true;
    sandbox.place->options.env.warm_retention_ms = 600000; /* what was handed over stays to be compared */
    open_commits(sandbox.place);
    for (unsigned round = 0; round < rounds; round++)
        differing += !pause_once(&sandbox, round);
    print_message("%u pauses, %u of them handed over\n", rounds, sandbox.handed_over);
    commits_close(sandbox.place->commits, 0);
    commits_free(TAKE(sandbox.place->commits));
    sandbox_close(&sandbox);
    assert_int_equal(differing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_and_nothing_is_written_after_the_capture),
    };
    return cmocka_run_group_tests(tests, open_place, close_place);
}
