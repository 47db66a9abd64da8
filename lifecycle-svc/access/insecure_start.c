#include "lifecycle-svc/access/insecure_start.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char VARIABLE[] = "OPENSANDBOX_INSECURE_SERVER";

static int refused(struct error *err)
{
    return error_set(
        err, ERR_DENIED,
        "no API key is configured: set OPENSANDBOX_SERVER_API_KEY or --api-key-file, or start with %s=YES "
        "to let everybody in",
        VARIABLE);
}

/* A terminal gives a line at a time, so one read is the whole answer. */
static int answer_is_yes(int in_fd, int timeout_ms)
{
    struct pollfd in = {.fd = in_fd, .events = POLLIN};
    char line[16];

    if (poll(&in, 1, timeout_ms) <= 0)
        return 0;
    ssize_t length = read(in_fd, line, sizeof(line));
    return length == 4 && memcmp(line, "YES\n", 4) == 0;
}

int insecure_start_acknowledged(int in_fd, int out_fd, int timeout_ms, struct error *err)
{
    const char *acknowledged = getenv(VARIABLE);

    if (acknowledged && strcmp(acknowledged, "YES") == 0)
        return 0;
    if (!isatty(in_fd) || !isatty(out_fd))
        return refused(err);
    (void)dprintf(out_fd,
                  "No API key is configured: whoever reaches this server can run code on it.\n"
                  "Type YES within %d seconds to start all the same: ",
                  timeout_ms / 1000);
    return answer_is_yes(in_fd, timeout_ms) ? 0 : refused(err);
}
