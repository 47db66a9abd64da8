#include "committer-agent/layer/layer.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "scratch.h"
#include "tar_reader.h"
#include "tests/unit/testing.h"

static const struct layer_options plain = {.compress = {.compression = LAYER_NONE}};

/* The layer of the scratch folder, captured and read back. */
struct layer {
    struct captured captured;
    struct tar_archive archive;
};

static void layer_done(struct layer *layer)
{
    tar_archive_done(&layer->archive);
    captured_done(&layer->captured);
}
#define SCOPED_LAYER __attribute__((cleanup(layer_done)))

static struct layer capture_with(const struct scratch *scratch, const struct layer_options *options)
{
    struct layer layer = {0};
    struct error err = {0};

    assert_ok(capture_into_memory(scratch->path, options, &layer.captured, &err), &err);
    tar_archive_read(&layer.archive, layer.captured.bytes, layer.captured.length);
    return layer;
}

static struct layer capture(const struct scratch *scratch)
{
    return capture_with(scratch, &plain);
}

static const struct tar_member *member(const struct layer *layer, const char *path)
{
    const struct tar_member *found = tar_archive_find(&layer->archive, path);

    if (!found)
        print_error("no %s in the layer\n", path);
    assert_non_null(found);
    return found;
}

static void assert_order(const struct layer *layer, const char *const *paths)
{
    size_t i = 0;

    for (; paths[i]; i++) {
        assert_true(i < layer->archive.count);
        assert_string_equal(layer->archive.members[i].path, paths[i]);
    }
    assert_int_equal(layer->archive.count, i);
}

static void set_xattr(const struct scratch *scratch, const char *name, const char *key, const void *value,
                      size_t length)
{
    assert_int_equal(lsetxattr(scratch_path(scratch, name), key, value, length, 0), 0);
}

static const struct tar_member_xattr *xattr_of(const struct tar_member *of, const char *name)
{
    for (size_t i = 0; i < of->xattr_count; i++)
        if (strcmp(of->xattrs[i].name, name) == 0)
            return &of->xattrs[i];
    return NULL;
}

static void put_socket(const struct scratch *scratch, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", scratch->path, name);
    assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(sock);
}

/* ---- what is in a layer ---- */

static void an_untouched_container_gives_a_layer_with_the_root_alone(void **state)
{
    const struct scratch *scratch = *state;

    set_mtime(scratch, "", 1700000000, 0);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_order(&layer, (const char *const[]){"./", NULL});
    assert_int_equal(layer.captured.result.files, 0);
    assert_int_equal(layer.captured.result.tar_bytes, 3 * 512);
}

static void deletions_become_whiteouts_beside_what_is_left(void **state)
{
    const struct scratch *scratch = *state;

    put_whiteout(scratch, "gone");
    put_folder(scratch, "d");
    put_whiteout(scratch, "d/old");
    put_file(scratch, "d/new", "x");
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_order(&layer, (const char *const[]){"./", "d/", "d/new", "d/.wh.old", ".wh.gone", NULL});
    const struct tar_member *whiteout = member(&layer, ".wh.gone");
    assert_int_equal(whiteout->type, '0');
    assert_int_equal(whiteout->size_bytes, 0);
    assert_int_equal(whiteout->mode, 0);
    assert_int_equal(whiteout->mtime.tv_sec, 0);
}

/* overlayfs links all whiteouts of a mount together since Linux 5.7. */
static void whiteouts_that_share_an_inode_stay_deletions(void **state)
{
    const struct scratch *scratch = *state;

    put_whiteout(scratch, "a");
    assert_int_equal(linkat(scratch->fd, "a", scratch->fd, "b", 0), 0);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_order(&layer, (const char *const[]){"./", ".wh.a", ".wh.b", NULL});
    assert_int_equal(member(&layer, ".wh.b")->type, '0');
}

static void an_opaque_folder_has_its_marker_before_its_content(void **state)
{
    const struct scratch *scratch = *state;

    if (!is_root())
        skip();
    put_folder(scratch, "d");
    put_file(scratch, "d/ ", "");
    set_xattr(scratch, "d", "trusted.overlay.opaque", "y", 1);
    set_xattr(scratch, "d", "trusted.overlay.origin", "whatever", 8);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_order(&layer, (const char *const[]){"./", "d/", "d/.wh..wh..opq", "d/ ", NULL});
    assert_int_equal(member(&layer, "d/")->xattr_count, 0);
    assert_int_equal(layer.captured.result.lost[LAYER_LOST_XATTR_TRUSTED].count, 0);
}

