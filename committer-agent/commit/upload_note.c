#include "committer-agent/commit/upload_note.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"
#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/file.h"
#include "shared/log/log.h"

#define NOTE_PREFIX "upload-"

enum { LOCATION_MAX = 16 << 10, EXPIRY_S = 8 * 24 * 3600 }; /* docker-registry's purge takes a week */

char *upload_note_path(const char *spool_dir, const char *key, const char *container)
{
    SCOPED(string) char *name = xasprintf("%s/%s", key, container);
    struct digest digest = digest_of(name, strlen(name));

    return xasprintf("%s/" NOTE_PREFIX "%.32s", spool_dir, digest.text + sizeof("sha256:") - 1);
}

void upload_note_write(const char *path, const char *location)
{
    struct error err;

    if (file_write_atomic(path, location, strlen(location), 0600, &err) < 0)
        log_failure(LOG_DEBUG, "an open upload is not written down", &err);
}

void upload_note_remove(const char *path)
{
    (void)unlink(path); /* a note that stays ends an upload that is no more */
}

void upload_note_settle(const char *path, struct registry *registry, const char *repository)
{
    SCOPED_STRBUF struct strbuf location = STRBUF_INIT;
    struct error err;

    if (access(path, F_OK) < 0)
        return;
    if (file_read(path, LOCATION_MAX, &location, &err) < 0 ||
        registry_cancel_upload(registry, repository, strbuf_text(&location), &err) < 0)
        log_failure(LOG_DEBUG, "an upload of an earlier process stays open", &err);
    upload_note_remove(path);
}

void upload_notes_expire(const char *spool_dir)
{
    DIR *dir = opendir(spool_dir);
    int64_t oldest_s = clock_realtime_ms() / 1000 - EXPIRY_S;
    struct dirent *entry;
    struct stat st;

    while (dir && (entry = readdir(dir)))
        if (strncmp(entry->d_name, NOTE_PREFIX, strlen(NOTE_PREFIX)) == 0 &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtim.tv_sec < oldest_s)
            (void)unlinkat(dirfd(dir), entry->d_name, 0); /* met again at the next start */
    if (dir)
        (void)closedir(dir);
}
