/* test_stack.c - several layers as one: what a walk shows and a capture writes of a stack of folders. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "committer-agent/layer/walk.h"
#include "scratch.h"
#include "shared/base/alloc.h"
#include "shared/base/strbuf.h"
#include "tar_reader.h"
#include "tests/unit/testing.h"

enum { LAYERS_MAX = 8 };

static const struct layer_options plain = {.compress = {.compression = LAYER_NONE}};

/* Layers in the folders "0" (the topmost), "1"... of the scratch folder. */
struct stack {
    struct scratch layers[LAYERS_MAX];
    int fds[LAYERS_MAX];
    size_t count, below; /* the lowest are below the stack */
};

static void stack_open(const struct scratch *scratch, size_t count, struct stack *ret_stack)
{
    *ret_stack = (struct stack){.count = count};
    for (size_t i = 0; i < count; i++) {
        struct scratch *layer = &ret_stack->layers[i];
        char name[2] = {(char)('0' + i), '\0'};
        (void)mkdirat(scratch->fd, name, 0755); /* a table uses it again, emptied */
        (void)snprintf(layer->path, sizeof(layer->path), "%.40s/%s", scratch->path, name);
        layer->fd = ret_stack->fds[i] = openat(scratch->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(layer->fd >= 0);
    }
}

static void stack_done(struct stack *stack)
{
    char command[128];

    for (size_t i = 0; i < stack->count; i++) {
        (void)close(stack->fds[i]);
        (void)snprintf(command, sizeof(command), "rm -rf %s", stack->layers[i].path);
        assert_int_equal(system(command), 0);
    }
}
#define SCOPED_STACK __attribute__((cleanup(stack_done)))

static struct walk_roots roots_of(const struct stack *stack)
{
    size_t walked = stack->count - stack->below;
    return (struct walk_roots){
        .fds = stack->fds, .count = walked, .below_fds = stack->fds + walked, .below_count = stack->below};
}

static void put_opaque(const struct scratch *layer, const char *name)
{
    put_folder(layer, name);
    assert_int_equal(lsetxattr(scratch_path(layer, name), "trusted.overlay.opaque", "y", 1, 0), 0);
}

static void put_socket(const struct scratch *layer, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", layer->path, name);
    assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(sock);
}

/* One word: "dir/", "opaque//", "whiteout-", "socket%", "link>target", "file=content". */
static void put_word(const struct scratch *layer, char *word)
{
    size_t length = strlen(word);
    char *mark = strpbrk(word, "=>");

    if (mark && *mark == '=') {
        *mark = '\0';
        put_file(layer, word, mark + 1);
    } else if (mark) {
        *mark = '\0';
        assert_int_equal(linkat(layer->fd, mark + 1, layer->fd, word, 0), 0);
    } else if (length > 2 && strcmp(word + length - 2, "//") == 0) {
        word[length - 2] = '\0';
        put_opaque(layer, word);
    } else {
        char kind = word[length - 1];
        word[length - 1] = '\0';
        (kind == '/' ? put_folder : kind == '-' ? put_whiteout : put_socket)(layer, word);
    }
}

static void put_words(const struct scratch *layer, const char *words)
{
    SCOPED(string)
    char *copy = xstrdup(words);
    char *rest = copy;

    for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " "))
        if (*word)
            put_word(layer, word);
}

static void capture_stack(const struct stack *stack, struct captured *ret)
{
    const struct walk_roots roots = roots_of(stack);
    struct error err = {0};

    assert_ok(capture_roots_into_memory(&roots, &plain, ret, &err), &err);
}