static void files_come_with_every_attribute(void **state)
{
    const struct scratch *scratch = *state;

    put_file(scratch, "file", "content");
    set_xattr(scratch, "file", "user.note", "a\0b", 3);
    assert_int_equal(fchmodat(scratch->fd, "file", 06751, 0), 0);
    set_mtime(scratch, "file", 1700000000, 987654321);
    SCOPED_LAYER struct layer layer = capture(scratch);
    const struct tar_member *file = member(&layer, "file");
    assert_int_equal(file->type, '0');
    assert_int_equal(file->mode, 06751);
    assert_int_equal(file->uid, getuid());
    assert_int_equal(file->gid, getgid());
    assert_int_equal(file->mtime.tv_sec, 1700000000);
    assert_int_equal(file->mtime.tv_nsec, 987654321);
    assert_int_equal(file->size_bytes, 7);
    assert_memory_equal(file->content, "content", 7);
    assert_int_equal(file->xattr_count, 1);
    assert_string_equal(file->xattrs[0].name, "user.note");
    assert_memory_equal(file->xattrs[0].value, "a\0b", 3);
}

static void symlinks_fifos_and_devices_come_as_themselves(void **state)
{
    const struct scratch *scratch = *state;

    assert_int_equal(symlinkat("../\xff/etc", scratch->fd, "symlink"), 0);
    set_mtime(scratch, "symlink", 12345, 678);
    assert_int_equal(mkfifoat(scratch->fd, "fifo", 0600), 0);
    if (is_root())
        assert_int_equal(mknodat(scratch->fd, "block", S_IFBLK | 0600, makedev(259, 65537)), 0);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_int_equal(member(&layer, "symlink")->type, '2');
    assert_string_equal(member(&layer, "symlink")->target, "../\xff/etc");
    assert_int_equal(member(&layer, "symlink")->mtime.tv_nsec, 678);
    assert_int_equal(member(&layer, "fifo")->type, '6');
    if (is_root()) {
        assert_int_equal(member(&layer, "block")->type, '4');
        assert_int_equal(member(&layer, "block")->device_major, 259);
        assert_int_equal(member(&layer, "block")->device_minor, 65537);
    }
}

/* Unpackers chown what they linked, which drops capabilities, and then apply what the entry says. */
static void further_links_point_to_the_first_path_and_repeat_the_attributes(void **state)
{
    const struct scratch *scratch = *state;

    put_folder(scratch, "z");
    put_file(scratch, "z/second", "data");
    assert_int_equal(fchmodat(scratch->fd, "z/second", 04711, 0), 0);
    set_xattr(scratch, "z/second", "user.k", "v", 1);
    assert_int_equal(linkat(scratch->fd, "z/second", scratch->fd, "first", 0), 0);
    assert_int_equal(symlinkat("t", scratch->fd, "sym"), 0);
    assert_int_equal(linkat(scratch->fd, "sym", scratch->fd, "z/sym", 0), 0);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_int_equal(member(&layer, "first")->type, '0');
    assert_int_equal(member(&layer, "first")->size_bytes, 4);
    const struct tar_member *second = member(&layer, "z/second");
    assert_int_equal(second->type, '1');
    assert_string_equal(second->target, "first");
    assert_int_equal(second->size_bytes, 0);
    assert_int_equal(second->mode, 04711);
    assert_non_null(xattr_of(second, "user.k"));
    assert_int_equal(member(&layer, "sym")->type, '2');
    assert_int_equal(member(&layer, "z/sym")->type, '1');
    assert_string_equal(member(&layer, "z/sym")->target, "sym");
}

static void a_link_whose_first_name_cannot_be_carried_is_carried_by_its_second(void **state)
{
    const struct scratch *scratch = *state;

    put_file(scratch, ".wh.bad", "data");
    assert_int_equal(linkat(scratch->fd, ".wh.bad", scratch->fd, "good", 0), 0);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_int_equal(member(&layer, "good")->type, '0');
    assert_memory_equal(member(&layer, "good")->content, "data", 4);
}

