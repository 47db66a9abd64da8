/* tls.c - the folder of certificates, looked at when they are needed.
 *
 * Why not gRPC's file watcher (grpc_tls_certificate_provider_file_watcher_create): in 1.51 it drops the good
 * certificates before it tries the new ones, tells nobody what is wrong with those, and wakes up for ever. */
#include "shared/rpc/tls_priv.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/alloc.h"
#include "shared/base/clock.h"
#include "shared/log/log.h"

enum {
    READ_ATTEMPTS = 3, /* a swap of the mounted folder in the middle of a read is followed by quiet */
    SETTLED_MS = 100,  /* a file as young as this may change again within the granularity of its time stamp */
};

static const char *const file_names[RPC_TLS_FILES] = {
    [RPC_TLS_CA] = "ca.crt", [RPC_TLS_CHAIN] = "tls.crt", [RPC_TLS_KEY] = "tls.key"};

/* What distinguishes one state of the files from another. Zeroes: not there. */
struct look {
    struct {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec modified, changed;
    } files[RPC_TLS_FILES];
};

struct rpc_tls {
    atomic_int refs;
    enum rpc_tls_kind kind;     /* set at the open, like the paths and the role */
    char *paths[RPC_TLS_FILES]; /* NULL: this kind has no such file */
    char role[RPC_TLS_ROLE_MAX + 1];

    pthread_mutex_t looking; /* held by the one thread that looks; guards what follows */
    struct look seen;
    bool settled;
    bool expiry_told;
    char complaint[sizeof(((struct error *)0)->text)]; /* what was last logged about unusable files */

    pthread_mutex_t lock; /* guards everything below */
    struct rpc_certificates *current;
    uint64_t generation;
};

/* ---- looking at the files ---- */

static struct look look_at(char *const paths[RPC_TLS_FILES])
{
    struct look look;
    struct stat st;

    memset(&look, 0, sizeof(look)); /* compared as bytes */
    for (int file = 0; file < RPC_TLS_FILES; file++) {
        if (!paths[file] || stat(paths[file], &st) < 0)
            continue;
        look.files[file].device = st.st_dev;
        look.files[file].inode = st.st_ino;
        look.files[file].size = st.st_size;
        look.files[file].modified = st.st_mtim;
        look.files[file].changed = st.st_ctim;
    }
    return look;
}

