#include "tests/integration/commit/sandbox.h"

#include <ctype.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "committer-agent/containerd/freeze.h"
#include "committer-agent/containerd/snapshots.h"
#include "committer-agent/containerd/tasks.h"
#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "tests/integration/commit/sh.h"
#include "tests/integration/layer/tree.h"
#include "tests/unit/testing.h"

enum { WRITES_MS = 60000, WRITTEN_MAX = 16 << 20 };

/* A file of every kind, and more than a few milliseconds of upload; then a writer that never rests. */
static const char *const script =
    "mkdir -p /data/deep; head -c 300000 /dev/urandom >/data/random; ln /data/random /data/deep/hard; "
    "ln -s random /data/link; mkfifo /data/pipe; chmod 4711 /data/random; : >/data/empty; rm -f /bin/vi; "
    "i=0; while :; do i=$((i+1)); echo $i >>/written; usleep 500; done";

int node_open(struct node *node)
{
    const char *dir = getenv("STASIS_CONTAINERD_DIR");

    *node = (struct node){.image = getenv("STASIS_TEST_IMAGE"), .registry = getenv("STASIS_TEST_REGISTRY")};
    if (!dir || !node->image || !node->registry)
        return -1;
    node->dir = xstrdup(dir);
    node->socket = xasprintf("%s/containerd.sock", dir);
    node->ctr = xasprintf("ctr -a %s", node->socket);
    node->containerd = containerd_new(node->socket, NULL);
    return 0;
}

void node_close(struct node *node)
{
    containerd_free(node->containerd);
    free(node->ctr);
    free(node->socket);
    free(node->dir);
}

static const char *option(const struct snapshot_mount *mount, const char *name)
{
    for (size_t i = 0; i < mount->option_count; i++)
        if (strncmp(mount->options[i], name, strlen(name)) == 0)
            return mount->options[i] + strlen(name);
    fail_msg("the container's mount has no %s", name);
    return NULL;
}

static char *layers_of(const struct node *node, const char *id)
{
    SCOPED_SNAPSHOT_MOUNTS struct snapshot_mounts mounts = {0};
    struct error err;

    assert_ok(snapshot_mounts(node->containerd, "overlayfs", id, &mounts, &err), &err);
    return xasprintf("%s:%s", option(&mounts.items[0], "upperdir="), option(&mounts.items[0], "lowerdir="));
}

static void start_member(struct sandbox *sandbox, struct member *member, const char *name)
{
    const struct node *node = sandbox->node;

    member->name = name;
    member->id = xasprintf("%s-%s", sandbox->uid, name);
    if (sh("%s -n k8s.io run -d --label io.cri-containerd.kind=container --label io.kubernetes.pod.uid=%s "
           "--label io.kubernetes.pod.name=pod-%s --label io.kubernetes.pod.namespace=default "
           "--label io.kubernetes.container.name=%s %s %s /bin/sh -c '%s' >/dev/null",
           node->ctr, sandbox->uid, sandbox->uid, name, node->image, member->id, script) != 0)
        fail_msg("container %s does not start", name);
    member->layers = layers_of(node, member->id);
}

char *sandbox_repository(const struct sandbox *sandbox, const struct member *member)
{
    return xasprintf("snapshots/%s-%s", sandbox->uid, member->name);
}

/* As it is in a registry that has seen an earlier pause: the base is there. */
static void push_base(const struct sandbox *sandbox, const struct member *member)
{
    const struct node *node = sandbox->node;
    SCOPED(string) char *repository = sandbox_repository(sandbox, member);

    if (sh("%s -n k8s.io images push --plain-http -u tester:secret-of-the-tester %s/%s:base %s >/dev/null",
           node->ctr, node->registry, repository, node->image) != 0)
        fail_msg("the base of %s cannot be pushed", member->name);
}

static off_t written(const struct member *member)
{
    SCOPED(string)
    char *path = xasprintf("%.*s/written", (int)strcspn(member->layers, ":"), member->layers);
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

static bool writes(const struct member *member)
{
    off_t before = written(member);
    int64_t until_ms = clock_monotonic_ms() + WRITES_MS;

    while (written(member) == before && clock_monotonic_ms() < until_ms)
        (void)poll(NULL, 0, 1);
    return written(member) > before;
}

void sandbox_start(const struct node *node, struct sandbox *sandbox)
{
    static const char *const names[SANDBOX_MEMBERS] = {"main", "helper", "bystander"};

    *sandbox = (struct sandbox){.node = node};
    uuid_v4(sandbox->uid);
    for (size_t i = 0; i < SANDBOX_MEMBERS; i++)
        start_member(sandbox, &sandbox->members[i], names[i]);
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++)
        push_base(sandbox, &sandbox->members[i]);
    assert_true(sandbox_runs(sandbox));
}

void sandbox_delete(struct sandbox *sandbox)
{
    const char *ctr = sandbox->node->ctr;

    if (sandbox->deleted)
        return;
    sandbox->deleted = true;
    for (size_t i = 0; i < SANDBOX_MEMBERS; i++) {
        const char *id = sandbox->members[i].id;
        if (id)
            (void)sh("%s -n k8s.io tasks kill -s 9 %s; %s -n k8s.io tasks resume %s; "
                     "%s -n k8s.io tasks delete -f %s; %s -n k8s.io containers rm %s",
                     ctr, id, ctr, id, ctr, id, ctr, id);
    }
}

void sandbox_done(struct sandbox *sandbox)
{
    sandbox_delete(sandbox);
    for (size_t i = 0; i < SANDBOX_MEMBERS; i++) {
        free(sandbox->members[i].id);
        free(sandbox->members[i].layers);
        strbuf_done(&sandbox->members[i].tree);
    }
}

