#include "lifecycle-svc/access/api_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lifecycle-svc/access/rate_limit.h"
#include "lifecycle-svc/sandbox/contract_code.h"
#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/log/log.h"

enum { MAX_FILE_BYTES = 64 << 10 };

static const char KEY_VARIABLE[] = "OPENSANDBOX_SERVER_API_KEY";

struct api_keys {
    /* Set by api_keys_open, then read by anyone. */
    char *file;               /* NULL: nothing to watch */
    struct rate_limit *limit; /* locks for itself */
    int changed_fd;           /* inotify on the file's folder; -1: none */
    int stop_fd;              /* eventfd; -1: none */
    pthread_t watcher;
    bool watching;

    pthread_rwlock_t lock;
    struct key_set *set; /* under lock */
};

/* ---- reading ---- */

static int read_set(const char *file, struct key_set **ret_set, struct error *err)
{
    struct strbuf text = STRBUF_INIT;
    int done = file_read(file, MAX_FILE_BYTES, &text, err);

    if (done == 0)
        done = key_set_parse(text.bytes, text.length, file, ret_set, err);
    if (text.bytes)
        explicit_bzero(text.bytes, text.capacity);
    strbuf_done(&text);
    return done < 0 ? error_wrap(err, "reading the API keys") : 0;
}

static int take_variable(char *variable, struct key_set **ret_set, struct error *err)
{
    int done = key_set_of_one(variable, KEY_VARIABLE, ret_set, err);

    explicit_bzero(variable, strlen(variable)); /* /proc/<pid>/environ shows it otherwise */
    return done;
}

/* An emptied file would open the server to everybody; a half-written one would lock everybody out. */
static void read_again(struct api_keys *keys)
{
    SCOPED(key_set) struct key_set *fresh = NULL;
    struct error err = {0};

    if (read_set(keys->file, &fresh, &err) < 0) {
        log_failure(LOG_WARN, "the API keys stay as they were", &err);
        return;
    }
    if (key_set_count(fresh) == 0) {
        log_warn("the API keys stay as they were: the file has none", log_str("file", keys->file));
        return;
    }
    log_info("API keys read again", log_str("file", keys->file), log_u64("keys", key_set_count(fresh)));
    pthread_rwlock_wrlock(&keys->lock);
    struct key_set *old = keys->set;
    keys->set = TAKE(fresh);
    pthread_rwlock_unlock(&keys->lock);
    key_set_free(old);
}

/* ---- watching ---- */

static void drain(int fd)
{
    char events[4096];

    while (read(fd, events, sizeof(events)) > 0) /* which file it was does not matter */
        ;
}

static void *watch(void *self)
{
    struct api_keys *keys = self;
    struct pollfd fds[] = {{.fd = keys->changed_fd, .events = POLLIN},
                           {.fd = keys->stop_fd, .events = POLLIN}};

    while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
        if (fds[1].revents)
            return NULL;
        if (fds[0].revents) {
            drain(keys->changed_fd);
            read_again(keys);
        }
        fds[0].revents = fds[1].revents = 0;
    }
    log_error("the API key file is not watched any more", log_str("why", strerror(errno)));
    return NULL;
}

/* The folder, not the file: editors and the kubelet put a new one (or a new link) in its place. */
static int open_watch(struct api_keys *keys, struct error *err)
{
    SCOPED(string) char *path = xstrdup(keys->file);
    const char *folder = dirname(path);

    keys->changed_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    keys->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (keys->changed_fd < 0 || keys->stop_fd < 0 ||
        inotify_add_watch(keys->changed_fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE) < 0)
        return error_sys(err, errno, "watching the folder of the API keys %s", keys->file);
    return 0;
}

/* The watch is there before the first reading, so no change falls between them. */
static int open_file(struct api_keys *keys, const char *file, struct error *err)
{
    keys->file = xstrdup(file);
    if (open_watch(keys, err) < 0 || read_set(file, &keys->set, err) < 0)
        return -1;
    int failed = pthread_create(&keys->watcher, NULL, watch, keys);
    if (failed)
        return error_sys(err, failed, "watching the API keys");
    keys->watching = true;
    return 0;
}

static void stop_watching(struct api_keys *keys)
{
    const uint64_t one = 1;

    if (keys->watching && write(keys->stop_fd, &one, sizeof(one)) == sizeof(one))
        (void)pthread_join(keys->watcher, NULL);
    if (keys->changed_fd >= 0)
        (void)close(keys->changed_fd);
    if (keys->stop_fd >= 0)
        (void)close(keys->stop_fd);
}

/* ---- life ---- */

int api_keys_open(const struct api_keys_options *options, struct api_keys **ret_keys, struct error *err)
{
    const struct rate_limit_options limits = {.per_second = options->requests_per_second,
                                              .burst = options->burst};
    SCOPED(api_keys) struct api_keys *keys = xcalloc(1, sizeof(*keys));
    char *variable = getenv(KEY_VARIABLE);
    int opened;

    keys->changed_fd = keys->stop_fd = -1;
    keys->limit = rate_limit_new(&limits);
    pthread_rwlock_init(&keys->lock, NULL);
    if (variable)
        opened = take_variable(variable, &keys->set, err);
    else if (options->file && *options->file)
        opened = open_file(keys, options->file, err);
    else
        opened = key_set_of_one("", "", &keys->set, err);
    if (opened < 0)
        return -1;
    *ret_keys = TAKE(keys);
    return 0;
}

void api_keys_free(struct api_keys *keys)
{
    if (!keys)
        return;
    stop_watching(keys);
    pthread_rwlock_destroy(&keys->lock);
    rate_limit_free(keys->limit);
    key_set_free(keys->set);
    free(keys->file);
    free(keys);
}

bool api_keys_empty(struct api_keys *keys)
{
    pthread_rwlock_rdlock(&keys->lock);
    bool empty = key_set_count(keys->set) == 0;
    pthread_rwlock_unlock(&keys->lock);
    return empty;
}

/* ---- asking ---- */

static int identify(struct api_keys *keys, const char *presented, char name[KEY_NAME_SIZE], struct error *err)
{
    int found = -1;

    pthread_rwlock_rdlock(&keys->lock);
    if (key_set_count(keys->set) == 0) {
        found = 0;
    } else if (presented && *presented) {
        const char *known = key_set_find(keys->set, presented);
        if (known) {
            (void)snprintf(name, KEY_NAME_SIZE, "%s", known);
            found = 0;
        }
    }
    pthread_rwlock_unlock(&keys->lock);
    if (found == 0)
        return 0;
    if (!presented || !*presented)
        return refuse(err, CODE_MISSING_API_KEY,
                      "API key is missing: send it in the header OPEN-SANDBOX-API-KEY");
    return refuse(err, CODE_INVALID_API_KEY, "API key is invalid");
}

int api_keys_admit(struct api_keys *keys, const char *presented, struct admission *ret_admission,
                   struct error *err)
{
    *ret_admission = (struct admission){0};
    if (identify(keys, presented, ret_admission->key_name, err) < 0)
        return -1;
    int64_t wait_ms = rate_limit_take(keys->limit, ret_admission->key_name);
    if (wait_ms == 0)
        return 0;
    ret_admission->retry_after_s = (wait_ms + 999) / 1000;
    return refuse(err, CODE_RATE_LIMITED, "Too many requests with this API key: try again in %" PRId64 " s",
                  ret_admission->retry_after_s);
}
