#include "shared/config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"

enum { GOT_SHOWN_BYTES = 80 }; /* of a refused value, in an error */

/* ---- one value ---- */

static int parse_bool(const char *text, bool *ret, struct error *err)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret = strcmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID, "want true or false");
}

/* Decimal, 0x hexadecimal or 0 octal, as Go's flag.Int reads it. */
static int parse_int(const char *text, int64_t *ret, struct error *err)
{
    char *end = NULL;
    const char *digits = text + (*text == '-' || *text == '+');

    errno = 0;
    long long number = strtoll(text, &end, 0);
    if (*digits < '0' || *digits > '9' || *end != '\0' || errno == ERANGE)
        return error_set(err, ERR_INVALID, "want a whole number of 64 bits");
    *ret = number;
    return 0;
}

static int parse_duration(const char *text, int64_t *ret_ms, struct error *err)
{
    if (duration_parse(text, ret_ms, err) < 0)
        return error_set(err, ERR_INVALID, "want a duration like 250ms, 1.5s, 10m or 1h30m, not negative");
    return 0;
}

static void add_item(struct config_list *list, const char *text)
{
    list->items = xrealloc_array(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = text;
}

void config_list_done(struct config_list *list)
{
    free(list->items);
    *list = (struct config_list){0};
}

static int parse_value(const struct config_option *option, const char *text, void *settings,
                       struct error *err)
{
    void *member = (char *)settings + option->offset;
    switch (option->kind) {
    case CONFIG_STRING:
        *(const char **)member = text;
        return 0;
    case CONFIG_BOOL:
        return parse_bool(text, member, err);
    case CONFIG_INT:
        return parse_int(text, member, err);
    case CONFIG_DURATION:
        return parse_duration(text, member, err);
    case CONFIG_LIST:
        add_item(member, text);
        return 0;
    case CONFIG_IGNORED:
    case CONFIG_IGNORED_BOOL:
        return 0;
    }
    return error_set(err, ERR_INTERNAL, "the option table names no such kind");
}

/* The text of a failure is "--port: want a whole number of 64 bits, got "x"; see agent --help". */
static int set_option(const struct config_program *program, const struct config_option *option,
                      const char *origin, const char *text, void *settings, struct error *err)
{
    if (parse_value(option, text, settings, err) == 0)
        return 0;
    char wanted[sizeof(err->text)];
    (void)snprintf(wanted, sizeof(wanted), "%s", err->text);
    if (option->secret)
        return error_set(err, ERR_INVALID, "%s: %.120s; see %s --help", origin, wanted, program->name);
    return error_set(err, ERR_INVALID, "%s: %.120s, got \"%.*s\"; see %s --help", origin, wanted,
                     GOT_SHOWN_BYTES, text, program->name);
}

/* ---- flags ---- */

struct load {
    const struct config_program *program;
    void *settings;
    bool *given; /* by a flag; one per option */
    char **argv;
    int argc, next; /* argv[next] is read next */
    int kept;       /* arguments that are no flags, now argv[1] to argv[kept] */
};

static bool takes_value(const struct config_option *option)
{
    return option->kind != CONFIG_BOOL && option->kind != CONFIG_IGNORED_BOOL;
}

static const struct config_option *find_option(const struct config_program *program, const char *name,
                                               size_t length)
{
    for (const struct config_option *option = program->options; option->flag; option++)
        if (strlen(option->flag) == length && memcmp(option->flag, name, length) == 0)
            return option;
    return NULL;
}

static int refuse_secret(const struct config_option *option, struct error *err)
{
    return error_set(
        err, ERR_INVALID,
        "--%s: a secret is not taken from the command line, where every user of this machine can read "
        "it; %s%s",
        option->flag, option->env ? "set the environment variable " : "give it in a file",
        option->env ? option->env : "");
}

static int take_flag(struct load *load, const struct config_option *option, const char *inline_value,
                     struct error *err)
{
    const char *value = inline_value;
    if (option->secret)
        return refuse_secret(option, err);
    if (!value && !takes_value(option))
        value = "true";
    if (!value && load->next >= load->argc)
        return error_set(err, ERR_INVALID, "--%s: want a value after it; see %s --help", option->flag,
                         load->program->name);
    if (!value)
        value = load->argv[load->next++];

    SCOPED(string) char *origin = xasprintf("--%s", option->flag);
    load->given[option - load->program->options] = true;
    return set_option(load->program, option, origin, value, load->settings, err);
}

/* --help and --version belong to every program that has no option of that name. */
static bool is_answered_here(const struct config_program *program, const char *name, size_t length)
{
    if ((length == 4 && memcmp(name, "help", 4) == 0) || (length == 1 && *name == 'h')) {
        SCOPED_STRBUF struct strbuf help = STRBUF_INIT;
        config_help(program, &help);
        (void)fputs(strbuf_text(&help), stdout);
        return true;
    }
    if (length == 7 && memcmp(name, "version", 7) == 0) {
        (void)printf("%s %s\n", program->name, STASIS_VERSION);
        return true;
    }
    return false;
}

/* name is what follows the dashes: "x" or "x=v". */
static int read_flag(struct load *load, const char *name, enum config_outcome *outcome, struct error *err)
{
    size_t length = strcspn(name, "=");
    const struct config_option *option = find_option(load->program, name, length);

    if (option)
        return take_flag(load, option, name[length] == '=' ? name + length + 1 : NULL, err);
    if (!is_answered_here(load->program, name, length))
        return error_set(err, ERR_INVALID, "--%.*s: no such flag; see %s --help",
                         (int)(length < GOT_SHOWN_BYTES ? length : GOT_SHOWN_BYTES), name,
                         load->program->name);
    *outcome = CONFIG_EXIT_OK;
    return 0;
}

/* The name behind one or two dashes; NULL: an argument. "-" alone is one, by custom: standard input. */
static const char *flag_name(const char *argument)
{
    if (argument[0] != '-' || argument[1] == '\0')
        return NULL;
    return argument + (argument[1] == '-' ? 2 : 1);
}

static int read_flags(struct load *load, enum config_outcome *outcome, struct error *err)
{
    bool flags_end = false;

    while (load->next < load->argc && *outcome == CONFIG_RUN) {
        char *argument = load->argv[load->next++];
        const char *name = flags_end ? NULL : flag_name(argument);
        if (!name)
            load->argv[++load->kept] = argument; /* never ahead of what is read */
        else if (strcmp(argument, "--") == 0)
            flags_end = true;
        else if (read_flag(load, name, outcome, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the rest ---- */

static int set_from_environment(struct load *load, const struct config_option *option, const char *text,
                                struct error *err)
{
    SCOPED(string) char *origin = xasprintf("environment variable %s", option->env);
    return set_option(load->program, option, origin, text, load->settings, err);
}

static int set_default(struct load *load, const struct config_option *option, struct error *err)
{
    SCOPED(string) char *origin = xasprintf("default of --%s", option->flag);
    return set_option(load->program, option, origin, option->default_value, load->settings, err);
}

/* What no flag gave. A default comes last, so that it never stands in a list beside what was given. */
static int fill_the_rest(struct load *load, struct error *err)
{
    for (const struct config_option *option = load->program->options; option->flag; option++) {
        const char *text = option->env ? getenv(option->env) : NULL;
        int done = 0;

        if (load->given[option - load->program->options])
            continue;
        if (text && *text)
            done = set_from_environment(load, option, text, err);
        else if (option->default_value)
            done = set_default(load, option, err);
        if (done < 0)
            return -1;
    }
    return 0;
}

static size_t count_options(const struct config_program *program)
{
    size_t count = 0;
    while (program->options[count].flag)
        count++;
    return count;
}

int config_load(const struct config_program *program, int argc, char **argv, void *settings, int *ret_argc,
                enum config_outcome *ret_outcome, struct error *err)
{
    assert(argc >= 1);
    SCOPED(memory) bool *given = xcalloc(count_options(program), sizeof(*given));
    struct load load = {
        .program = program, .settings = settings, .given = given, .argv = argv, .argc = argc, .next = 1};
    enum config_outcome outcome = CONFIG_RUN;

    if (read_flags(&load, &outcome, err) < 0)
        return -1;
    if (outcome == CONFIG_RUN && fill_the_rest(&load, err) < 0)
        return -1;
    argv[load.kept + 1] = NULL;
    *ret_argc = load.kept;
    *ret_outcome = outcome;
    return 0;
}
