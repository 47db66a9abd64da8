#include "tests/integration/layer/containerd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/base/strbuf.h"
#include "tests/integration/layer/tree.h"
#include "tests/unit/testing.h"

#define IMAGE "stasis.test/image:latest"

static void write_text(const char *folder, const char *name, const void *bytes, size_t length)
{
    SCOPED(string) char *path = xasprintf("%s/%s", folder, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void run(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* ---- the daemon ---- */

static void write_config(const struct test_containerd *containerd)
{
    SCOPED(string)
    char *config = xasprintf("version = 2\n"
                             "root = \"%s/root\"\n"
                             "state = \"%s/state\"\n"
                             "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"
                             "[grpc]\naddress = \"%s/sock\"\n"
                             "[ttrpc]\naddress = \"%s/sock.ttrpc\"\n"
                             "[plugins.\"io.containerd.internal.v1.opt\"]\npath = \"%s/opt\"\n",
                             containerd->folder, containerd->folder, containerd->folder, containerd->folder,
                             containerd->folder);
    write_text(containerd->folder, "config.toml", config, strlen(config));
}

static int notify_socket(const char *path)
{
    const struct timeval patience = {.tv_sec = 60};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    return fd;
}

static void exec_containerd(const char *folder, const char *notify_path)
{
    SCOPED(string) char *config = xasprintf("%s/config.toml", folder), *log = xasprintf("%s/log", folder);
    int fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* not to be left behind by a test that crashed */
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    (void)setenv("NOTIFY_SOCKET", notify_path, 1);
    (void)execlp("containerd", "containerd", "--config", config, (char *)NULL);
    _exit(127);
}

void test_containerd_start(struct test_containerd *containerd)
{
    char message[256] = "";

    if (system("command -v containerd >/dev/null && command -v ctr >/dev/null") != 0) {
        (void)printf("skipped: needs containerd and ctr\n");
        exit(77);
    }
    strcpy(containerd->folder, "/tmp/stasis-containerd-XXXXXX");
    assert_non_null(mkdtemp(containerd->folder));
    write_config(containerd);
    SCOPED(string) char *notify_path = xasprintf("%s/notify", containerd->folder);
    int fd = notify_socket(notify_path);
    containerd->pid = fork();
    assert_true(containerd->pid >= 0);
    if (containerd->pid == 0)
        exec_containerd(containerd->folder, notify_path);
    assert_true(recv(fd, message, sizeof(message) - 1, 0) > 0);
    assert_string_equal(message, "READY=1");
    (void)close(fd);
}

void test_containerd_stop(struct test_containerd *containerd)
{
    int status;

    assert_int_equal(kill(containerd->pid, SIGTERM), 0);
    assert_int_equal(waitpid(containerd->pid, &status, 0), containerd->pid);
    tree_remove(containerd->folder);
}

/* ---- an image as an OCI layout ---- */

static struct digest put_blob(const char *layout, const void *bytes, size_t length)
{
    struct digest digest = digest_of(bytes, length);
    SCOPED(string) char *name = xasprintf("blobs/sha256/%s", digest.text + strlen("sha256:"));

    write_text(layout, name, bytes, length);
    return digest;
}

static void put_image(const char *layout, const struct image_layer *layers, size_t count)
{
    SCOPED_STRBUF struct strbuf config = STRBUF_INIT, manifest = STRBUF_INIT, index = STRBUF_INIT;
    static const char oci_layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

    (void)strbuf_adds(
        &config, "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\","
                 "\"diff_ids\":[");
    for (size_t i = 0; i < count; i++)
        (void)strbuf_addf(&config, "%s\"%s\"", i ? "," : "", layers[i].diff_id.text);
    (void)strbuf_adds(&config, "]}}");
    struct digest digest = put_blob(layout, config.bytes, config.length);
    (void)strbuf_addf(
        &manifest,
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
        "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\","
        "\"size\":%zu},\"layers\":[",
        digest.text, config.length);
    for (size_t i = 0; i < count; i++) {
        digest = put_blob(layout, layers[i].bytes, layers[i].length);
        (void)strbuf_addf(&manifest, "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", i ? "," : "",
                          layer_media_type(layers[i].compression), digest.text, layers[i].length);
    }
    (void)strbuf_adds(&manifest, "]}");
    digest = put_blob(layout, manifest.bytes, manifest.length);
    (void)strbuf_addf(
        &index,
        "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
        "\"digest\":\"%s\",\"size\":%zu,\"annotations\":{\"io.containerd.image.name\":\"" IMAGE "\"}}]}",
        digest.text, manifest.length);
    write_text(layout, "index.json", index.bytes, index.length);
    write_text(layout, "oci-layout", oci_layout, sizeof(oci_layout) - 1);
}

void test_containerd_mount(struct test_containerd *containerd, const struct image_layer *layers, size_t count,
                           const char *folder)
{
    SCOPED(string)
    char *layout = xasprintf("%s/layout", containerd->folder),
         *make = xasprintf("mkdir -p %s/blobs/sha256", layout),
         *import = xasprintf("cd %s && tar -cf ../image.tar . && "
                             "ctr -a %s/sock images import --all-platforms ../image.tar >/dev/null && "
                             "mkdir %s && ctr -a %s/sock images mount " IMAGE " %s >/dev/null",
                             layout, containerd->folder, folder, containerd->folder, folder);

    run(make);
    put_image(layout, layers, count);
    run(import);
    tree_remove(layout);
}

void test_containerd_unmount(struct test_containerd *containerd, const char *folder)
{
    SCOPED(string)
    char *command = xasprintf("ctr -a %s/sock images unmount --rm %s >/dev/null && "
                              "ctr -a %s/sock images rm --sync " IMAGE " >/dev/null",
                              containerd->folder, folder, containerd->folder);
    run(command);
}
