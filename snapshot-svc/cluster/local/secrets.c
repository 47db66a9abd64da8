#include "snapshot-svc/cluster/local/secrets.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/alloc.h"
#include "shared/base/base64.h"
#include "shared/base/cleanup.h"
#include "shared/base/file.h"
#include "shared/json/json.h"
#include "snapshot-svc/cluster/local/grammar.h"
#include "snapshot-svc/cluster/local/refusal.h"

#define SECRET_MAX_BYTES (1024 * 1024) /* as the API server's */
#define DOCKER_CONFIG    ".dockerconfigjson"

static void dir_free(DIR *dir)
{
    if (dir)
        (void)closedir(dir); /* only read */
}
DEFINE_FREEP(dir, DIR, dir_free)

/* A buffer of secret bytes, wiped when its block ends. */
static void wiped_done(struct strbuf *buf)
{
    if (buf->bytes)
        explicit_bzero(buf->bytes, buf->capacity);
    strbuf_done(buf);
}
#define SCOPED_WIPED __attribute__((cleanup(wiped_done)))

static json_t *base64_string(const struct strbuf *bytes)
{
    size_t size = BASE64_SIZE(bytes->length);
    char *text = xcalloc(size, 1);

    base64_encode(strbuf_text(bytes), bytes->length, text);
    json_t *value = json_string(text);
    explicit_bzero(text, size);
    free(text);
    return value;
}

static bool is_key(const char *file)
{
    if (strncmp(file, "..", 2) == 0 || strcmp(file, ".") == 0)
        return false; /* kubelet's own "..data", and half-written files */
    for (const char *c = file; *c; c++)
        if (!strchr("-._", *c) &&
            !((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')))
            return false;
    return true;
}

static int read_key(const char *folder, const char *key, size_t *left_bytes, json_t *data, struct error *err)
{
    SCOPED(string) char *path = xasprintf("%s/%s", folder, key);
    SCOPED_WIPED struct strbuf bytes = STRBUF_INIT;

    if (file_read(path, *left_bytes, &bytes, err) < 0)
        return -1;
    *left_bytes -= bytes.length;
    json_object_set_new(data, key, base64_string(&bytes));
    return 0;
}

static int read_keys(const char *folder, DIR *dir, json_t *data, struct error *err)
{
    size_t left_bytes = SECRET_MAX_BYTES;

    for (struct dirent *entry; (errno = 0, entry = readdir(dir));)
        if (is_key(entry->d_name) && read_key(folder, entry->d_name, &left_bytes, data, err) < 0)
            return -1;
    return errno == 0 ? 0 : error_sys(err, errno, "%s", folder);
}

static json_t *secret_new(const char *ns, const char *name, json_t *data)
{
    bool is_docker = json_object_get(data, DOCKER_CONFIG) != NULL;
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:O}", "apiVersion", "v1", "kind", "Secret", "metadata",
                     "name", name, "namespace", ns, "type",
                     is_docker ? "kubernetes.io/dockerconfigjson" : "Opaque", "data", data);
}

int secret_read(const char *secrets_dir, const char *ns, const char *name, json_t **ret_secret,
                struct error *err)
{
    if (!secrets_dir || !is_dns_subdomain(name)) /* a name that is none cannot leave the folder either */
        return refuse_not_found(err, KIND_SECRET, name);
    SCOPED(string) char *folder = xasprintf("%s/%s", secrets_dir, name);
    SCOPED(dir) DIR *dir = opendir(folder);
    SCOPED(json) json_t *data = json_object();

    if (!dir && (errno == ENOENT || errno == ENOTDIR))
        return refuse_not_found(err, KIND_SECRET, name);
    if (!dir)
        return error_sys(err, errno, "Secret %s: folder %s", name, folder);
    if (read_keys(folder, dir, data, err) < 0)
        return error_wrap(err, "Secret %s", name);
    *ret_secret = secret_new(ns, name, data);
    return 0;
}

bool secret_is_folder(const char *secrets_dir, const char *name)
{
    struct stat info;

    if (!secrets_dir || !is_dns_subdomain(name))
        return false;
    SCOPED(string) char *folder = xasprintf("%s/%s", secrets_dir, name);
    return stat(folder, &info) == 0 && S_ISDIR(info.st_mode);
}