static bool look_same(const struct look *a, const struct look *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool look_settled(const struct look *look)
{
    int64_t now_ms = clock_realtime_ms();

    for (int file = 0; file < RPC_TLS_FILES; file++) {
        const struct timespec *changed = &look->files[file].changed;
        if (now_ms - (changed->tv_sec * 1000 + changed->tv_nsec / 1000000) < SETTLED_MS)
            return false;
    }
    return true;
}

/* All files of one state: when they change while being read, they are read again. */
static int load(enum rpc_tls_kind kind, char *const paths[RPC_TLS_FILES], struct look *ret_look,
                struct rpc_certificates **ret_certificates, struct error *err)
{
    for (int attempt = 1;; attempt++) {
        SCOPED(rpc_certificates) struct rpc_certificates *certificates = NULL;
        const struct look before = look_at(paths);
        int result = rpc_certificates_load(kind, paths, &certificates, err);
        const struct look after = look_at(paths);
        if (attempt < READ_ATTEMPTS && !look_same(&before, &after))
            continue;
        *ret_look = before;
        if (result == 0)
            *ret_certificates = TAKE(certificates);
        return result;
    }
}

/* ---- renewal ---- */

static void take_over(struct rpc_tls *tls, struct rpc_certificates *renewed)
{
    char until[RFC3339_SIZE];

    pthread_mutex_lock(&tls->lock);
    struct rpc_certificates *old = tls->current;
    tls->current = renewed;
    tls->generation++;
    pthread_mutex_unlock(&tls->lock);
    rpc_certificates_unref(old);
    tls->expiry_told = false;
    if (renewed->not_after_unix_s == INT64_MAX)
        log_info("certificates renewed", log_str("file", tls->paths[RPC_TLS_CA]));
    else
        log_info("certificates renewed", log_str("file", tls->paths[RPC_TLS_CHAIN]),
                 log_str("not_after", rfc3339_format(renewed->not_after_unix_s, until)));
}

/* Once for each state of the files. Those in use that have expired meanwhile are no news: mind_expiry() tells. */
static void complain(struct rpc_tls *tls, const struct error *err, bool is_news)
{
    if (!is_news && (!*tls->complaint || strcmp(tls->complaint, err->text) == 0))
        return;
    memcpy(tls->complaint, err->text, sizeof(tls->complaint));
    log_failure(LOG_ERROR, "new certificates are unusable, the last good ones stay in use", err);
}

static void read_again(struct rpc_tls *tls)
{
    SCOPED(rpc_certificates) struct rpc_certificates *renewed = NULL;
    struct error err = {0};
    struct look look;

    int result = load(tls->kind, tls->paths, &look, &renewed, &err);
    bool is_news = !look_same(&look, &tls->seen);
    tls->seen = look;
    tls->settled = look_settled(&look);
    if (result < 0) {
        complain(tls, &err, is_news);
        return;
    }
    tls->complaint[0] = '\0';
    if (!rpc_certificates_equal(renewed, tls->current)) /* only this thread replaces it */
        take_over(tls, TAKE(renewed));
}

static void mind_expiry(struct rpc_tls *tls)
{
    char until[RFC3339_SIZE];

    if (tls->expiry_told || clock_realtime_ms() / 1000 <= tls->current->not_after_unix_s)
        return;
    tls->expiry_told = true;
    log_error("our certificate has expired: peers refuse it until it is renewed",
              log_str("file", tls->paths[RPC_TLS_CHAIN]),
              log_str("not_after", rfc3339_format(tls->current->not_after_unix_s, until)));
}

uint64_t rpc_tls_generation(struct rpc_tls *tls)
{
    if (pthread_mutex_trylock(&tls->looking) == 0) { /* somebody else looks right now: that will do */
        const struct look now = look_at(tls->paths);
        if (!tls->settled || !look_same(&now, &tls->seen))
            read_again(tls);
        mind_expiry(tls);
        pthread_mutex_unlock(&tls->looking);
    }
    pthread_mutex_lock(&tls->lock);
    uint64_t generation = tls->generation;
    pthread_mutex_unlock(&tls->lock);
    return generation;
}

struct rpc_certificates *rpc_tls_current(struct rpc_tls *tls, uint64_t *ret_generation)
{
    pthread_mutex_lock(&tls->lock);
    struct rpc_certificates *current = rpc_certificates_ref(tls->current);
    *ret_generation = tls->generation;
    pthread_mutex_unlock(&tls->lock);
    return current;
}

void rpc_tls_pem(struct rpc_tls *tls, char **ret_chain, char **ret_key)
{
    uint64_t generation = rpc_tls_generation(tls); /* looks */
    SCOPED(rpc_certificates) struct rpc_certificates *current = rpc_tls_current(tls, &generation);

    *ret_chain = xstrdup(current->pem[RPC_TLS_CHAIN]);
    *ret_key = xstrdup(current->pem[RPC_TLS_KEY]);
}

/* ---- opening ---- */

static struct rpc_tls *tls_new(enum rpc_tls_kind kind)
{
    struct rpc_tls *tls = xcalloc(1, sizeof(*tls));

    atomic_init(&tls->refs, 1);
    tls->kind = kind;
    tls->generation = 1;
    pthread_mutex_init(&tls->looking, NULL);
    pthread_mutex_init(&tls->lock, NULL);
    return tls;
}

static int open_files(struct rpc_tls *tls, struct rpc_tls **ret_tls, struct error *err)
{
    if (load(tls->kind, tls->paths, &tls->seen, &tls->current, err) < 0) {
        rpc_tls_free(tls);
        return -1;
    }
    tls->settled = look_settled(&tls->seen);
    memcpy(tls->role, tls->current->role.name, sizeof(tls->role));
    *ret_tls = tls;
    return 0;
}

static int open_folder(const char *dir, enum rpc_tls_kind kind, struct rpc_tls **ret_tls, struct error *err)
{
    struct rpc_tls *tls = tls_new(kind);

    for (int file = kind == RPC_TLS_MUTUAL ? RPC_TLS_CA : RPC_TLS_CHAIN; file < RPC_TLS_FILES; file++)
        tls->paths[file] = xasprintf("%s/%s", dir, file_names[file]);
    return open_files(tls, ret_tls, err);
}

int rpc_tls_open(const char *dir, struct rpc_tls **ret_tls, struct error *err)
{
    return open_folder(dir, RPC_TLS_MUTUAL, ret_tls, err);
}

int rpc_tls_open_server(const char *dir, struct rpc_tls **ret_tls, struct error *err)
{
    return open_folder(dir, RPC_TLS_SERVER, ret_tls, err);
}

/* Where Debian, Alpine, Fedora and SUSE keep the CAs of the machine; SSL_CERT_FILE is OpenSSL's own variable. */
static const char *machine_ca_file(void)
{
    static const char *const known[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    const char *chosen = getenv("SSL_CERT_FILE");

    if (chosen && *chosen)
        return chosen;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (access(known[i], R_OK) == 0)
            return known[i];
    return NULL;
}

int rpc_tls_open_client(const char *ca_file, struct rpc_tls **ret_tls, struct error *err)
{
    const char *path = ca_file && *ca_file ? ca_file : machine_ca_file();

    if (!path)
        return error_set(
            err, ERR_INVALID,
            "this machine has no list of CAs: install ca-certificates, or name a file (--ca-file)");
    struct rpc_tls *tls = tls_new(RPC_TLS_CLIENT);
    tls->paths[RPC_TLS_CA] = xstrdup(path);
    return open_files(tls, ret_tls, err);
}

struct rpc_tls *rpc_tls_ref(struct rpc_tls *tls)
{
    (void)atomic_fetch_add(&tls->refs, 1);
    return tls;
}

void rpc_tls_free(struct rpc_tls *tls)
{
    if (!tls || atomic_fetch_sub(&tls->refs, 1) != 1)
        return;
    rpc_certificates_unref(tls->current);
    for (int file = 0; file < RPC_TLS_FILES; file++)
        free(tls->paths[file]);
    pthread_mutex_destroy(&tls->lock);
    pthread_mutex_destroy(&tls->looking);
    free(tls);
}

const char *rpc_tls_role(const struct rpc_tls *tls)
{
    return *tls->role ? tls->role : NULL;
}

enum rpc_tls_kind rpc_tls_kind(const struct rpc_tls *tls)
{
    return tls->kind;
}

const char *rpc_tls_ca_path(const struct rpc_tls *tls)
{
    return tls->paths[RPC_TLS_CA];
}

bool rpc_tls_refused(const struct error *err)
{
    return err->code == ERR_DENIED &&
           (strcmp(err->reason, RPC_PEER_NOT_TRUSTED) == 0 || strcmp(err->reason, RPC_ROLE_NOT_ALLOWED) == 0);
}