/* The layer in words: "dir/", "file=content", "link>target"; whiteouts and opaque markers as they are called. */
static void describe(const struct captured *captured, struct strbuf *ret_words)
{
    SCOPED_TAR_ARCHIVE struct tar_archive archive = {0};

    tar_archive_read(&archive, captured->bytes, captured->length);
    strbuf_reset(ret_words);
    for (size_t i = 1; i < archive.count; i++) { /* without the root */
        const struct tar_member *member = &archive.members[i];
        (void)strbuf_addf(ret_words, "%s%s", i > 1 ? " " : "", member->path);
        if (member->type == '1')
            (void)strbuf_addf(ret_words, ">%s", member->target);
        if (member->type == '0' && member->size_bytes)
            (void)strbuf_addf(ret_words, "=%.*s", (int)member->size_bytes, (const char *)member->content);
    }
}

struct row {
    const char *what, *layers[5]; /* topmost first */
    const char *want;
};

/* With the lowest layers of each row, so many, below the stack. */
static void assert_rows(const struct scratch *scratch, const struct row *rows, size_t count, size_t below)
{
    if (!is_root())
        skip();
    for (const struct row *row = rows; row < rows + count; row++) {
        SCOPED_STACK struct stack stack = {0};
        SCOPED_STRBUF struct strbuf got = STRBUF_INIT;
        SCOPED_CAPTURED struct captured captured = {0};
        size_t layers = 0;
        while (layers < 5 && row->layers[layers])
            layers++;
        stack_open(scratch, layers, &stack);
        stack.below = below;
        for (size_t i = 0; i < layers; i++)
            put_words(&stack.layers[i], row->layers[i]);
        capture_stack(&stack, &captured);
        describe(&captured, &got);
        if (strcmp(strbuf_text(&got), row->want) != 0)
            print_error("%s\n", row->what);
        assert_string_equal(strbuf_text(&got), row->want);
    }
}

static void a_stack_becomes_the_layer_that_one_container_would_have_made(void **state)
{
    static const struct row rows[] = {
        {"names are the union, in their order", {"b=1 d=1", "a=2 e=2", "c=3"}, "a=2 b=1 c=3 d=1 e=2"},
        {"the topmost file wins", {"a=new", "a=old", "a=oldest"}, "a=new"},
        {"folders merge", {"d/ d/a=1", "d/ d/b=2", "d/ d/a=3 d/c=3"}, "d/ d/a=1 d/b=2 d/c=3"},
        {"a layer without the folder is passed over", {"d/ d/a=1", "x=2", "d/ d/b=3"}, "d/ d/a=1 d/b=3 x=2"},
        {"a whiteout stays one", {"a-", "a=old"}, ".wh.a"},
        {"a whiteout further down does, too", {"", "", "a-"}, ".wh.a"},
        {"a file that was made again is a file", {"a=new", "a-", "a=old"}, "a=new"},
        {"a whiteout hides a folder", {"d-", "d/ d/a=1"}, ".wh.d"},
        {"a file hides a folder", {"d=file", "d/ d/a=1"}, "d=file"},
        {"a folder on a whiteout is opaque", {"d/ d/a=1", "d-", "d/ d/b=3"}, "d/ d/.wh..wh..opq d/a=1"},
        {"a folder on a file is opaque", {"d/ d/a=1", "d=file", "d/ d/b=3"}, "d/ d/.wh..wh..opq d/a=1"},
        {"an opaque folder hides what is below", {"d// d/a=1", "d/ d/b=2"}, "d/ d/.wh..wh..opq d/a=1"},
        {"a folder on an opaque one is opaque, and merges with it",
         {"d/ d/a=1", "d// d/b=2", "d/ d/c=3"},
         "d/ d/.wh..wh..opq d/a=1 d/b=2"},
        {"opaque in the lowest layer", {"", "d/ d/a=1", "d// d/b=2"}, "d/ d/.wh..wh..opq d/a=1 d/b=2"},
        {"what hides one folder does not hide the next",
         {"d/ d/e/ d/e/a=1 f/", "d/ d/e// f/ f/b=2", "d/ d/c=3 d/e/ d/e/x=3"},
         "d/ d/c=3 d/e/ d/e/.wh..wh..opq d/e/a=1 f/ f/b=2"},
        {"no whiteout where nothing shows through",
         {"d/ d/a-", "d// d/a=2 d/b=2"},
         "d/ d/.wh..wh..opq d/b=2"},
        {"nor further in", {"d/ d/e/ d/e/a-", "d// d/e/ d/e/a=2"}, "d/ d/.wh..wh..opq d/e/"},
        {"a whiteout in a folder that may merge stays", {"d/ d/a-", "d/ d/a=2"}, "d/ d/.wh.a"},
        {"a socket hides what it replaced", {"d/ d/s%", "d/ d/s=2"}, "d/ d/.wh.s"},
        {"a socket where nothing shows through leaves nothing",
         {"d/ d/s%", "d// d/s=2"},
         "d/ d/.wh..wh..opq"},
        {"links within a layer stay links", {"", "a=1 b>a d/ d/c>a"}, "a=1 b>a d/ d/c>a"},
        {"a name that was written alone leaves its links", {"a=new", "a=1 b>a c>a"}, "a=new b=1 c>b"},
        {"the first link may be hidden", {"a-", "a=1 b>a"}, ".wh.a b=1"},
        {"nothing is nothing", {"", "", ""}, ""},
    };

    assert_rows(*state, rows, sizeof(rows) / sizeof(rows[0]), 0);
}

