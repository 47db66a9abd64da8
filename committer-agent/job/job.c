#include "committer-agent/job/job.h"

#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/file.h"
#include "shared/base/ids.h"

enum { DOCKER_CONFIG_MAX = 1 << 20, HOLD_TIMEOUT_MS = 10 * 60 * 1000 };

#define FIELD(member) offsetof(struct job, member)

/* clang-format off */
static const struct config_option options[] = {
    /* First: so that it is known when one of the others is refused. */
    {"termination-log", "STASIS_TERMINATION_LOG", CONFIG_STRING, FIELD(termination_log), "/dev/termination-log",
     "Existing file for the result in one line.", false},
    {"containerd-socket-path", "CONTAINERD_SOCKET", CONFIG_STRING, FIELD(agent.containerd_socket),
     "/run/containerd/containerd.sock", "containerd's socket.", false},
    {"containerd-namespace", "CONTAINERD_NAMESPACE", CONFIG_STRING, FIELD(agent.containerd_namespace), "k8s.io",
     "containerd namespace of the pods.", false},
    {"insecure", "SNAPSHOT_REGISTRY_INSECURE", CONFIG_BOOL, FIELD(agent.insecure), "false",
     "Allow plain HTTP and untrusted TLS; never guessed from the registry's name.", false},
    {"docker-config", "STASIS_DOCKER_CONFIG", CONFIG_STRING, FIELD(agent.docker_config_file),
     "/var/run/opensandbox/registry/config.json", "Registry credentials; a missing file means none.", false},
    {"registry-ca-file", "STASIS_REGISTRY_CA_FILE", CONFIG_STRING, FIELD(agent.registry_ca_file), NULL,
     "PEM file with more CAs to trust.", false},
    {"key", "STASIS_COMMIT_KEY", CONFIG_STRING, FIELD(key), NULL,
     "The same key is the same commit, over restarts: [A-Za-z0-9._-]{1,128}, no dot first.", false},
    {"hold", "STASIS_COMMIT_HOLD", CONFIG_STRING, FIELD(hold_name), "thaw",
     "thaw: the containers run again after the capture. kill: they never do, so nothing is lost (pause).", false},
    {"pod-uid", "STASIS_POD_UID", CONFIG_STRING, FIELD(pod_uid), "", "Decides which pod is meant.", false},
    {"state-dir", "STASIS_STATE_DIR", CONFIG_STRING, FIELD(state_parent), "/var/lib/stasis/jobs",
     "One folder per key below it: journal and spool.", false},
    {"commit-job-timeout", "STASIS_COMMIT_TIMEOUT", CONFIG_DURATION, FIELD(agent.commit_timeout_ms), "24h",
     "A commit that takes longer is cancelled. The Job has a deadline of its own.", false},
    {"spool-min-free-mib", NULL, CONFIG_INT, FIELD(agent.spool_min_free_mib), "256",
     "Free MiB that a commit must leave in the state folder.", false},
    {"nice", NULL, CONFIG_INT, FIELD(agent.nice), "5",
     "How much the commit gives way to others on the CPU: 0 (not) to 19.", false},
    {"io-priority", NULL, CONFIG_STRING, FIELD(agent.io_priority), "7",
     "Of the commit at the disk: 0 (first) to 7 (last), or idle.", false},
    {"compression", "STASIS_COMPRESSION", CONFIG_STRING, FIELD(agent.compression_name), "zstd",
     "Of new layers: zstd, gzip or none.", false},
    {"compression-threads", NULL, CONFIG_INT, FIELD(agent.compression_threads), "0",
     "Of one zstd layer. 0: as many as there are processors for this process, at most 8.", false},
    {"log-level", "STASIS_LOG_LEVEL", CONFIG_STRING, FIELD(agent.log_level_name), "info",
     "debug, info, warn or error.", false},
    {"log-format", "STASIS_LOG_FORMAT", CONFIG_STRING, FIELD(agent.log_format_name), "json", "json or human.", false},
    CONFIG_END,
};
/* clang-format on */

static const struct config_program program = {
    .name = "image-committer",
    .synopsis = "<pod> <namespace> <container>:<image>... | unpause <pod> <namespace> <container>...",
    .about =
        "Commits containers of one pod of this node as OCI images, once. Prints SNAPSHOT_DIGEST lines; the\n"
        "termination log gets {\"containers\":[{\"name\",\"image\",\"digest\"}]}, or the reason of a "
        "failure.",
    .options = options,
};

static int check_key(struct job *job, struct error *err)
{
    char id[HEX_ID_SIZE];

    job->key_given = job->key != NULL;
    if (!job->key_given) {
        hex_id(id);
        job->key = job->random_key = xasprintf("job.%s", id);
    }
    if (commit_key_check(job->key, err) < 0)
        return error_wrap(err, "STASIS_COMMIT_KEY");
    if (job->key[0] == '.') /* it names a folder */
        return error_set(err, ERR_INVALID, "STASIS_COMMIT_KEY: want no dot in front, got \"%s\"", job->key);
    return 0;
}

