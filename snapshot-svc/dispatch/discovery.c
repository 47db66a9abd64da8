#include "snapshot-svc/dispatch/discovery.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#define HASH_FUNCTION HASH_FNV /* the default falls through a switch, which clang warns of */
#include <uthash.h>

#include "shared/base/alloc.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "snapshot-svc/model/pod.h"

/* A pod that counts. */
struct candidate {
    char *uid, *node, *address;
    int64_t created_ms; /* Unix time */
    int64_t restarts;   /* of its containers */
    UT_hash_handle hh;  /* by uid */
};

/* Who serves a node in the agents' table. */
struct chosen {
    char *node, *uid;
    int64_t restarts;
    UT_hash_handle hh; /* by node */
};

struct discovery { /* the informer's thread only */
    struct agents *agents;
    char *ns;
    uint16_t port;
    struct candidate *candidates;
    struct chosen *chosen;
};

/* ---- what a pod says ---- */

static uint16_t named_port(const json_t *container)
{
    const json_t *ports = json_object_get(container, "ports"), *port;
    size_t i;

    json_array_foreach(ports, i, port)
    {
        const char *name = json_path_string(port, "name");
        const json_int_t number = json_integer_value(json_object_get(port, "containerPort"));
        if (name && strcmp(name, DISCOVERY_PORT_NAME) == 0 && number > 0 && number <= UINT16_MAX)
            return (uint16_t)number;
    }
    return 0;
}

static uint16_t port_of(const json_t *pod, uint16_t otherwise)
{
    const json_t *containers = json_path(pod, "spec.containers"), *container;
    uint16_t port = 0;
    size_t i;

    json_array_foreach(containers, i, container)
    {
        if (!port)
            port = named_port(container);
    }
    return port ? port : otherwise;
}

/* A container that was restarted in place is another process, too. */
static int64_t restarts_of(const json_t *pod)
{
    const json_t *statuses = json_path(pod, "status.containerStatuses"), *status;
    int64_t restarts = 0;
    size_t i;

    json_array_foreach(statuses, i, status)
    {
        const json_int_t count = json_integer_value(json_object_get(status, "restartCount"));
        restarts += count > 0 && count <= INT32_MAX ? count : 0;
    }
    return restarts;
}

/* NULL: not an IP, and nothing else may come to name what we connect to. */
static char *address_of(const char *ip, uint16_t port)
{
    unsigned char parsed[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, ip, parsed) == 1)
        return xasprintf("%s:%" PRIu16, ip, port);
    if (inet_pton(AF_INET6, ip, parsed) == 1)
        return xasprintf("[%s]:%" PRIu16, ip, port);
    return NULL;
}

static bool is_agent(const struct discovery *discovery, const struct pod *pod)
{
    const char *component = meta_label(&pod->meta, DISCOVERY_LABEL);

    return pod->meta.ns && strcmp(pod->meta.ns, discovery->ns) == 0 && component &&
           strcmp(component, DISCOVERY_LABEL_VALUE) == 0;
}

static bool counts(const struct discovery *discovery, const struct pod *pod)
{
    return is_agent(discovery, pod) && pod_is_ready(pod) && pod->meta.uid && *pod->meta.uid &&
           pod->node_name && *pod->node_name && pod->pod_ip && *pod->pod_ip;
}

/* NULL: it does not count. */
static struct candidate *candidate_of(const struct discovery *discovery, const json_t *object)
{
    SCOPED_POD struct pod pod = {0};
    struct error err = {0};

    if (pod_read(object, &pod, &err) < 0) {
        log_failure(LOG_WARN, "a pod that should be an agent's cannot be read", &err);
        return NULL;
    }
    if (!counts(discovery, &pod))
        return NULL;
    char *address = address_of(pod.pod_ip, port_of(object, discovery->port));
    if (!address) {
        log_warn("an agent's pod has no usable IP", log_str("pod", pod.meta.name), log_str("ip", pod.pod_ip));
        return NULL;
    }
    struct candidate *candidate = xcalloc(1, sizeof(*candidate));
    candidate->uid = TAKE(pod.meta.uid);
    candidate->node = TAKE(pod.node_name);
    candidate->address = address;
    candidate->created_ms = pod.meta.created_ms;
    candidate->restarts = restarts_of(object);
    return candidate;
}

/* ---- the candidates ---- */

static void candidate_free(struct candidate *candidate)
{
    if (!candidate)
        return;
    free(candidate->uid);
    free(candidate->node);
    free(candidate->address);
    free(candidate);
}
DEFINE_FREEP(candidate, struct candidate, candidate_free)

static struct candidate *take_out(struct discovery *discovery, const char *uid)
{
    struct candidate *candidate;