static void what_the_stack_lies_on_says_which_deletions_are_needed(void **state)
{
    static const struct row rows[] = {
        /* the last two are below */
        {"what is below is not in the layer", {"a=1", "b=2", "c=3", "d=4"}, "a=1 b=2"},
        {"a name that only the stack had leaves no trace", {"a-", "a=1", "", "b=2"}, ""},
        {"one that is below is deleted", {"a-", "a=1", "", "a=2"}, ".wh.a"},
        {"even if the stack never had it", {"a-", "", "a=2", ""}, ".wh.a"},
        {"but not twice", {"a-", "", "a-", "a=2"}, ""},
        {"a folder below counts", {"a-", "a=1", "", "a/"}, ".wh.a"},
        {"further in", {"d/ d/a- d/b-", "d/ d/a=1 d/b=1", "", "d/ d/b=2"}, "d/ d/.wh.b"},
        {"in a folder that nothing is below", {"d/ d/a-", "d/ d/a=1", "x=1", ""}, "d/"},
        {"in a folder that replaced what is below",
         {"d/ d/a-", "d// d/a=1", "", "d/ d/a=2"},
         "d/ d/.wh..wh..opq"},
        {"behind an opaque folder below", {"d/ d/a-", "d/", "d// d/b=1", "d/ d/a=2"}, "d/"},
        {"behind a file below", {"d/ d/a-", "d/ d/a=1", "d=1", "d/ d/a=2"}, "d/"},
        {"a folder on a folder below stays open", {"d/ d/a=1", "", "d/", "d/ d/b=2"}, "d/ d/a=1"},
        {"what is opaque below says nothing of the stack", {"d/ d/a=1", "", "d//", "d/ d/b=2"}, "d/ d/a=1"},
        {"a socket hides a name below", {"s%", "", "", "s=1"}, ".wh.s"},
        {"and leaves no trace elsewhere", {"s%", "s=2", "", "t=1"}, ""},
        {"a stack of one", {"a- b-", "", "a=1"}, ".wh.a"},
    };

    assert_rows(*state, rows, sizeof(rows) / sizeof(rows[0]), 2);
}

static void a_folder_has_the_attributes_of_its_topmost_layer(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED_STACK struct stack stack = {0};
    SCOPED_CAPTURED struct captured captured = {0};
    SCOPED_TAR_ARCHIVE struct tar_archive archive = {0};

    stack_open(scratch, 3, &stack);
    for (unsigned i = 1; i < 3; i++) {
        put_folder(&stack.layers[i], "d");
        assert_int_equal(fchmodat(stack.fds[i], "d", 0700 + i, 0), 0);
        set_mtime(&stack.layers[i], "d", 1000 + i, i);
    }
    capture_stack(&stack, &captured);
    tar_archive_read(&archive, captured.bytes, captured.length);
    const struct tar_member *d = tar_archive_find(&archive, "d/");
    assert_non_null(d);
    assert_int_equal(d->mode, 0701);
    assert_int_equal(d->mtime.tv_sec, 1001);
    assert_int_equal(d->mtime.tv_nsec, 1);
}

