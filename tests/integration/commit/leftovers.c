#include "tests/integration/commit/leftovers.h"

#include <stdio.h>

#include "shared/base/alloc.h"
#include "tests/integration/commit/sh.h"
#include "tests/unit/testing.h"

/* The output of a command, without its last newline. The caller frees. */
static char *said(const char *fmt, ...) PRINTF(1, 2);
static char *said(const char *fmt, ...)
{
    char command[4000];
    SCOPED_STRBUF struct strbuf text = STRBUF_INIT;
    char piece[4096];
    size_t got;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);

    FILE *out = popen(command, "r");
    assert_non_null(out);
    while ((got = fread(piece, 1, sizeof(piece), out)) > 0)
        (void)strbuf_append(&text, piece, got);
    (void)pclose(out);
    while (text.length && text.bytes[text.length - 1] == '\n')
        text.bytes[--text.length] = '\0';
    return xstrdup(strbuf_text(&text));
}

static void assert_none(const char *what, char *found)
{
    if (*found)
        fail_msg("%s: want none, got:\n%s", what, found);
    free(found);
}

static char *repository_dir(const struct sandbox *sandbox, const struct member *member)
{
    SCOPED(string) char *repository = sandbox_repository(sandbox, member);
    return xasprintf("%s/registry/data/docker/registry/v2/repositories/%s", sandbox->node->dir, repository);
}

void assert_nothing_is_left(const struct sandbox *sandbox, const char *key, const char *state_dir)
{
    const char *ctr = sandbox->node->ctr;
    const char *owing = "freezing|holding|killing|handedOver";

    for (size_t i = 0; !sandbox->deleted && i < SANDBOX_MEMBERS; i++)
        assert_none("frozen containers",
                    said("%s -n k8s.io tasks ls | grep '%s.*PAUSED'", ctr, sandbox->members[i].id));
    assert_none("leases without an end",
                said("%s -n k8s.io leases ls | grep -F %s | grep -v gc.expire", ctr, key));
    assert_none("ingests", said("%s -n k8s.io content active | tail -n +2", ctr));
    assert_none("spool files", said("ls %s/spool | grep -v ^upload-", state_dir));
    assert_none("journal records",
                said(sandbox->deleted ? "cat %s/commits/*.json 2>/dev/null | grep -F '%s'"
                                      : "cat %s/commits/*.json 2>/dev/null | grep -F '%s' | "
                                        "grep -E '\"stage\":\"(%s)\"'",
                     state_dir, key, owing));
}

void assert_nothing_is_kept(const struct sandbox *sandbox, const char *key)
{
    const char *ctr = sandbox->node->ctr;

    assert_none("leases", said("%s -n k8s.io leases ls | grep -F %s", ctr, key));
    /* Now, and not when containerd finds the time. */
    assert_int_equal(sh("%s -n k8s.io leases create --id collect >/dev/null && %s -n k8s.io leases rm --sync "
                        "collect >/dev/null",
                        ctr, ctr),
                     0);
    assert_none("snapshots", said("%s -n k8s.io snapshots ls | grep -F %s", ctr, key));
    assert_none("images", said("%s -n k8s.io images ls -q | grep -F %s", ctr, sandbox->uid));
}

void assert_one_image(const struct sandbox *sandbox, const struct member *member, const char *tag,
                      const char *digest)
{
    SCOPED(string) char *dir = repository_dir(sandbox, member);
    SCOPED(string) char *tags = said("ls %s/_manifests/tags", dir);
    SCOPED(string) char *current = said("cat %s/_manifests/tags/%s/current/link", dir, tag);
    SCOPED(string) char *want = xasprintf("base\n%s", tag);

    assert_string_equal(tags, want);
    assert_string_equal(current, digest);
}

/* ---- uploads ---- */

/* What docker-registry keeps of an upload that it has cancelled is an empty folder. */
static char *open_uploads(const struct sandbox *sandbox)
{
    SCOPED(string) char *first = repository_dir(sandbox, &sandbox->members[0]);
    SCOPED(string) char *second = repository_dir(sandbox, &sandbox->members[1]);

    return said("find %s/_uploads %s/_uploads -name startedat 2>/dev/null", first, second);
}

void uploads_note(const struct sandbox *sandbox, const char *state_dir, struct uploads *ret_uploads)
{
    *ret_uploads = (struct uploads){.open = open_uploads(sandbox),
                                    .noted = said("cat %s/spool/upload-* 2>/dev/null", state_dir)};
}

void uploads_done(struct uploads *uploads)
{
    free(uploads->open);
    free(uploads->noted);
}

/* "<...>/_uploads/<id>/startedat": was the agent told of it? */
static bool is_noted(const struct uploads *uploads, const char *path)
{
    const char *id = strstr(path, "_uploads/") + strlen("_uploads/");
    SCOPED(string) char *text = xstrndup(id, strcspn(id, "/"));

    return strstr(uploads->noted, text);
}

void assert_uploads_ended(const struct sandbox *sandbox, const char *state_dir, const struct uploads *before)
{
    SCOPED(string) char *now = open_uploads(sandbox);

    for (char *at = now, *path; (path = strsep(&at, "\n"));)
        if (*path && (!strstr(before->open, path) || is_noted(before, path)))
            fail_msg("an upload is open that could have been ended: %s\nnoted: %s", path, before->noted);
    assert_none("notes of uploads", said("ls %s/spool", state_dir));
}