static void below_a_default_acl_children_say_that_they_inherit_nothing(void **state)
{
    static const unsigned char acl[] =
        "\2\0\0\0\1\0\7\0\377\377\377\377\2\0\7\0\322\4\0\0\4\0\5\0\377\377\377\377"
        "\20\0\7\0\377\377\377\377\40\0\5\0\377\377\377\377";
    static const unsigned char mode_0640[] =
        "\2\0\0\0\1\0\6\0\377\377\377\377\4\0\4\0\377\377\377\377\40\0\0\0\377"
        "\377\377\377";
    const struct scratch *scratch = *state;

    put_folder(scratch, "d");
    put_file(scratch, "d/file", "");
    put_folder(scratch, "d/sub");
    put_file(scratch, "d/sub/file", "");
    put_file(scratch, "other", "");
    assert_int_equal(symlinkat("t", scratch->fd, "d/symlink"), 0);
    assert_int_equal(fchmodat(scratch->fd, "d/file", 0640, 0), 0);
    if (setxattr(scratch_path(scratch, "d"), "system.posix_acl_default", acl, sizeof(acl) - 1, 0) < 0)
        skip(); /* a file system without ACLs */
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_int_equal(xattr_of(member(&layer, "d/"), "system.posix_acl_default")->value_length,
                     sizeof(acl) - 1);
    assert_int_equal(member(&layer, "d/file")->xattr_count, 1);
    assert_memory_equal(xattr_of(member(&layer, "d/file"), "system.posix_acl_access")->value, mode_0640,
                        sizeof(mode_0640) - 1);
    assert_int_equal(xattr_of(member(&layer, "d/sub/"), "system.posix_acl_default")->value_length, 4);
    assert_int_equal(member(&layer, "d/symlink")->xattr_count, 0);
    assert_int_equal(member(&layer, "d/sub/file")->xattr_count, 0);
    assert_int_equal(member(&layer, "other")->xattr_count, 0);
}

/* ---- what is not, and is reported ---- */

static void assert_lost(const struct layer *layer, enum layer_loss loss, uint64_t count, const char *example)
{
    assert_int_equal(layer->captured.result.lost[loss].count, count);
    assert_string_equal(layer->captured.result.lost[loss].example.text, example);
}

static void what_a_layer_cannot_carry_is_counted_with_an_example(void **state)
{
    const struct scratch *scratch = *state;

    put_folder(scratch, "d");
    put_socket(scratch, "d/one.sock");
    put_socket(scratch, "d/two.sock");
    put_file(scratch, ".wh.file", "");
    put_folder(scratch, ".wh..wh.folder");
    put_file(scratch, ".wh..wh.folder/inside", "");
    put_file(scratch, "file", "");
    set_xattr(scratch, "file", "user.a=b", "", 0);
    set_mtime(scratch, "file", -5, 0);
    if (is_root())
        set_xattr(scratch, "file", "trusted.secret", "1", 1);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_order(&layer, (const char *const[]){"./", "d/", "file", NULL});
    assert_lost(&layer, LAYER_LOST_SOCKET, 2, "d/one.sock");
    assert_lost(&layer, LAYER_LOST_WHITEOUT_NAME, 2, ".wh..wh.folder");
    assert_lost(&layer, LAYER_LOST_XATTR_NAME, 1, "file");
    assert_lost(&layer, LAYER_LOST_TIME, 1, "file");
    assert_lost(&layer, LAYER_LOST_XATTR_TRUSTED, is_root() ? 1 : 0, is_root() ? "file" : "");
    assert_int_equal(member(&layer, "file")->mtime.tv_sec, -5);
    assert_int_equal(layer.captured.result.files, 2);
}

static void a_lost_socket_still_hides_what_it_replaced(void **state)
{
    const struct scratch *scratch = *state;

    if (!is_root())
        skip();
    put_folder(scratch, "copied-up");
    set_xattr(scratch, "copied-up", "trusted.overlay.origin", "", 0);
    put_socket(scratch, "copied-up/s");
    put_folder(scratch, "opaque");
    set_xattr(scratch, "opaque", "trusted.overlay.opaque", "y", 1);
    put_socket(scratch, "opaque/s");
    put_folder(scratch, "new");
    put_socket(scratch, "new/s");
    put_socket(scratch, "s");
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_order(&layer, (const char *const[]){"./", "copied-up/", "copied-up/.wh.s", "new/", "opaque/",
                                               "opaque/.wh..wh..opq", ".wh.s", NULL});
}

static void a_root_that_unpackers_would_not_restore_is_reported_and_still_in_the_layer(void **state)
{
    const struct scratch *scratch = *state;

    assert_int_equal(chmod(scratch->path, 01777), 0);
    set_xattr(scratch, "", "user.k", "v", 1);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_lost(&layer, LAYER_LOST_ROOT_ATTRIBUTES, 1, "/");
    assert_int_equal(member(&layer, "./")->mode, 01777);
    assert_int_equal(member(&layer, "./")->xattr_count, 1);
}

