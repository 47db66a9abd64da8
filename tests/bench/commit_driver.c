/* bench-commit-driver agent TARGET | diff SOCKET - reads commands from standard input; see commit_driver.h. */
#include "tests/bench/commit_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORDS_MAX = 5 };

int64_t driver_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static size_t split(char *line, char *words[WORDS_MAX])
{
    size_t count = 0;

    for (char *rest = line, *word; count < WORDS_MAX && (word = strsep(&rest, " \n"));)
        if (*word)
            words[count++] = word;
    return count;
}

static void answer(json_t *outcome)
{
    char *text = json_dumps(outcome, JSON_COMPACT);

    (void)puts(text);
    (void)fflush(stdout);
    free(text);
    json_decref(outcome);
}

typedef int run_fn(void *driver, char *const words[], json_t **ret_outcome, struct error *err);

static void serve(run_fn *run, void *driver, size_t want)
{
    char *line = NULL, *words[WORDS_MAX];
    size_t room = 0;

    while (getline(&line, &room, stdin) > 0) {
        struct error err = {0};
        json_t *outcome = NULL;
        int result = split(line, words) == want ? run(driver, words, &outcome, &err)
                                                : error_set(&err, ERR_INVALID, "want %zu words", want);
        answer(result == 0 ? outcome : json_pack("{s:s, s:s}", "error", err.text, "reason", err.reason));
    }
    free(line);
}

static int run_agent(void *driver, char *const words[], json_t **ret_outcome, struct error *err)
{
    return agent_driver_run(driver, words, ret_outcome, err);
}

static int run_diff(void *driver, char *const words[], json_t **ret_outcome, struct error *err)
{
    return diff_driver_run(driver, words, ret_outcome, err);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "agent") == 0) {
        struct agent_driver *driver = agent_driver_new(argv[2]);
        serve(run_agent, driver, 5);
        agent_driver_free(driver);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "diff") == 0) {
        struct diff_driver *driver = diff_driver_new(argv[2]);
        serve(run_diff, driver, 2);
        diff_driver_free(driver);
        return 0;
    }
    (void)fprintf(stderr, "usage: %s agent TARGET | diff SOCKET\n", argv[0]);
    return 2;
}
