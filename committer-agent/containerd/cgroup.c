#include "committer-agent/containerd/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"

const struct cgroup_roots cgroup_system_roots = {.proc = "/proc", .cgroup = "/sys/fs/cgroup"};

enum { CGROUP_FILE_MAX_BYTES = 64 << 10 };

/* "7:cpu,freezer:/pod/x" names the freezer's cgroup on v1, "0::/pod/x" the only one on v2. */
struct cgroup_path {
    char *v1, *v2; /* NULL: none */
};

static void cgroup_path_done(struct cgroup_path *path)
{
    free(path->v1);
    free(path->v2);
}
#define SCOPED_CGROUP_PATH __attribute__((cleanup(cgroup_path_done)))

static bool names_freezer(const char *controllers)
{
    const char *found = strstr(controllers, "freezer");
    return found && (found == controllers || found[-1] == ',') && (found[7] == '\0' || found[7] == ',');
}

static int path_read(const struct cgroup_roots *roots, pid_t pid, struct cgroup_path *path)
{
    SCOPED(string)
    char *file = xasprintf("%s/%d/cgroup", roots->proc, (int)pid);
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    struct error ignored = {0}; /* unreadable is an answer here */
    char *rest, *line;

    if (pid <= 0 || file_read(file, CGROUP_FILE_MAX_BYTES, &text, &ignored) < 0 || text.length == 0)
        return -1;
    for (line = strtok_r(text.bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':');
        char *folder = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!folder || strstr(folder, "/.."))
            continue;
        *folder++ = '\0';
        controllers++;
        if (!path->v1 && names_freezer(controllers))
            path->v1 = xstrdup(folder);
        else if (!path->v2 && *controllers == '\0')
            path->v2 = xstrdup(folder);
    }
    return path->v1 || path->v2 ? 0 : -1;
}

static enum freezer_state v1_state(const char *text)
{
    if (strncmp(text, "FROZEN", 6) == 0)
        return FREEZER_FROZEN;
    if (strncmp(text, "FREEZING", 8) == 0)
        return FREEZER_FREEZING;
    return strncmp(text, "THAWED", 6) == 0 ? FREEZER_THAWED : FREEZER_UNKNOWN;
}

/* cgroup.events: "populated 1\nfrozen 1\n" */
static enum freezer_state v2_state(const char *text)
{
    const char *found = strstr(text, "frozen ");
    if (!found)
        return FREEZER_UNKNOWN;
    return found[7] == '1' ? FREEZER_FROZEN : FREEZER_THAWED;
}

static bool v2_read(const struct cgroup_roots *roots, const char *folder, struct strbuf *text)
{
    static const char *const mounts[] = {"", "/unified"}; /* v2 alone, v2 beside v1 */
    struct error ignored = {0};

    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        SCOPED(string)
        char *file = xasprintf("%s%s%s/cgroup.events", roots->cgroup, mounts[i], folder);
        if (file_read(file, CGROUP_FILE_MAX_BYTES, text, &ignored) == 0)
            return true;
    }
    return false;
}

enum freezer_state cgroup_freezer_state(const struct cgroup_roots *roots, pid_t pid)
{
    SCOPED_CGROUP_PATH struct cgroup_path path = {0};
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    struct error ignored = {0};

    if (path_read(roots, pid, &path) < 0)
        return FREEZER_UNKNOWN;
    if (path.v1) {
        SCOPED(string)
        char *file = xasprintf("%s/freezer%s/freezer.state", roots->cgroup, path.v1);
        if (file_read(file, CGROUP_FILE_MAX_BYTES, &text, &ignored) == 0)
            return v1_state(strbuf_text(&text));
        return FREEZER_UNKNOWN;
    }
    return v2_read(roots, path.v2, &text) ? v2_state(strbuf_text(&text)) : FREEZER_UNKNOWN;
}

static int write_word(const char *file, const char *word, struct error *err)
{
    SCOPED(fd)
    int fd = open(file, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, word, strlen(word)) < 0)
        return error_sys(err, errno, "thawing by %s", file);
    return 0;
}

int cgroup_thaw(const struct cgroup_roots *roots, pid_t pid, struct error *err)
{
    SCOPED_CGROUP_PATH struct cgroup_path path = {0};

    if (path_read(roots, pid, &path) < 0)
        return error_set(err, ERR_NOT_FOUND, "process %d has no cgroup that can be read", (int)pid);
    SCOPED(string)
    char *file = path.v1 ? xasprintf("%s/freezer%s/freezer.state", roots->cgroup, path.v1)
                         : xasprintf("%s%s/cgroup.freeze", roots->cgroup, path.v2);
    return write_word(file, path.v1 ? "THAWED" : "0", err);
}
