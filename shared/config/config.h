/* config.h - a service's settings: flags, then environment, then defaults, from one table.
 *
 * Go's flag rules, so that the arguments of existing Deployments keep working: -x, --x, --x=v, --x v; a boolean
 * needs "=" to be set to anything but true. Unlike Go's, flags may follow arguments. `--help` (`-h`) prints the table,
 * `--version` the version. Environment names are given per option. Arguments that are not flags are left in argv for
 * programs with subcommands. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/error.h"
#include "shared/base/strbuf.h"

enum config_kind {
    CONFIG_STRING,   /* const char *: borrowed from argv, environ or the default */
    CONFIG_BOOL,     /* bool */
    CONFIG_INT,      /* int64_t */
    CONFIG_DURATION, /* int64_t milliseconds, Go spelling */
    CONFIG_LIST, /* struct config_list: one item each time the flag is given; environment and default: one */
    CONFIG_IGNORED, /* accepted and unused; keeps OpenSandbox's arguments legal. Takes a value. */
    CONFIG_IGNORED_BOOL,
};

struct config_list {
    const char **items; /* borrowed texts in an array of ours: config_list_done(), after a failed load too */
    size_t count;
};
void config_list_done(struct config_list *list);

struct config_option {
    const char *flag; /* without dashes */
    const char *env;  /* NULL: no environment variable */
    enum config_kind kind;
    size_t offset;             /* into the settings struct */
    const char *default_value; /* text, parsed like a flag's value; NULL: zero */
    const char *help;          /* one sentence; NULL hides the option from --help */
    bool secret;               /* may come from the environment or a file only: a flag is refused */
};
// clang-format off
#define CONFIG_END {NULL, NULL, CONFIG_STRING, 0, NULL, NULL, false}
// clang-format on

struct config_program {
    const char *name;
    const char *synopsis; /* "[flags]" or "<command> [flags]" */
    const char *about;    /* a few lines for --help */
    const struct config_option *options;
};

enum config_outcome { CONFIG_RUN, CONFIG_EXIT_OK /* --help or --version was printed */ };

/* Fills the zeroed struct at `settings`. A flag given twice counts as given last, unless it is a list; an
 * environment variable that is empty counts as not set. Non-flag arguments are moved to the front of argv:
 * argv[0] stays, they are argv[1] to argv[*ret_argc], then comes NULL. Everything after "--" is such an argument.
 * -1, ERR_INVALID: unknown flag or bad value; the text says which flag, what was wanted, and names --help. It never
 * quotes the value of a secret. */
int config_load(const struct config_program *program, int argc, char **argv, void *settings, int *ret_argc,
                enum config_outcome *ret_outcome, struct error *err);

/* What --help prints. */
void config_help(const struct config_program *program, struct strbuf *out);
