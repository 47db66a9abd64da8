#include "tests/integration/registry/docker_registry.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/base/file.h"
#include "tests/integration/registry/test_key.h"
#include "tests/integration/registry/token_server.h"

/* bcrypt of "pass" */
#define HTPASSWD_HASH "$2y$05$qEPeVHth/gAdZoAYHUDmGejF58k6f/mVyo1RboF2bUyrpXlp1vpbS"

enum { START_TIMEOUT_MS = 20 * 1000 };

struct docker_registry {
    pid_t pid;
    char folder[64], host[32], ca_file[128], key_file[128];
};

bool docker_registry_installed(void)
{
    return access("/usr/bin/docker-registry", X_OK) == 0;
}

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void write_file(const struct docker_registry *registry, const char *name, const char *text)
{
    struct error err = {0};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", registry->folder, name);
    if (file_write_atomic(path, text, strlen(text), 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static void write_config(const struct docker_registry *registry,
                         const struct docker_registry_options *options)
{
    SCOPED_STRBUF struct strbuf config = STRBUF_INIT;

    (void)strbuf_addf(&config,
                      "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\n"
                      "storage:\n  filesystem:\n    rootdirectory: %s/data\nhttp:\n  addr: %s\n",
                      registry->folder, registry->host);
    if (options->tls)
        (void)strbuf_addf(&config, "  tls:\n    certificate: %s/cert.pem\n    key: %s/key.pem\n",
                          registry->folder, registry->folder);
    if (options->htpasswd)
        (void)strbuf_addf(&config, "auth:\n  htpasswd:\n    realm: test\n    path: %s/htpasswd\n",
                          registry->folder);
    if (options->token_realm)
        (void)strbuf_addf(&config,
                          "auth:\n  token:\n    realm: %s\n    service: " TOKEN_SERVICE
                          "\n    issuer: " TOKEN_ISSUER "\n    rootcertbundle: %s/cert.pem\n",
                          options->token_realm, registry->folder);
    write_file(registry, "config.yml", strbuf_text(&config));
    write_file(registry, "htpasswd", "user:" HTPASSWD_HASH "\n");
}

static pid_t spawn(const struct docker_registry *registry)
{
    char config[128], log[128];
    (void)snprintf(config, sizeof(config), "%s/config.yml", registry->folder);
    (void)snprintf(log, sizeof(log), "%s/log", registry->folder);
    pid_t parent = getpid(), pid = fork();

    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nothing behind */
        if (getppid() == parent)
            execl("/usr/bin/docker-registry", "docker-registry", "serve", config, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static bool accepts(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    close(fd);
    return open;
}

struct docker_registry *docker_registry_start(const struct docker_registry_options *options,
                                              const struct test_key *key)
{
    struct docker_registry *registry = xcalloc(1, sizeof(*registry));
    unsigned port = free_port();
    int64_t deadline_ms = clock_monotonic_ms() + START_TIMEOUT_MS;

    /* It syncs every file: memory spares the tests, and the disk, that wait. */
    (void)snprintf(registry->folder, sizeof(registry->folder), "%s/stasis-registry-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(registry->folder));
    (void)snprintf(registry->host, sizeof(registry->host), "127.0.0.1:%u", port);
    (void)snprintf(registry->ca_file, sizeof(registry->ca_file), "%s/cert.pem", registry->folder);
    (void)snprintf(registry->key_file, sizeof(registry->key_file), "%s/key.pem", registry->folder);
    if (key)
        assert_int_equal(test_key_write(key, registry->key_file, registry->ca_file), 0);
    write_config(registry, options);
    registry->pid = spawn(registry);
    /* It does not tell when it listens, so we knock until the deadline. */
    while (!accepts(port)) {
        if (clock_monotonic_ms() > deadline_ms || waitpid(registry->pid, NULL, WNOHANG) != 0)
            fail_msg("docker-registry does not come up: see %s/log", registry->folder);
        (void)poll(NULL, 0, 20);
    }
    return registry;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void docker_registry_stop(struct docker_registry *registry)
{
    if (!registry)
        return;
    (void)kill(registry->pid, SIGKILL);
    (void)waitpid(registry->pid, NULL, 0);
    (void)nftw(registry->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(registry);
}

const char *docker_registry_host(const struct docker_registry *registry)
{
    return registry->host;
}

const char *docker_registry_ca_file(const struct docker_registry *registry)
{
    return registry->ca_file;
}

const char *docker_registry_key_file(const struct docker_registry *registry)
{
    return registry->key_file;
}

/* A cancelled one leaves an empty shell (hashstates) behind: only what has a start can go on. */
static bool can_go_on(const char *uploads, const char *name)
{
    SCOPED(string) char *started = xasprintf("%s/%s/startedat", uploads, name);
    return access(started, F_OK) == 0;
}

unsigned docker_registry_open_uploads(const struct docker_registry *registry, const char *repository)
{
    SCOPED(string)
    char *path =
        xasprintf("%s/data/docker/registry/v2/repositories/%s/_uploads", registry->folder, repository);
    DIR *dir = opendir(path);
    unsigned count = 0;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        count += entry->d_name[0] != '.' && can_go_on(path, entry->d_name);
    if (dir)
        (void)closedir(dir);
    return count;
}