static void put_path_of(const struct scratch *scratch, unsigned folders)
{
    int fd = dup(scratch->fd);

    for (unsigned i = 0; i < folders; i++) {
        assert_int_equal(mkdirat(fd, "0123456789", 0755), 0);
        int next = openat(fd, "0123456789", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void)close(fd);
        fd = next;
    }
    (void)close(fd);
}

static void paths_that_containerd_cannot_unpack_are_left_out_unless_asked_for(void **state)
{
    const struct layer_options all = {.compress = plain.compress, .carried_path_max_bytes = 1 << 16};
    const struct scratch *scratch = *state;

    put_path_of(scratch, 400); /* 4,399 bytes */
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_int_equal(layer.archive.count, 1 + 3841 / 11);
    assert_int_equal(layer.captured.result.lost[LAYER_LOST_PATH].count, 1);
    SCOPED_LAYER struct layer whole = capture_with(scratch, &all);
    assert_int_equal(whole.archive.count, 401);
    assert_int_equal(strlen(whole.archive.members[400].path), 4400);
}

static void every_loss_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = 0; a < LAYER_LOSS_MAX; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(layer_loss_name((enum layer_loss)a), layer_loss_name((enum layer_loss)b));
}

/* ---- refusals ---- */

static void a_layer_that_cannot_stand_alone_is_left_to_containerd(void **state)
{
    static const char *const names[] = {"redirect", "metacopy", "nlink", "whiteout", "opaque"};
    const struct scratch *scratch = *state;

    if (!is_root())
        skip();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct captured captured;
        struct error err = {0};
        char key[64];
        (void)snprintf(key, sizeof(key), "trusted.overlay.%s", names[i]);
        put_folder(scratch, "d");
        set_xattr(scratch, "d", key, "x", 1);
        assert_fails(capture_into_memory(scratch->path, &plain, &captured, &err), &err, ERR_UNSUPPORTED, key);
        assert_contains(err.text, "capturing d: ");
        assert_string_equal(err.reason, "UnsupportedOverlay");
        assert_int_equal(unlinkat(scratch->fd, "d", AT_REMOVEDIR), 0);
    }
}

static void a_huge_sparse_file_is_refused_before_it_is_read(void **state)
{
    const struct layer_options small = {.compress = plain.compress, .tar_bytes_max = 1 << 30};
    const struct scratch *scratch = *state;
    struct captured captured;
    struct error err = {0};

    put_file(scratch, "huge", "");
    assert_int_equal(truncate(scratch_path(scratch, "huge"), 1LL << 40), 0);
    assert_fails(capture_into_memory(scratch->path, &small, &captured, &err), &err, ERR_EXHAUSTED,
                 "capturing huge");
    assert_string_equal(err.reason, "LayerTooLarge");
}

/* Captures with readers watching; answers what they got. */
static int capture_for_reader(const struct scratch *scratch, const char *spool_dir, const bool *cancelled,
                              struct error *ret_capture_error, struct error *ret_reader_error)
{
    SCOPED(spool) struct spool *spool = NULL;
    struct layer_result result;
    char byte;
    size_t length;

    assert_ok(spool_new(spool_dir, &spool, ret_capture_error), ret_capture_error);
    assert_int_equal(layer_capture(&(struct walk_roots){.fds = &scratch->fd, .count = 1}, &plain, spool, NULL,
                                   cancelled, &result, ret_capture_error),
                     -1);
    SCOPED(spool_reader) struct spool_reader *reader = spool_reader_new(spool, 0);
    int answer = spool_reader_read(reader, &byte, 1, &length, ret_reader_error);
    assert_ok(spool_unlink(spool, ret_capture_error), ret_capture_error);
    return answer;
}

static void cancelling_ends_the_capture_and_tells_the_readers(void **state)
{
    const struct scratch *scratch = *state;
    struct error err = {0}, seen = {0};
    const bool cancelled = true;

    put_file(scratch, "file", "x");
    assert_fails(capture_for_reader(scratch, "/tmp", &cancelled, &err, &seen), &seen, ERR_CANCELLED,
                 "cancelled");
    assert_int_equal(err.code, ERR_CANCELLED);
}