static void a_folder_of_any_layer_that_overlayfs_alone_understands_is_refused(void **state)
{
    const struct scratch *scratch = *state;
    SCOPED_STACK struct stack stack = {0};
    struct captured captured;
    struct error err = {0};

    if (!is_root())
        skip();
    stack_open(scratch, 3, &stack);
    for (unsigned i = 0; i < 3; i++)
        put_folder(&stack.layers[i], "d");
    assert_int_equal(lsetxattr(scratch_path(&stack.layers[2], "d"), "trusted.overlay.redirect", "e", 1, 0),
                     0);
    const struct walk_roots roots = roots_of(&stack);
    assert_fails(capture_roots_into_memory(&roots, &plain, &captured, &err), &err, ERR_UNSUPPORTED,
                 "folder d: has trusted.overlay.redirect");
    assert_string_equal(err.reason, "UnsupportedOverlay");
}

/* ---- the walk ---- */

/* "path root-has-inode hides\n" for each entry. */
static void walk_all(const struct stack *stack, const struct walk_limits *limits, struct strbuf *ret_text,
                     unsigned *ret_most_open)
{
    const struct walk_roots roots = roots_of(stack);
    SCOPED(walk)
    struct walk *walk = walk_new(&roots, limits);
    struct walk_entry entry;
    struct error err;
    int more;

    strbuf_reset(ret_text);
    *ret_most_open = 0;
    while ((more = walk_next(walk, &entry, &err)) > 0) {
        unsigned open_now = open_descriptors();
        (void)strbuf_addf(ret_text, "%s %ju%s\n", entry.path, (uintmax_t)entry.st.st_ino,
                          entry.hides_below ? " hides" : "");
        *ret_most_open = open_now > *ret_most_open ? open_now : *ret_most_open;
    }
    assert_ok(more, &err);
}

static unsigned below(unsigned *seed, unsigned count)
{
    *seed = *seed * 1103515245 + 12345;
    return (*seed >> 16) % count;
}

/* Few names, so that layers meet. */
static void put_random(const struct scratch *layer, const char *folder, unsigned depth, unsigned *seed)
{
    static void (*const puts[])(const struct scratch *layer, const char *name) = {put_folder, put_folder,
                                                                                  put_opaque, put_whiteout};

    for (unsigned i = 0; i < 6; i++) {
        SCOPED(string)
        char *path = xasprintf("%s%s%0*u", folder, folder[0] ? "/" : "", 1 + (int)i * 40, i);
        unsigned kind = below(seed, 7);
        if (kind == 4)
            put_file(layer, path, "");
        if (kind < 4)
            puts[kind](layer, path);
        if (kind < 3 && depth > 0)
            put_random(layer, path, depth - 1, seed);
    }
}

/* A law: no limit on memory or descriptors changes what is seen. */
static void tight_limits_change_nothing_but_speed(void **state)
{
    static const struct walk_limits loose = {0}, tight = {.open_folders_max = 2, .names_budget_bytes = 4096};
    const struct scratch *scratch = *state;

    if (!is_root())
        skip();
    for (unsigned seed = 1; seed < 12; seed++) {
        SCOPED_STACK struct stack stack = {0};
        SCOPED_STRBUF struct strbuf loosely = STRBUF_INIT, tightly = STRBUF_INIT;
        unsigned ignored, random = seed;
        stack_open(scratch, 2 + seed % 4, &stack);
        stack.below = seed % 2;
        for (size_t i = 0; i < stack.count; i++)
            put_random(&stack.layers[i], "", 4, &random);
        walk_all(&stack, &loose, &loosely, &ignored);
        walk_all(&stack, &tight, &tightly, &ignored);
        assert_true(loosely.length > 100);
        assert_string_equal(strbuf_text(&loosely), strbuf_text(&tightly));
    }
}

