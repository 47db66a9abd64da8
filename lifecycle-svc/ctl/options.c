#include "lifecycle-svc/ctl/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"

static const char DEFAULT_ADDRESS[] = "127.0.0.1:8090";

enum { ID_NONE, ID_WANTED };
enum { WORDS_NONE, WORDS_ALLOWED, WORDS_WANTED };

static const char SNAPSHOT_NOUN[] = "snapshot";

static const struct {
    const char *name;
    int id, words;
} commands[] = {
    [COMMAND_CREATE] = {"create", ID_NONE, WORDS_ALLOWED},
    [COMMAND_GET] = {"get", ID_WANTED, WORDS_NONE},
    [COMMAND_LIST] = {"list", ID_NONE, WORDS_NONE},
    [COMMAND_PAUSE] = {"pause", ID_WANTED, WORDS_NONE},
    [COMMAND_RESUME] = {"resume", ID_WANTED, WORDS_NONE},
    [COMMAND_DELETE] = {"delete", ID_WANTED, WORDS_NONE},
    [COMMAND_WAIT] = {"wait", ID_WANTED, WORDS_NONE},
    [COMMAND_RENEW] = {"renew", ID_WANTED, WORDS_NONE},
    [COMMAND_LABEL] = {"label", ID_WANTED, WORDS_NONE},
    [COMMAND_ENDPOINT] = {"endpoint", ID_WANTED, WORDS_NONE},
    [COMMAND_EXPLAIN] = {"explain", ID_WANTED, WORDS_NONE},
    [COMMAND_SNAPSHOT_CREATE] = {"snapshot create", ID_WANTED, WORDS_NONE},
    [COMMAND_SNAPSHOT_GET] = {"snapshot get", ID_WANTED, WORDS_NONE},
    [COMMAND_SNAPSHOT_LIST] = {"snapshot list", ID_NONE, WORDS_NONE},
    [COMMAND_SNAPSHOT_DELETE] = {"snapshot delete", ID_WANTED, WORDS_NONE},
    [COMMAND_EXEC] = {"exec", ID_WANTED, WORDS_WANTED},
    [COMMAND_LOGS] = {"logs", ID_WANTED, WORDS_NONE},
    [COMMAND_HELP] = {"help", ID_NONE, WORDS_NONE},
    [COMMAND_VERSION] = {"version", ID_NONE, WORDS_NONE},
};
_Static_assert(sizeof(commands) / sizeof(commands[0]) == COMMAND_MAX, "every command has a row");

enum flag {
    FLAG_ADDRESS = 256,
    FLAG_TLS,
    FLAG_CA_FILE,
    FLAG_TLS_SERVER_NAME,
    FLAG_OUTPUT,
    FLAG_WAIT,
    FLAG_IMAGE,
    FLAG_ENV,
    FLAG_METADATA,
    FLAG_STATE,
    FLAG_TIMEOUT,
    FLAG_CPU,
    FLAG_MEMORY,
    FLAG_CONTAINER,
    FLAG_STDIN,
    FLAG_FOLLOW,
    FLAG_TAIL,
    FLAG_SNAPSHOT,
    FLAG_VOLUME,
    FLAG_REQUEST_ID,
    FLAG_FOR,
    FLAG_NAME,
    FLAG_SANDBOX,
    FLAG_HELP,
    FLAG_VERSION,
};

#define ON(command) (1u << COMMAND_##command)
#define EVERYWHERE  (~0u)
#define SHOWS_SOMETHING                                                                                      \
    (ON(CREATE) | ON(GET) | ON(LIST) | ON(PAUSE) | ON(RESUME) | ON(WAIT) | ON(LABEL) | ON(EXPLAIN) |         \
     ON(SNAPSHOT_CREATE) | ON(SNAPSHOT_GET) | ON(SNAPSHOT_LIST))