static void a_full_disk_ends_the_capture_and_tells_the_readers(void **state)
{
    char dir[] = "/tmp/stasis-full-XXXXXX";
    const struct scratch *scratch = *state;
    struct error err = {0}, seen = {0};

    if (!is_root() || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip();
    put_file(scratch, "file", "");
    assert_int_equal(truncate(scratch_path(scratch, "file"), 64 << 20), 0);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, "size=2m"), 0);
    int answer = capture_for_reader(scratch, dir, NULL, &err, &seen);
    assert_int_equal(umount(dir), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_fails(answer, &seen, ERR_EXHAUSTED, "No space left");
    assert_string_equal(seen.reason, "DiskFull");
}

/* ---- laws ---- */

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return *seed >> 33;
}

/* A tree of every kind of entry. Two orders of creation give trees that differ in nothing a layer can see. */
static void put_tree(const struct scratch *scratch, uint64_t seed, bool backwards)
{
    char name[64], content[5000];

    for (unsigned n = 0; n < 60; n++) {
        unsigned i = backwards ? 59 - n : n;
        uint64_t mine = seed + i;
        (void)snprintf(name, sizeof(name), "%c-%u", (int)('a' + next_random(&mine) % 26), i);
        switch (next_random(&mine) % 5) {
        case 0:
            assert_int_equal(symlinkat("target", scratch->fd, name), 0);
            break;
        case 1:
            put_folder(scratch, name);
            break;
        case 2:
            assert_int_equal(mkfifoat(scratch->fd, name, 0640), 0);
            break;
        default:
            memset(content, 'x', sizeof(content));
            content[next_random(&mine) % sizeof(content)] = '\0';
            put_file(scratch, name, content);
            set_xattr(scratch, name, backwards ? "user.b" : "user.a", "1", 1);
            set_xattr(scratch, name, backwards ? "user.a" : "user.b", "1", 1);
        }
        set_mtime(scratch, name, (int64_t)(next_random(&mine) % 2000000000),
                  (long)(next_random(&mine) % 1000000000));
    }
    set_mtime(scratch, "", 1700000000, 1);
}

static void the_same_tree_gives_the_same_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 4; seed++)
        for (int c = 0; c < LAYER_COMPRESSION_MAX; c++) {
            const struct layer_options options = {
                .compress = {.compression = (enum layer_compression)c, .threads = 2}};
            SCOPED_CAPTURED struct captured forwards = {0}, backwards = {0};
            struct error err = {0};
            void *a, *b;
            assert_int_equal(scratch_setup(&a), 0);
            assert_int_equal(scratch_setup(&b), 0);
            put_tree(a, seed, false);
            put_tree(b, seed, true);
            assert_ok(capture_into_memory(((struct scratch *)a)->path, &options, &forwards, &err), &err);
            assert_ok(capture_into_memory(((struct scratch *)b)->path, &options, &backwards, &err), &err);
            assert_string_equal(forwards.result.diff_id.text, backwards.result.diff_id.text);
            assert_string_equal(forwards.result.digest.text, backwards.result.digest.text);
            assert_int_equal(scratch_teardown(&a), 0);
            assert_int_equal(scratch_teardown(&b), 0);
        }
}

static size_t decompressed(enum layer_compression compression, const struct captured *captured,
                           unsigned char *ret_bytes, size_t room)
{
    if (compression == LAYER_ZSTD) {
        size_t got = ZSTD_decompress(ret_bytes, room, captured->bytes, captured->length);
        assert_false(ZSTD_isError(got));
        return got;
    }
    if (compression == LAYER_GZIP) {
        z_stream stream = {.next_in = captured->bytes,
                           .avail_in = (unsigned)captured->length,
                           .next_out = ret_bytes,
                           .avail_out = (unsigned)room};
        assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
        assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
        assert_int_equal(inflateEnd(&stream), Z_OK);
        return stream.total_out;
    }
    memcpy(ret_bytes, captured->bytes, captured->length);
    return captured->length;
}

static void digests_and_sizes_are_those_of_the_bytes(void **state)
{
    const struct scratch *scratch = *state;
    struct digest diff_id = {0};

    put_tree(scratch, 42, false);
    put_file(scratch, "large", "");
    assert_int_equal(truncate(scratch_path(scratch, "large"), 3000000), 0);
    for (int c = 0; c < LAYER_COMPRESSION_MAX; c++) {
        const struct layer_options options = {.compress = {.compression = (enum layer_compression)c}};
        SCOPED_CAPTURED struct captured captured = {0};
        struct error err = {0};
        assert_ok(capture_into_memory(scratch->path, &options, &captured, &err), &err);
        const struct layer_result *result = &captured.result;
        unsigned char *tar = malloc(result->tar_bytes);
        assert_non_null(tar);
        assert_int_equal(decompressed(options.compress.compression, &captured, tar, result->tar_bytes),
                         result->tar_bytes);
        struct digest digest = digest_of(captured.bytes, captured.length),
                      inner = digest_of(tar, result->tar_bytes);
        free(tar);
        assert_string_equal(result->digest.text, digest.text);
        assert_string_equal(result->diff_id.text, inner.text);
        assert_true(c == 0 || digest_equal(&diff_id, &result->diff_id)); /* whatever the encoding */
        diff_id = result->diff_id;
    }
}