    HASH_FIND_STR(discovery->candidates, uid, candidate);
    if (candidate)
        HASH_DEL(discovery->candidates, candidate);
    return candidate;
}

static bool is_younger(const struct candidate *candidate, const struct candidate *than)
{
    if (candidate->created_ms != than->created_ms)
        return candidate->created_ms > than->created_ms;
    return strcmp(candidate->uid, than->uid) > 0; /* of the same second: any, but always the same */
}

static const struct candidate *best_of(const struct discovery *discovery, const char *node)
{
    const struct candidate *best = NULL;
    struct candidate *candidate, *next;

    HASH_ITER(hh, discovery->candidates, candidate, next)
    {
        if (strcmp(candidate->node, node) == 0 && (!best || is_younger(candidate, best)))
            best = candidate;
    }
    return best;
}

/* ---- the choice ---- */

static struct chosen *chosen_for(const struct discovery *discovery, const char *node)
{
    struct chosen *chosen;

    HASH_FIND_STR(discovery->chosen, node, chosen);
    return chosen;
}

static void unchoose(struct discovery *discovery, struct chosen *chosen)
{
    HASH_DEL(discovery->chosen, chosen);
    free(chosen->node);
    free(chosen->uid);
    free(chosen);
}

static void choose(struct discovery *discovery, const struct candidate *candidate)
{
    struct chosen *chosen = xcalloc(1, sizeof(*chosen));

    chosen->node = xstrdup(candidate->node);
    chosen->uid = xstrdup(candidate->uid);
    chosen->restarts = candidate->restarts;
    HASH_ADD_KEYPTR(hh, discovery->chosen, chosen->node, strlen(chosen->node), chosen);
}

static void lose(struct discovery *discovery, struct chosen *chosen)
{
    log_info("agent gone", log_str("node", chosen->node));
    agents_drop(discovery->agents, chosen->node);
    unchoose(discovery, chosen);
}

static void take(struct discovery *discovery, const struct candidate *candidate, struct chosen *before)
{
    const bool is_another =
        !before || strcmp(before->uid, candidate->uid) != 0 || before->restarts != candidate->restarts;

    if (!is_another) {
        agents_put(discovery->agents, candidate->node, candidate->address);
        return;
    }
    if (before)
        unchoose(discovery, before);
    choose(discovery, candidate);
    log_info("agent found", log_str("node", candidate->node), log_str("address", candidate->address));
    agents_replace(discovery->agents, candidate->node, candidate->address);
}

static void settle(struct discovery *discovery, const char *node)
{
    const struct candidate *best = best_of(discovery, node);
    struct chosen *before = chosen_for(discovery, node);

    if (best)
        take(discovery, best, before);
    else if (before)
        lose(discovery, before);
}

/* ---- the informer's stream ---- */

static void look_at(struct discovery *discovery, const struct object *object)
{
    SCOPED(candidate) struct candidate *before = take_out(discovery, object->uid);
    struct candidate *now = candidate_of(discovery, object->json);

    if (now)
        HASH_ADD_KEYPTR(hh, discovery->candidates, now->uid, strlen(now->uid), now);
    if (before && (!now || strcmp(before->node, now->node) != 0))
        settle(discovery, before->node);
    if (now)
        settle(discovery, now->node);
}

static void pod_added(void *self, struct object *object)
{
    look_at(self, object);
}

static void pod_updated(void *self, struct object *old, struct object *object)
{
    (void)old; /* the candidates remember */
    look_at(self, object);
}

static void pod_deleted(void *self, struct object *last)
{
    struct discovery *discovery = self;
    SCOPED(candidate) struct candidate *gone = take_out(discovery, last->uid);

    if (gone)
        settle(discovery, gone->node);
}

/* ---- life ---- */

struct discovery *discovery_new(const struct discovery_options *options)
{
    struct discovery *discovery = xcalloc(1, sizeof(*discovery));
    const struct informer_handler handler = {
        .added = pod_added, .updated = pod_updated, .deleted = pod_deleted, .self = discovery};

    discovery->agents = options->agents;
    discovery->ns = xstrdup(options->ns);
    discovery->port = options->port ? options->port : DISCOVERY_PORT;
    informer_subscribe(options->pods, &handler);
    return discovery;
}

void discovery_free(struct discovery *discovery)
{
    struct candidate *candidate, *next_candidate;
    struct chosen *chosen, *next_chosen;

    if (!discovery)
        return;
    HASH_ITER(hh, discovery->candidates, candidate, next_candidate)
    {
        HASH_DEL(discovery->candidates, candidate);
        candidate_free(candidate);
    }
    HASH_ITER(hh, discovery->chosen, chosen, next_chosen)
    {
        unchoose(discovery, chosen);
    }
    free(discovery->ns);
    free(discovery);
}
