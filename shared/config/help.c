/* --help: the option table as a person wants to read it. */
#include "shared/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

enum {
    LINE_WIDTH = 100,
    INDENT = 2,
    GAP = 2,
    LEFT_MAX = 36, /* a longer flag stands on a line of its own */
};

static const char *value_name(enum config_kind kind)
{
    switch (kind) {
    case CONFIG_STRING:
    case CONFIG_LIST:
        return " string";
    case CONFIG_INT:
        return " number";
    case CONFIG_DURATION:
        return " duration";
    case CONFIG_IGNORED:
        return " value";
    case CONFIG_BOOL:
    case CONFIG_IGNORED_BOOL:
        return "";
    }
    return "";
}

/* "--port number", or for a secret the name of its variable. */
static char *left_side(const struct config_option *option)
{
    if (option->secret)
        return xstrdup(option->env ? option->env : option->flag);
    return xasprintf("--%s%s", option->flag, value_name(option->kind));
}

static bool default_is_worth_a_word(const struct config_option *option)
{
    if (option->secret || !option->default_value || *option->default_value == '\0')
        return false;
    return option->kind != CONFIG_BOOL || strcmp(option->default_value, "false") != 0;
}

/* "Where to listen. [default: 8080, env: PORT]" */
static void add_right_side(struct strbuf *out, const struct config_option *option)
{
    bool has_default = default_is_worth_a_word(option), has_env = option->env && !option->secret;

    (void)strbuf_adds(out, option->help);
    if (!has_default && !has_env)
        return;
    (void)strbuf_adds(out, " [");
    if (has_default)
        (void)strbuf_addf(out, "default: %s", option->default_value);
    if (has_env)
        (void)strbuf_addf(out, "%senv: %s", has_default ? ", " : "", option->env);
    (void)strbuf_addc(out, ']');
}

/* Appends text word by word; lines after the first begin at column `left`, where the cursor is now. */
static void add_wrapped(struct strbuf *out, const char *text, size_t left)
{
    size_t column = left;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > left && column + 1 + word > LINE_WIDTH) {
            (void)strbuf_addf(out, "\n%*s", (int)left, "");
            column = left;
        } else if (column > left) {
            (void)strbuf_addc(out, ' ');
            column++;
        }
        (void)strbuf_append(out, text, word);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    (void)strbuf_addc(out, '\n');
}

static void add_row(struct strbuf *out, const char *left, const char *right, size_t left_width)
{
    size_t right_column = INDENT + left_width + GAP;

    (void)strbuf_addf(out, "%*s%-*s", INDENT, "", (int)(left_width + GAP), left);
    if (strlen(left) > left_width)
        (void)strbuf_addf(out, "\n%*s", (int)right_column, "");
    add_wrapped(out, right, right_column);
}

static bool is_shown(const struct config_option *option, bool secret)
{
    return option->help && option->secret == secret;
}

static size_t width_of_left_side(const struct config_program *program)
{
    size_t widest = strlen("--version");
    for (const struct config_option *option = program->options; option->flag; option++) {
        SCOPED(string) char *left = left_side(option);
        size_t width = strlen(left);
        if (option->help && width > widest && width <= LEFT_MAX)
            widest = width;
    }
    return widest;
}

static void add_options(struct strbuf *out, const struct config_program *program, bool secret,
                        size_t left_width)
{
    for (const struct config_option *option = program->options; option->flag; option++) {
        if (!is_shown(option, secret))
            continue;
        SCOPED(string) char *left = left_side(option);
        SCOPED_STRBUF struct strbuf right = STRBUF_INIT;
        add_right_side(&right, option);
        add_row(out, left, strbuf_text(&right), left_width);
    }
}

static bool has_secrets(const struct config_program *program)
{
    for (const struct config_option *option = program->options; option->flag; option++)
        if (is_shown(option, true))
            return true;
    return false;
}

void config_help(const struct config_program *program, struct strbuf *out)
{
    size_t left_width = width_of_left_side(program);

    (void)strbuf_addf(out, "Usage: %s %s\n", program->name, program->synopsis);
    if (program->about && *program->about)
        (void)strbuf_addf(out, "\n%s\n", program->about);
    (void)strbuf_adds(out, "\nFlags:\n");
    add_options(out, program, false, left_width);
    add_row(out, "--help", "Print this page.", left_width);
    add_row(out, "--version", "Print the version.", left_width);
    if (has_secrets(program)) {
        (void)strbuf_adds(out, "\nEnvironment (secrets are not taken from the command line):\n");
        add_options(out, program, true, left_width);
    }
}