/* ---- files ---- */

static void describe(const char *folder, struct strbuf *ret_tree)
{
    strbuf_done(ret_tree);
    *ret_tree = (struct strbuf)STRBUF_INIT;
    tree_describe(folder, false, ret_tree);
}

void sandbox_note_files(struct sandbox *sandbox)
{
    SCOPED(string) char *folder = xasprintf("%s/view", sandbox->node->dir);
    struct error err;

    assert_ok(dir_ensure(folder, 0700, &err), &err);
    for (size_t i = 0; i < SANDBOX_COMMITTED; i++) {
        struct member *member = &sandbox->members[i];
        SCOPED(string) char *options = xasprintf("lowerdir=%s", member->layers);
        assert_int_equal(mount("overlay", folder, "overlay", MS_RDONLY, options), 0);
        describe(folder, &member->tree);
        assert_int_equal(umount(folder), 0);
    }
}

bool sandbox_runs(const struct sandbox *sandbox)
{
    for (size_t i = 0; i < SANDBOX_MEMBERS; i++) {
        struct task task;
        struct error err;
        if (task_get(sandbox->node->containerd, sandbox->members[i].id, &task, &err) < 0 ||
            task.state != TASK_RUNNING || !writes(&sandbox->members[i]))
            return false;
    }
    return true;
}

unsigned sandbox_frozen(const struct sandbox *sandbox)
{
    unsigned frozen = 0;

    for (size_t i = 0; i < SANDBOX_MEMBERS; i++) {
        struct error err;
        int is = container_is_frozen(sandbox->node->containerd, sandbox->members[i].id, &err);
        assert_ok(is, &err);
        frozen += is > 0;
    }
    return frozen;
}

/* ---- images ---- */

/* Mounts an image of a namespace of containerd, describes it, and copies out what the writer wrote. */
static void look_into(const struct node *node, const char *namespace, const char *image,
                      struct strbuf *ret_tree, struct strbuf *ret_written)
{
    SCOPED(string) char *folder = xasprintf("%s/image", node->dir);
    SCOPED(string) char *path = xasprintf("%s/written", folder);
    struct error err;

    assert_ok(dir_ensure(folder, 0700, &err), &err);
    if (sh("%s -n %s images mount %s %s >/dev/null", node->ctr, namespace, image, folder) != 0)
        fail_msg("%s cannot be unpacked", image);
    describe(folder, ret_tree);
    assert_ok(file_read(path, WRITTEN_MAX, ret_written, &err), &err);
    assert_int_equal(sh("%s -n %s images unmount --rm %s >/dev/null", node->ctr, namespace, folder), 0);
}

static void look_into_pulled(const struct sandbox *sandbox, const struct member *member, const char *tag,
                             struct strbuf *ret_tree, struct strbuf *ret_written)
{
    const struct node *node = sandbox->node;
    SCOPED(string) char *repository = sandbox_repository(sandbox, member);
    SCOPED(string) char *image = xasprintf("%s/%s:%s", node->registry, repository, tag);

    if (sh("%s -n witness images pull --plain-http -u tester:secret-of-the-tester %s >/dev/null", node->ctr,
           image) != 0)
        fail_msg("%s cannot be pulled", image);
    look_into(node, "witness", image, ret_tree, ret_written);
    assert_int_equal(sh("%s -n witness images rm --sync %s >/dev/null", node->ctr, image), 0);
}

void sandbox_assert_image(const struct sandbox *sandbox, const struct member *member, const char *tag)
{
    SCOPED_STRBUF struct strbuf tree = STRBUF_INIT, wrote = STRBUF_INIT;

    look_into_pulled(sandbox, member, tag, &tree, &wrote);
    assert_true(trees_equal(member->name, &member->tree, &tree));
}

void sandbox_assert_local_image(const struct sandbox *sandbox, const struct member *member, const char *image)
{
    SCOPED_STRBUF struct strbuf tree = STRBUF_INIT, wrote = STRBUF_INIT;

    look_into(sandbox->node, "k8s.io", image, &tree, &wrote);
    assert_true(trees_equal(member->name, &member->tree, &tree));
}

/* Takes the line of the writer's file out. */
static void leave_out_written(struct strbuf *tree)
{
    char *line = strstr(tree->bytes, "\nwritten ");
    char *end = line ? strchr(line + 1, '\n') : NULL;

    assert_non_null(end);
    memmove(line, end, strlen(end) + 1);
    tree->length -= (size_t)(end - line);
}

void sandbox_assert_live_image(const struct sandbox *sandbox, const struct member *member, const char *tag)
{
    SCOPED_STRBUF struct strbuf tree = STRBUF_INIT, wrote = STRBUF_INIT, now = STRBUF_INIT,
                                want = STRBUF_INIT;
    SCOPED(string)
    char *path = xasprintf("%.*s/written", (int)strcspn(member->layers, ":"), member->layers);
    struct error err;

    look_into_pulled(sandbox, member, tag, &tree, &wrote);
    assert_ok(file_read(path, WRITTEN_MAX, &now, &err), &err);
    assert_true(wrote.length > 0 && wrote.length <= now.length);
    assert_memory_equal(strbuf_text(&now), strbuf_text(&wrote), wrote.length);
    (void)strbuf_adds(&want, strbuf_text(&member->tree));
    leave_out_written(&want);
    leave_out_written(&tree);
    assert_true(trees_equal(member->name, &want, &tree));
}