/* Not a law but a promise across versions: who changes these bytes changes every diffID. */
static void a_known_tree_has_a_known_diff_id(void **state)
{
    const struct scratch *scratch = *state;

    if (!is_root())
        skip(); /* owners are part of it */
    put_folder(scratch, "d");
    put_file(scratch, "d/file", "golden\n");
    set_xattr(scratch, "d/file", "user.k", "v", 1);
    assert_int_equal(linkat(scratch->fd, "d/file", scratch->fd, "link", 0), 0);
    assert_int_equal(symlinkat("d/file", scratch->fd, "sym"), 0);
    put_whiteout(scratch, "gone");
    set_mtime(scratch, "d/file", 1700000000, 5);
    set_mtime(scratch, "sym", 1700000000, 0);
    set_mtime(scratch, "d", 1700000000, 0);
    set_mtime(scratch, "", 1700000000, 0);
    SCOPED_LAYER struct layer layer = capture(scratch);
    assert_string_equal(layer.captured.result.diff_id.text,
                        "sha256:6449a308736ad3481faa46f55e868573ea7006c2e8d6e453710d7cca360e67f6");
}

static void progress_adds_up_over_captures(void **state)
{
    const struct scratch *scratch = *state;
    struct layer_progress progress = {0};
    unsigned long long written = 0;

    put_file(scratch, "file", "12345");
    for (int i = 0; i < 2; i++) {
        SCOPED(spool) struct spool *spool = NULL;
        struct layer_result result;
        struct error err = {0};
        assert_ok(spool_new("/tmp", &spool, &err), &err);
        assert_ok(layer_capture(&(struct walk_roots){.fds = &scratch->fd, .count = 1}, &plain, spool,
                                &progress, NULL, &result, &err),
                  &err);
        written += result.size_bytes;
        assert_ok(spool_unlink(spool, &err), &err);
    }
    assert_int_equal(progress.bytes_read, 10);
    assert_int_equal(progress.bytes_written, written);
    assert_int_equal(progress.files, 4); /* the roots too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(an_untouched_container_gives_a_layer_with_the_root_alone),
        IN_SCRATCH(deletions_become_whiteouts_beside_what_is_left),
        IN_SCRATCH(whiteouts_that_share_an_inode_stay_deletions),
        IN_SCRATCH(an_opaque_folder_has_its_marker_before_its_content),
        IN_SCRATCH(files_come_with_every_attribute),
        IN_SCRATCH(symlinks_fifos_and_devices_come_as_themselves),
        IN_SCRATCH(further_links_point_to_the_first_path_and_repeat_the_attributes),
        IN_SCRATCH(a_link_whose_first_name_cannot_be_carried_is_carried_by_its_second),
        IN_SCRATCH(below_a_default_acl_children_say_that_they_inherit_nothing),
        IN_SCRATCH(what_a_layer_cannot_carry_is_counted_with_an_example),
        IN_SCRATCH(a_lost_socket_still_hides_what_it_replaced),
        IN_SCRATCH(a_root_that_unpackers_would_not_restore_is_reported_and_still_in_the_layer),
        IN_SCRATCH(paths_that_containerd_cannot_unpack_are_left_out_unless_asked_for),
        cmocka_unit_test(every_loss_has_a_name_of_its_own),
        IN_SCRATCH(a_layer_that_cannot_stand_alone_is_left_to_containerd),
        IN_SCRATCH(a_huge_sparse_file_is_refused_before_it_is_read),
        IN_SCRATCH(cancelling_ends_the_capture_and_tells_the_readers),
        IN_SCRATCH(a_full_disk_ends_the_capture_and_tells_the_readers),
        cmocka_unit_test(the_same_tree_gives_the_same_bytes),
        IN_SCRATCH(digests_and_sizes_are_those_of_the_bytes),
        IN_SCRATCH(a_known_tree_has_a_known_diff_id),
        IN_SCRATCH(progress_adds_up_over_captures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
