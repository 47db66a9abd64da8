#include "snapshot-svc/node/members.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/alloc.h"
#include "shared/base/cleanup.h"

enum treatment {
    DONE,      /* read elsewhere in this folder */
    NO_MATTER, /* means nothing on one machine */
    TOLD,      /* without effect here; an Event says so */
    REFUSED    /* unless its value is the same as absent */
};

struct member {
    const char *name;
    enum treatment treatment;
};

/* clang-format off */
static const struct member spec_members[] = {
    {"containers", DONE}, {"initContainers", DONE}, {"volumes", DONE}, {"hostname", DONE}, {"imagePullSecrets", DONE}, {"nodeName", DONE},
    {"nodeSelector", DONE}, {"terminationGracePeriodSeconds", DONE}, {"restartPolicy", DONE}, {"os", DONE},

    {"automountServiceAccountToken", NO_MATTER}, {"dnsPolicy", NO_MATTER}, {"enableServiceLinks", NO_MATTER},
    {"preemptionPolicy", NO_MATTER}, {"priority", NO_MATTER}, {"priorityClassName", NO_MATTER},
    {"schedulerName", NO_MATTER}, {"serviceAccount", NO_MATTER}, {"serviceAccountName", NO_MATTER},
    {"tolerations", NO_MATTER}, {"topologySpreadConstraints", NO_MATTER},

    {"affinity", TOLD},

    {"activeDeadlineSeconds", REFUSED}, {"dnsConfig", REFUSED}, {"ephemeralContainers", REFUSED},
    {"hostAliases", REFUSED}, {"hostIPC", REFUSED}, {"hostNetwork", REFUSED}, {"hostPID", REFUSED},
    {"overhead", REFUSED}, {"readinessGates", REFUSED}, {"resourceClaims", REFUSED},
    {"runtimeClassName", REFUSED}, {"schedulingGates", REFUSED}, {"securityContext", REFUSED},
    {"setHostnameAsFQDN", REFUSED}, {"shareProcessNamespace", REFUSED}, {"subdomain", REFUSED},
    {NULL, REFUSED},
};

static const struct member container_members[] = {
    {"name", DONE}, {"image", DONE}, {"command", DONE}, {"args", DONE}, {"env", DONE}, {"workingDir", DONE},
    {"resources", DONE}, {"volumeMounts", DONE}, {"imagePullPolicy", DONE},

    {"ports", NO_MATTER}, {"resizePolicy", NO_MATTER}, {"terminationMessagePath", NO_MATTER},
    {"terminationMessagePolicy", NO_MATTER},

    {"livenessProbe", TOLD}, {"readinessProbe", TOLD}, {"startupProbe", TOLD},

    {"envFrom", REFUSED}, {"lifecycle", REFUSED}, {"restartPolicy", REFUSED}, {"securityContext", REFUSED},
    {"stdin", REFUSED}, {"stdinOnce", REFUSED}, {"tty", REFUSED}, {"volumeDevices", REFUSED},
    {NULL, REFUSED},
};

static const struct member mount_members[] = {
    {"name", DONE}, {"mountPath", DONE}, {"readOnly", DONE}, {"subPath", DONE},
    {"mountPropagation", REFUSED}, {"recursiveReadOnly", REFUSED}, {"subPathExpr", REFUSED},
    {NULL, REFUSED},
};
/* clang-format on */

static const struct member *const tables[] = {
    [MEMBERS_OF_SPEC] = spec_members,
    [MEMBERS_OF_CONTAINER] = container_members,
    [MEMBERS_OF_MOUNT] = mount_members,
};
_Static_assert(sizeof(tables) / sizeof(*tables) == MEMBERS_SCOPE_MAX, "a scope without a table");

int invalid_pod(struct error *err, const char *fmt, ...)
{
    char text[300];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)error_set(err, ERR_INVALID, "%s", text);
    return error_reason(err, "InvalidPod");
}

/* null, false, "", 0, [] and {} say what leaving the member out says. */
static bool is_like_absent(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    case JSON_REAL:
    case JSON_TRUE:
        break;
    }
    return false;
}

static enum treatment treatment_of(const struct member *table, const char *name)
{
    while (table->name && strcmp(table->name, name) != 0)
        table++;
    return table->treatment;
}

int members_check(const json_t *object, enum member_scope scope, const char *what,
                  struct json_strings *ignored, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        enum treatment treatment = treatment_of(tables[scope], name);
        if (treatment <= NO_MATTER || is_like_absent(value))
            continue;
        if (treatment == REFUSED)
            return invalid_pod(err, "%s.%.60s: the local backend cannot honour it; leave it out", what, name);
        SCOPED(string) char *path = xasprintf("%s.%s", what, name);
        json_strings_add(ignored, path);
    }
    return 0;
}
