/* committer-agent: see agent.h for what it does and settings.c for how it is told; as image-committer: job/job.h. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "committer-agent/agent.h"
#include "shared/base/signals.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef int command_fn(const struct settings *settings, struct error *err);

static command_fn *find_command(int argc, char **argv)
{
    if (argc == 0)
        return agent_serve;
    if (argc == 1 && strcmp(argv[1], "commit") == 0)
        return oneshot_commit;
    if (argc == 1 && strcmp(argv[1], "unpause") == 0)
        return oneshot_unpause;
    return NULL;
}

static bool is_called(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, name) == 0;
}

/* An image's folders are open while its layers are folded, a few for each layer. The default is for programs that use select(2). */
static void allow_many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what is too much then fails by itself, and says so */
    }
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    enum config_outcome outcome;
    struct error err = {0};
    int arguments = 0;

    signals_block();
    allow_many_files();
    if (is_called(argv[0], "image-committer"))
        return image_committer(argc, argv);
    if (settings_load(&settings, argc, argv, &arguments, &outcome, &err) < 0) {
        (void)fprintf(stderr, "committer-agent: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (outcome == CONFIG_EXIT_OK)
        return 0;
    command_fn *command = find_command(arguments, argv);
    if (!command) {
        (void)fprintf(stderr,
                      "committer-agent: unknown command \"%s\": want commit, unpause or none; see --help\n",
                      argv[1]);
        return EXIT_USAGE;
    }
    int result = command(&settings, &err);
    if (result < 0)
        log_failure(LOG_ERROR, arguments ? "command failed" : "agent failed", &err);
    config_list_done(&settings.containers);
    if (result == 0)
        return 0;
    return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
}