/* In the order of enum flag. */
static const struct {
    struct option option;
    unsigned commands; /* where it means something */
} flags[] = {
    // clang-format off
    {{"address",   required_argument, NULL, FLAG_ADDRESS},   EVERYWHERE},
    {{"tls",       no_argument,       NULL, FLAG_TLS},       EVERYWHERE},
    {{"ca-file",   required_argument, NULL, FLAG_CA_FILE},   EVERYWHERE},
    {{"tls-server-name", required_argument, NULL, FLAG_TLS_SERVER_NAME}, EVERYWHERE},
    {{"output",    required_argument, NULL, FLAG_OUTPUT},    SHOWS_SOMETHING},
    {{"wait",      no_argument,       NULL, FLAG_WAIT},      ON(PAUSE) | ON(RESUME) | ON(DELETE) | ON(CREATE) | ON(SNAPSHOT_CREATE) | ON(SNAPSHOT_DELETE)},
    {{"image",     required_argument, NULL, FLAG_IMAGE},     ON(CREATE)},
    {{"env",       required_argument, NULL, FLAG_ENV},       ON(CREATE)},
    {{"metadata",  required_argument, NULL, FLAG_METADATA},  ON(CREATE) | ON(LIST)},
    {{"state",     required_argument, NULL, FLAG_STATE},     ON(LIST) | ON(SNAPSHOT_LIST)},
    {{"timeout",   required_argument, NULL, FLAG_TIMEOUT},   ON(CREATE)},
    {{"cpu",       required_argument, NULL, FLAG_CPU},       ON(CREATE)},
    {{"memory",    required_argument, NULL, FLAG_MEMORY},    ON(CREATE)},
    {{"container", required_argument, NULL, FLAG_CONTAINER}, ON(EXEC) | ON(LOGS)},
    {{"stdin",     no_argument,       NULL, FLAG_STDIN},     ON(EXEC)},
    {{"follow",    no_argument,       NULL, FLAG_FOLLOW},    ON(LOGS)},
    {{"tail",      required_argument, NULL, FLAG_TAIL},      ON(LOGS)},
    {{"snapshot",  required_argument, NULL, FLAG_SNAPSHOT},  ON(CREATE)},
    {{"volume",    required_argument, NULL, FLAG_VOLUME},    ON(CREATE)},
    {{"request-id", required_argument, NULL, FLAG_REQUEST_ID}, ON(CREATE) | ON(PAUSE) | ON(RESUME) | ON(SNAPSHOT_CREATE)},
    {{"for",       required_argument, NULL, FLAG_FOR},       ON(RENEW)},
    {{"name",      required_argument, NULL, FLAG_NAME},      ON(SNAPSHOT_CREATE) | ON(SNAPSHOT_LIST)},
    {{"sandbox",   required_argument, NULL, FLAG_SANDBOX},   ON(SNAPSHOT_LIST)},
    {{"help",      no_argument,       NULL, FLAG_HELP},      EVERYWHERE},
    {{"version",   no_argument,       NULL, FLAG_VERSION},   EVERYWHERE},
    // clang-format on
};
enum { FLAG_COUNT = sizeof(flags) / sizeof(flags[0]) };

static void words_add(struct words *words, char *word)
{
    words->items = xrealloc_array(words->items, (size_t)words->count + 1, sizeof(*words->items));
    words->items[words->count++] = word;
}

static bool is_command(enum ctl_command command, const char *noun, const char *verb)
{
    const char *name = commands[command].name;
    const size_t length = strlen(noun);

    if (strncmp(name, noun, length) != 0)
        return false;
    return verb ? name[length] == ' ' && strcmp(name + length + 1, verb) == 0 : name[length] == '\0';
}

/* One word, or "snapshot" and another. *ret_words: how many. */
static int find_command(int argc, char **argv, enum ctl_command *ret_command, int *ret_words,
                        struct error *err)
{
    const bool two = strcmp(argv[0], SNAPSHOT_NOUN) == 0;
    const char *verb = two && argc > 1 ? argv[1] : NULL;

    if (two && !verb)
        return error_set(err, ERR_INVALID, "snapshot: want create, get, list or delete behind it");
    for (enum ctl_command command = 0; command < COMMAND_MAX; command++) {
        if (!is_command(command, argv[0], verb))
            continue;
        *ret_command = command;
        *ret_words = two ? 2 : 1;
        return 0;
    }
    return error_set(err, ERR_INVALID, "unknown command \"%.60s%s%.60s\": see stasisctl --help", argv[0],
                     verb ? " " : "", verb ? verb : "");
}