static int check_hold(struct job *job, struct error *err)
{
    job->kill = strcmp(job->hold_name, "kill") == 0;
    if (job->kill || strcmp(job->hold_name, "thaw") == 0)
        return 0;
    return error_set(err, ERR_INVALID, "STASIS_COMMIT_HOLD: want kill or thaw, got \"%.40s\"",
                     job->hold_name);
}

static int split_spec(const char *spec, struct commit_container *container, struct error *err)
{
    const char *colon = strchr(spec, ':');

    if (!colon || colon == spec || !colon[1])
        return error_set(err, ERR_INVALID,
                         "want <container>:<image>, got \"%.80s\"; see image-committer --help", spec);
    container->name = xstrndup(spec, (size_t)(colon - spec));
    container->image = xstrdup(colon + 1);
    return 0;
}

/* argv[1] to argv[count] are the arguments. */
static int read_arguments(struct job *job, int count, char **argv, struct error *err)
{
    job->unpause = count > 0 && strcmp(argv[1], "unpause") == 0;
    char **at = argv + 1 + job->unpause, **end = argv + 1 + count;

    if (end - at < 3 || !*at[0] || !*at[1])
        return error_set(err, ERR_INVALID, "want %s, got %d arguments; see image-committer --help",
                         job->unpause ? "unpause <pod> <namespace> <container>..."
                                      : "<pod> <namespace> <container>:<image>...",
                         count);
    job->pod_name = *at++;
    job->pod_ns = *at++;
    if (end - at > COMMIT_CONTAINERS_MAX)
        return error_set(err, ERR_INVALID, "want at most %d containers, got %zd", COMMIT_CONTAINERS_MAX,
                         end - at);
    job->containers = xcalloc((size_t)(end - at), sizeof(*job->containers));
    for (; at < end; at++) {
        struct commit_container *container = &job->containers[job->count++];
        if (job->unpause)
            container->name = xstrdup(*at);
        else if (split_spec(*at, container, err) < 0)
            return -1;
    }
    return 0;
}

int job_load(struct job *job, int argc, char **argv, enum config_outcome *ret_outcome, struct error *err)
{
    int count = 0;

    if (config_load(&program, argc, argv, job, &count, ret_outcome, err) < 0)
        return -1;
    if (*ret_outcome != CONFIG_RUN)
        return 0;
    job->agent.slots = 1;
    job->agent.hold_timeout_ms = HOLD_TIMEOUT_MS;
    if (log_configure("image-committer", job->agent.log_level_name, job->agent.log_format_name, err) < 0 ||
        layer_compression_parse(job->agent.compression_name, &job->agent.compression, err) < 0 ||
        niceness_parse(job->agent.nice, job->agent.io_priority, &job->agent.niceness, err) < 0 ||
        check_key(job, err) < 0 || check_hold(job, err) < 0 || read_arguments(job, count, argv, err) < 0)
        return -1;
    return 0;
}

void job_done(struct job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        free(job->containers[i].name);
        free(job->containers[i].image);
    }
    free(job->containers);
    free(job->random_key);
    *job = (struct job){0};
}

static int read_credentials(const struct job *job, struct commit_request *request, struct error *err)
{
    struct strbuf text = STRBUF_INIT;

    if (file_read(job->agent.docker_config_file, DOCKER_CONFIG_MAX, &text, err) < 0) {
        if (err->code != ERR_NOT_FOUND)
            return error_wrap(err, "registry credentials");
        error_clear(err);
        return 0;
    }
    request->docker_config_length = text.length;
    request->docker_config = strbuf_take(&text);
    return 0;
}

int job_request(const struct job *job, struct commit_request **ret_request, struct error *err)
{
    SCOPED(commit_request) struct commit_request *request = xcalloc(1, sizeof(*request));

    *request = (struct commit_request){.key = xstrdup(job->key),
                                       .pod_uid = xstrdup(job->pod_uid),
                                       .pod_ns = xstrdup(job->pod_ns),
                                       .pod_name = xstrdup(job->pod_name),
                                       .containers = xcalloc(job->count, sizeof(*request->containers)),
                                       .hold = job->kill,
                                       .insecure = job->agent.insecure,
                                       .compression = job->agent.compression,
                                       .timeout_ms = job->agent.commit_timeout_ms,
                                       .hold_timeout_ms = job->agent.hold_timeout_ms};
    for (; request->count < job->count; request->count++)
        request->containers[request->count] =
            (struct commit_container){.name = xstrdup(job->containers[request->count].name),
                                      .image = xstrdup(job->containers[request->count].image)};
    if (commit_request_check(request, err) < 0 || read_credentials(job, request, err) < 0)
        return -1;
    *ret_request = TAKE(request);
    return 0;
}
