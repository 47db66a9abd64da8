#include "committer-agent/node/exec_fifos.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/ids.h"

static int make_fifo(const char *folder, const char *name, int flags, char **ret_path, int *ret_fd,
                     struct error *err)
{
    *ret_path = xasprintf("%s/%s", folder, name);
    if (mkfifo(*ret_path, 0600) < 0)
        return error_sys(err, errno, "creating %s", *ret_path);
    *ret_fd = open(*ret_path, flags | O_NONBLOCK | O_CLOEXEC);
    if (*ret_fd < 0)
        return error_sys(err, errno, "opening %s", *ret_path);
    return 0;
}

int exec_fifos_open(const char *state_dir, bool with_input, struct exec_fifos *ret_fifos, struct error *err)
{
    SCOPED_EXEC_FIFOS struct exec_fifos fifos = EXEC_FIFOS_INIT;
    char name[HEX_ID_SIZE];

    hex_id(name);
    fifos.folder = xasprintf("%s/exec-%s", state_dir, name);
    if (mkdir(fifos.folder, 0700) < 0)
        return error_sys(err, errno, "creating %s", fifos.folder);
    if (make_fifo(fifos.folder, "stdout", O_RDONLY, &fifos.output_path, &fifos.output_fd, err) < 0 ||
        make_fifo(fifos.folder, "stderr", O_RDONLY, &fifos.errors_path, &fifos.errors_fd, err) < 0)
        return -1;
    /* Read-write: opening the end for writing alone would fail until the shim has opened the other. */
    if (with_input && make_fifo(fifos.folder, "stdin", O_RDWR, &fifos.input_path, &fifos.input_fd, err) < 0)
        return -1;
    if (!with_input)
        fifos.input_path = xstrdup("");
    *ret_fifos = fifos;
    fifos = (struct exec_fifos)EXEC_FIFOS_INIT;
    return 0;
}

static void remove_fifo(char *path)
{
    if (path && *path)
        (void)unlink(path); /* the folder is emptied at the next start, too */
    free(path);
}

void exec_fifos_done(struct exec_fifos *fifos)
{
    fd_freep(&fifos->input_fd);
    fd_freep(&fifos->output_fd);
    fd_freep(&fifos->errors_fd);
    remove_fifo(fifos->input_path);
    remove_fifo(fifos->output_path);
    remove_fifo(fifos->errors_path);
    if (fifos->folder)
        (void)rmdir(fifos->folder);
    free(fifos->folder);
    *fifos = (struct exec_fifos)EXEC_FIFOS_INIT;
}
