#include "committer-agent/commit/fold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "committer-agent/containerd/snapshots.h"
#include "shared/base/alloc.h"
#include "shared/log/log.h"

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)close(fds[i]); /* only read */
    free(fds);
}

void fold_done(struct fold *fold)
{
    close_all(fold->lower_fds, fold->lower_count);
    close_all(fold->below_fds, fold->below_count);
    *fold = (struct fold){0};
}

static bool is_ours(const struct image_config *config, size_t layer)
{
    const char *comment = image_config_layer_comment(config, layer);
    return comment && strcmp(comment, FOLD_COMMENT) == 0;
}

size_t fold_keep_layers(const struct image_config *config, unsigned layers_max)
{
    size_t all = image_config_layer_count(config), keep = all;

    while (keep > 1 && is_ours(config, keep - 1))
        keep--;
    return all - keep >= (layers_max ? layers_max : FOLD_LAYERS_MAX_DEFAULT) ? keep : all;
}

/* Where in the chain the snapshot is that holds the kept layers; false: nowhere. */
static bool find_kept(const struct snapshot_chain *chain, struct image_config *config, size_t keep,
                      size_t *ret_above)
{
    struct digest chain_id;

    image_config_keep_layers(config, keep);
    if (!image_config_chain_id(config, &chain_id))
        return false;
    for (size_t i = 0; i < chain->count; i++)
        if (strcmp(chain->names[i], chain_id.text) == 0) {
            *ret_above = i;
            return true;
        }
    return false;
}

/* 1, 0 or -1. Half of a node's own chain are aliases, which are empty. */
static int is_empty(int fd, const char *path, struct error *err)
{
    int listed = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = listed < 0 ? NULL : fdopendir(listed);
    unsigned names = 0;

    if (!dir) {
        int failed = errno;
        fd_freep(&listed);
        return error_sys(err, failed, "listing the layer %s", path);
    }
    errno = 0;
    while (names < 3 && readdir(dir))
        names++; /* the first two are "." and ".." */
    int failed = errno;
    (void)closedir(dir);
    return failed ? error_sys(err, failed, "listing the layer %s", path) : names < 3;
}

/* containerd named it; what lies below is walked by descriptors. */
static int open_layer(const char *path, int *ret_fd, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return error_sys(err, errno, "opening the layer %s", path);
    *ret_fd = fd;
    return 0;
}

/* Opens all layers: the first `above` of them are ours. */
static int open_layers(const struct fold_place *place, size_t above, struct fold *fold, struct error *err)
{
    fold->lower_fds = xcalloc(above + 1, sizeof(*fold->lower_fds));
    fold->below_fds = xcalloc(place->lower_count - above + 1, sizeof(*fold->below_fds));
    for (size_t i = 0; i < place->lower_count; i++) {
        SCOPED(fd) int fd = -1;
        if (open_layer(place->lower_dirs[i], &fd, err) < 0)
            return -1;
        int empty = is_empty(fd, place->lower_dirs[i], err);
        if (empty < 0)
            return -1;
        if (empty && i < above)
            continue;
        if (i < above)
            fold->lower_fds[fold->lower_count++] = TAKE_FD(fd);
        else
            fold->below_fds[fold->below_count++] = TAKE_FD(fd);
    }
    return 0;
}

int fold_plan(struct containerd *containerd, const struct fold_place *place, const struct base_image *base,
              unsigned layers_max, struct fold *ret_fold, struct error *err)
{
    SCOPED_SNAPSHOT_CHAIN struct snapshot_chain chain = {0};
    SCOPED(image_config) struct image_config *config = NULL;
    size_t above;

    if (image_config_parse(strbuf_text(&base->config_bytes), base->config_bytes.length, "config", &config,
                           err) < 0)
        return error_wrap(err, "planning the image's layers");
    struct fold fold = {.keep_layers = fold_keep_layers(config, layers_max)};
    if (fold.keep_layers == image_config_layer_count(config)) {
        *ret_fold = fold;
        return 0;
    }
    if (snapshot_parents(containerd, place->snapshotter, place->snapshot, &chain, err) < 0)
        return error_wrap(err, "planning the image's layers");
    if (chain.count != place->lower_count || !find_kept(&chain, config, fold.keep_layers, &above)) {
        log_warn("the image grows: its base is not found below the container, so its layers are not folded",
                 log_str("snapshot", place->snapshot), log_u64("snapshots", chain.count),
                 log_u64("mounted", place->lower_count), log_u64("keep_layers", fold.keep_layers));
        *ret_fold = (struct fold){.keep_layers = base->manifest.layer_count};
        return 0;
    }
    if (open_layers(place, above, &fold, err) < 0) {
        fold_done(&fold);
        return error_wrap(err, "folding layers");
    }
    *ret_fold = fold;
    return 0;
}