static int read_pair(const char *flag, char *text, struct words *words, struct error *err)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return error_set(err, ERR_INVALID, "--%s: want KEY=VALUE", flag);
    words_add(words, text);
    return 0;
}

static int read_output(const char *text, enum ctl_output *ret_output, struct error *err)
{
    static const char *const names[] = {
        [OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json", [OUTPUT_YAML] = "yaml", [OUTPUT_NAME] = "name"};

    for (enum ctl_output output = OUTPUT_TABLE; output <= OUTPUT_NAME; output++) {
        if (strcmp(names[output], text) != 0)
            continue;
        *ret_output = output;
        return 0;
    }
    return error_set(err, ERR_INVALID, "--output: want table, json, yaml or name, got \"%.40s\"", text);
}

static int read_seconds(const char *flag, const char *text, int64_t least_ms, const char *least,
                        int64_t *ret_s, struct error *err)
{
    int64_t ms;

    if (duration_parse(text, &ms, err) < 0)
        return error_wrap(err, "--%s", flag);
    if (ms < least_ms)
        return error_set(err, ERR_INVALID, "--%s: want at least %s, got %.40s", flag, least, text);
    *ret_s = ms / 1000 + (ms % 1000 != 0);
    return 0;
}

/* "SOURCE:/path" or "SOURCE:/path:ro". */
static int read_volume(char *text, struct words *volumes, struct error *err)
{
    const char *colon = strchr(text, ':');

    if (!colon || colon == text || colon[1] != '/')
        return error_set(
            err, ERR_INVALID,
            "--volume: want CLAIM:/PATH or /HOST/FOLDER:/PATH, with :ro behind it when read-only, got "
            "\"%.80s\"",
            text);
    words_add(volumes, text);
    return 0;
}

static int read_tail(const char *text, int64_t *ret_lines, struct error *err)
{
    if (!*text || strlen(text) > 9 || strspn(text, "0123456789") != strlen(text) ||
        strtol(text, NULL, 10) == 0)
        return error_set(err, ERR_INVALID, "--tail: want a number of lines, 1 or more, got \"%.40s\"", text);
    *ret_lines = strtol(text, NULL, 10);
    return 0;
}

static int take_flag(struct options *options, enum flag flag, char *value, struct error *err)
{
    switch (flag) {
    case FLAG_ADDRESS:
        options->address = value;
        return 0;
    case FLAG_TLS:
        options->tls = true;
        return 0;
    case FLAG_CA_FILE:
        options->ca_file = value;
        return 0;
    case FLAG_TLS_SERVER_NAME:
        options->tls_server_name = value;
        return 0;
    case FLAG_OUTPUT:
        return read_output(value, &options->output, err);
    case FLAG_WAIT:
        options->wait = true;
        return 0;
    case FLAG_IMAGE:
        options->image = value;
        return 0;
    case FLAG_ENV:
        return read_pair("env", value, &options->env, err);
    case FLAG_METADATA:
        return read_pair("metadata", value, &options->metadata, err);
    case FLAG_STATE:
        words_add(&options->states, value);
        return 0;
    case FLAG_TIMEOUT:
        return read_seconds("timeout", value, 60000, "1m", &options->timeout_s, err);
    case FLAG_CPU:
        options->cpu = value;
        return 0;
    case FLAG_MEMORY:
        options->memory = value;
        return 0;
    case FLAG_CONTAINER:
        options->container = value;
        return 0;
    case FLAG_STDIN:
        options->input = true;
        return 0;
    case FLAG_FOLLOW:
        options->follow = true;
        return 0;
    case FLAG_TAIL:
        return read_tail(value, &options->tail_lines, err);
    case FLAG_SNAPSHOT:
        options->snapshot = value;
        return 0;
    case FLAG_VOLUME:
        return read_volume(value, &options->volumes, err);
    case FLAG_REQUEST_ID:
        options->request_id = value;
        return 0;
    case FLAG_FOR:
        return read_seconds("for", value, 1000, "1s", &options->renew_s, err);
    case FLAG_NAME:
        options->name = value;
        return 0;
    case FLAG_SANDBOX:
        options->sandbox = value;
        return 0;
    case FLAG_HELP:
        options->command = COMMAND_HELP;
        return 0;
    case FLAG_VERSION:
        options->command = COMMAND_VERSION;
        return 0;
    }
    return error_set(err, ERR_INTERNAL, "flag %d has no meaning", flag);
}

/* All flags before "--"; *ret_seen has a bit for each that was given. */
static int parse_flags(int argc, char **argv, struct options *options, unsigned *ret_seen, struct error *err)
{
    struct option table[FLAG_COUNT + 1] = {{0}};
    int got;

    for (int i = 0; i < FLAG_COUNT; i++)
        table[i] = flags[i].option;
    optind = 0; /* glibc: start anew, permute */
    opterr = 0;
    while ((got = getopt_long(argc, argv, ":o:", table, NULL)) != -1) {
        if (got == '?')
            return error_set(err, ERR_INVALID, "unknown flag \"%.60s\": see stasisctl --help%s",
                             argv[optind - 1], "; a command's own flags go behind --");
        if (got == ':')
            return error_set(err, ERR_INVALID, "flag \"%.60s\" needs a value", argv[optind - 1]);
        enum flag flag = got == 'o' ? FLAG_OUTPUT : (enum flag)got;
        *ret_seen |= 1u << (flag - FLAG_ADDRESS);
        if (take_flag(options, flag, optarg, err) < 0)
            return -1;
    }
    return 0;
}

static int check_flags(const struct options *options, unsigned seen, struct error *err)
{
    for (int i = 0; i < FLAG_COUNT; i++)
        if ((seen & (1u << i)) && !(flags[i].commands & (1u << options->command)))
            return error_set(err, ERR_INVALID, "--%s: no flag of %s", flags[i].option.name,
                             commands[options->command].name);
    return 0;
}

/* "Running,Paused": at least one state. Cuts the text, which is ours for as long as the process lives. */
static int take_states(struct options *options, char *text, struct error *err)
{
    static const char *const known[] = {"Pending",  "Running",  "Pausing", "Paused",
                                        "Resuming", "Stopping", "Failed",  "Allocated"};

    for (char *state = strsep(&text, ","); state; state = strsep(&text, ",")) {
        size_t i = 0;
        while (i < sizeof(known) / sizeof(known[0]) && strcasecmp(known[i], state) != 0)
            i++;
        if (i == sizeof(known) / sizeof(known[0]))
            return error_set(err, ERR_INVALID, "wait: want a state such as Running or Paused, got \"%.40s\"",
                             state);
        words_add(&options->states, state);
    }
    return 0;
}

static int take_labels(struct options *options, int argc, char **argv, struct error *err)
{
    for (int i = 0; i < argc; i++) {
        size_t length = strlen(argv[i]);
        bool sets = strchr(argv[i], '=') && argv[i][0] != '=',
             removes = length > 1 && argv[i][length - 1] == '-';
        if (!sets && !removes)
            return error_set(err, ERR_INVALID, "label: want KEY=VALUE, or KEY- to remove one, got \"%.60s\"",
                             argv[i]);
        words_add(&options->labels, argv[i]);
    }
    if (argc == 0)
        return error_set(err, ERR_INVALID, "label: want KEY=VALUE or KEY- behind the id");
    return 0;
}

static int take_port(struct options *options, const char *text, struct error *err)
{
    long port = strlen(text) < 6 && strspn(text, "0123456789") == strlen(text) ? strtol(text, NULL, 10) : 0;

    if (port < 1 || port > 65535)
        return error_set(err, ERR_INVALID, "endpoint: want a port, 1 to 65535, behind the id, got \"%.40s\"",
                         text);
    options->port = (int32_t)port;
    return 0;
}

/* What comes behind the id. *ret_taken: how many arguments that were. */
static int take_own_arguments(struct options *options, int argc, char **argv, int *ret_taken,
                              struct error *err)
{
    *ret_taken = 0;
    if (options->command == COMMAND_WAIT) {
        if (argc == 0)
            return error_set(err, ERR_INVALID, "wait: want states behind the id, for example Running,Failed");
        *ret_taken = 1;
        return take_states(options, argv[0], err);
    }
    if (options->command == COMMAND_ENDPOINT) {
        *ret_taken = argc > 0;
        return take_port(options, argc > 0 ? argv[0] : "", err);
    }
    if (options->command == COMMAND_LABEL) {
        *ret_taken = argc;
        return take_labels(options, argc, argv, err);
    }
    return 0;
}

static int check_create(const struct options *options, struct error *err)
{
    if (!options->image == !options->snapshot)
        return error_set(err, ERR_INVALID, "create: want --image or --snapshot%s",
                         options->image ? ", not both" : "");
    if (options->image && options->words.count == 0)
        return error_set(err, ERR_INVALID, "create: want a command behind --");
    return 0;
}

static int take_arguments(struct options *options, int argc, char **argv, struct error *err)
{
    const char *name = commands[options->command].name;
    const char *wanted =
        options->command == COMMAND_SNAPSHOT_GET || options->command == COMMAND_SNAPSHOT_DELETE ? "snapshot"
                                                                                                : "sandbox";
    int at = 0;

    if (commands[options->command].id == ID_WANTED) {
        if (argc == 0)
            return error_set(err, ERR_INVALID, "%s: want the id of a %s", name, wanted);
        options->id = argv[at++];
    }
    int taken;
    if (take_own_arguments(options, argc - at, argv + at, &taken, err) < 0)
        return -1;
    at += taken;
    if (at < argc)
        return error_set(err, ERR_INVALID, "%s: unexpected argument \"%.60s\"%s", name, argv[at],
                         commands[options->command].words != WORDS_NONE ? "; the command goes behind --"
                                                                        : "");
    if (commands[options->command].words == WORDS_WANTED && options->words.count == 0)
        return error_set(err, ERR_INVALID, "%s: want a command behind --", name);
    if (commands[options->command].words == WORDS_NONE && options->words.count > 0)
        return error_set(err, ERR_INVALID, "%s: takes nothing behind --", name);
    if (options->command == COMMAND_RENEW && options->renew_s == 0)
        return error_set(err, ERR_INVALID, "renew: want --for DURATION, for example --for 30m");
    return options->command == COMMAND_CREATE ? check_create(options, err) : 0;
}

/* Everything behind the first "--" is the command to run; what is before it is ours. */
static int split_words(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        for (int word = i + 1; word < argc; word++)
            words_add(&options->words, argv[word]);
        return i;
    }
    return argc;
}

int options_parse(int argc, char **argv, struct options *options, struct error *err)
{
    const char *address = getenv("STASIS_ADDRESS"), *ca_file = getenv("STASIS_CA_FILE");
    int ours = split_words(argc, argv, options);
    unsigned seen = 0;

    options->command = COMMAND_MAX;
    options->address = address && *address ? address : DEFAULT_ADDRESS;
    options->ca_file = ca_file && *ca_file ? ca_file : NULL;
    if (parse_flags(ours, argv, options, &seen, err) < 0)
        return -1;
    options->tls = options->tls || options->ca_file || options->tls_server_name;
    if (options->command != COMMAND_MAX) /* --help and --version win over whatever else was said */
        return 0;
    if (optind == ours)
        return error_set(err, ERR_INVALID, "want a command: see stasisctl --help");
    int at = optind, words = 0;
    if (find_command(ours - at, argv + at, &options->command, &words, err) < 0 ||
        check_flags(options, seen, err) < 0)
        return -1;
    at += words;
    return take_arguments(options, ours - at, argv + at, err);
}

void options_done(struct options *options)
{
    free(options->words.items);
    free(options->env.items);
    free(options->metadata.items);
    free(options->states.items);
    free(options->volumes.items);
    free(options->labels.items);
}