static void put_deep(const struct scratch *layer, unsigned depth)
{
    SCOPED_STRBUF struct strbuf path = STRBUF_INIT;

    for (unsigned i = 0; i < depth; i++) {
        (void)strbuf_adds(&path, i ? "/m" : "m");
        put_folder(layer, strbuf_text(&path));
        for (const char *c = "az"; *c; c++) {
            SCOPED(string) char *beside = xasprintf("%s/%c", strbuf_text(&path), *c);
            put_folder(layer, beside);
        }
    }
}

/* On the way back from the depth of one layer, the others' folders are found again by their names. */
static void depth_costs_descriptors_only_as_the_limit_says(void **state)
{
    static const struct walk_limits limits = {.open_folders_max = 9};
    static const unsigned depths[] = {100, 30, 60};
    const struct scratch *scratch = *state;
    SCOPED_STACK struct stack stack = {0};
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    unsigned most, lines = 0;

    stack_open(scratch, 3, &stack);
    for (size_t i = 0; i < 3; i++)
        put_deep(&stack.layers[i], depths[i]);
    unsigned before = open_descriptors();
    walk_all(&stack, &limits, &text, &most);
    for (const char *c = strbuf_text(&text); *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 1 + 3 * 100);
    assert_true(most <= before + 9 + 3 + 3); /* beyond the limit: one folder's own, the entry's */
    assert_int_equal(open_descriptors(), before);
}

/* What a walk of two layers says when the lower one's folder is moved while it is deep in the upper's. */
static void walk_while_a_folder_is_moved(const struct scratch *scratch, bool another_takes_its_place,
                                         struct error *err)
{
    static const struct walk_limits tight = {.open_folders_max = 2};
    SCOPED_STACK struct stack stack = {0};
    struct walk_entry entry;
    int more;

    stack_open(scratch, 2, &stack);
    put_words(&stack.layers[0], "m/ m/a/ m/a/b/ m/a/b/c/ m/a/b/c/d=1");
    put_words(&stack.layers[1], "m/ m/z=1");
    const struct walk_roots roots = roots_of(&stack);
    SCOPED(walk) struct walk *walk = walk_new(&roots, &tight);
    while ((more = walk_next(walk, &entry, err)) > 0)
        if (strcmp(entry.name, "d") == 0) {
            assert_int_equal(renameat(stack.fds[1], "m", stack.fds[1], "stolen"), 0);
            if (another_takes_its_place)
                put_folder(&stack.layers[1], "m");
        }
    assert_int_equal(more, -1);
}

static void a_folder_that_is_moved_elsewhere_is_noticed_from_the_root_too(void **state)
{
    struct error err = {0};

    walk_while_a_folder_is_moved(*state, true, &err);
    assert_fails(-1, &err, ERR_PRECONDITION, "was moved");
    assert_string_equal(err.reason, "FileChanged");
}

static void a_folder_that_is_not_found_again_from_the_root_is_a_change(void **state)
{
    struct error err = {0};

    walk_while_a_folder_is_moved(*state, false, &err);
    assert_fails(-1, &err, ERR_PRECONDITION, "went away");
    assert_string_equal(err.reason, "FileChanged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_stack_becomes_the_layer_that_one_container_would_have_made),
        IN_SCRATCH(what_the_stack_lies_on_says_which_deletions_are_needed),
        IN_SCRATCH(a_folder_has_the_attributes_of_its_topmost_layer),
        IN_SCRATCH(a_folder_of_any_layer_that_overlayfs_alone_understands_is_refused),
        IN_SCRATCH(tight_limits_change_nothing_but_speed),
        IN_SCRATCH(depth_costs_descriptors_only_as_the_limit_says),
        IN_SCRATCH(a_folder_that_is_moved_elsewhere_is_noticed_from_the_root_too),
        IN_SCRATCH(a_folder_that_is_not_found_again_from_the_root_is_a_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
