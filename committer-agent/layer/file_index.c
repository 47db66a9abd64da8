#include "committer-agent/layer/file_index.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "committer-agent/layer/tempfile.h"
#include "shared/base/alloc.h"

struct record { /* in the file, the path without its NUL follows */
    uint64_t dev, ino, size, number;
    int64_t mtime_s, ctime_s;
    uint32_t mtime_ns, ctime_ns;
    uint32_t mode, path_length;
};

struct file_index {
    struct tempfile *file;
    struct tempfile_reader *reader; /* NULL until sealed */
    bool has_record;                /* not yet passed by the walk */
    struct record record;
    char path[PATH_MAX]; /* of record */
};

int file_index_new(const char *dir, struct file_index **ret_index, struct error *err)
{
    SCOPED(tempfile) struct tempfile *file = NULL;

    if (tempfile_new(dir, &file, err) < 0)
        return -1;
    struct file_index *index = xcalloc(1, sizeof(*index));
    index->file = TAKE(file);
    *ret_index = index;
    return 0;
}

void file_index_free(struct file_index *index)
{
    if (!index)
        return;
    tempfile_reader_free(index->reader);
    tempfile_free(index->file);
    free(index);
}

static struct record record_of(const struct stat *st)
{
    return (struct record){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_s = st->st_mtim.tv_sec,
        .ctime_s = st->st_ctim.tv_sec,
        .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
        .ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
        .mode = st->st_mode,
    };
}

static bool same_file(const struct record *a, const struct record *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_s == b->mtime_s &&
           a->ctime_s == b->ctime_s && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns &&
           a->mode == b->mode;
}

int file_index_add(struct file_index *index, const char *path, const struct stat *st, uint64_t number,
                   struct error *err)
{
    struct record record = record_of(st);
    size_t path_length = strlen(path);

    assert(!index->reader);
    if (path_length >= sizeof(index->path) ||
        tempfile_length(index->file) + sizeof(record) + path_length > FILE_INDEX_MAX_BYTES)
        return 0;
    record.number = number;
    record.path_length = (uint32_t)path_length;
    return tempfile_write(index->file, &record, sizeof(record), err) < 0
               ? -1
               : tempfile_write(index->file, path, path_length, err);
}

static int next_record(struct file_index *index, struct error *err)
{
    int more = tempfile_reader_read(index->reader, &index->record, sizeof(index->record), err);

    index->has_record = false;
    if (more <= 0)
        return more;
    size_t length = index->record.path_length;
    if (length >= sizeof(index->path))
        return error_set(err, ERR_INTERNAL, "a file index with a path of %zu bytes", length);
    more = tempfile_reader_read(index->reader, index->path, length, err);
    if (more <= 0)
        return more < 0 ? -1 : error_set(err, ERR_CORRUPT, "a file index ends within a record");
    index->path[length] = '\0';
    index->has_record = true;
    return 0;
}

int file_index_seal(struct file_index *index, struct error *err)
{
    if (tempfile_flush(index->file, err) < 0)
        return -1;
    index->reader = tempfile_reader_new(index->file);
    return next_record(index, err);
}

/* A folder comes before what is in it, and that before all other names, so a slash is smaller than any byte. */
int file_index_compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    if (*a == *b)
        return 0;
    if (!*a || !*b)
        return *a ? 1 : -1;
    if (*a == '/' || *b == '/')
        return *a == '/' ? -1 : 1;
    return (unsigned char)*a - (unsigned char)*b;
}

int file_index_find(struct file_index *index, const char *path, const struct stat *st, uint64_t *ret_number,
                    struct error *err)
{
    const struct record wanted = record_of(st);

    assert(index->reader);
    while (index->has_record && file_index_compare_paths(index->path, path) < 0)
        if (next_record(index, err) < 0)
            return -1;
    if (!index->has_record || strcmp(index->path, path) != 0 || !same_file(&index->record, &wanted))
        return 0;
    *ret_number = index->record.number;
    return 1;
}
