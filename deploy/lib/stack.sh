# shellcheck shell=bash
# stack.sh - the whole of Stasis on one machine: a private containerd, a registry and the three services, in one folder.
# Source it; needs root. Built on containerd.sh.
#
#   stack_configure DIR BIN     the folder of everything, and the folder of the binaries; picks free ports
#   stack_start                 containerd, registry, committer-agent, snapshot-svc, lifecycle-svc; each is ready when it returns
#   stack_stop                  all of it, in the opposite order, sandboxes included
#   stack_service_start NAME [FLAGS...]    one of: registry agent snapshot lifecycle
#   stack_service_stop NAME     SIGTERM and wait
#   stack_service_kill NAME     SIGKILL and wait
#   stasis ARGS...              stasisctl against this stack
#
# After stack_configure: STACK_DIR, STACK_REST_PORT, STACK_GRPC_PORT, STACK_REGISTRY, STACK_KEY.
# Override before it: STACK_REST_PORT, STACK_GRPC_PORT, STACK_REGISTRY_PORT, STACK_BRIDGE, STACK_SUBNET.

# shellcheck source=deploy/lib/containerd.sh
. "$(dirname "${BASH_SOURCE[0]}")/containerd.sh"
# shellcheck source=deploy/lib/free_port.sh
. "$(dirname "${BASH_SOURCE[0]}")/free_port.sh"

stack_say() { printf 'stack.sh: %s\n' "$*" >&2; }

stack_configure()
{
    STACK_DIR=$1 STACK_BIN=$2
    STACK_REST_PORT=${STACK_REST_PORT:-$(free_port)}
    STACK_GRPC_PORT=${STACK_GRPC_PORT:-$(free_port)}
    STACK_REGISTRY_PORT=${STACK_REGISTRY_PORT:-$(free_port)}
    STACK_AGENT_PROBE_PORT=$(free_port)
    STACK_SNAPSHOT_PROBE_PORT=$(free_port)
    STACK_REGISTRY=127.0.0.1:$STACK_REGISTRY_PORT
    STACK_KEY=${STACK_KEY:-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}
    mkdir -p "$STACK_DIR/run" "$STACK_DIR/log" "$STACK_DIR/registry" "$STACK_DIR/secrets" "$STACK_DIR/pods" &&
        chmod 711 "$STACK_DIR" && chmod 700 "$STACK_DIR/run" "$STACK_DIR/secrets" || return 1
    containerd_configure "$STACK_DIR/cd" "${STACK_BRIDGE:-stasis0}" "${STACK_SUBNET:-10.87.0.0/24}" &&
        containerd_trust_plain_http "$STACK_DIR/cd" "$STACK_REGISTRY" &&
        stack_write_registry_config
}

stack_write_registry_config()
{
    cat >"$STACK_DIR/registry.yml" <<EOF
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $STACK_DIR/registry}
  delete: {enabled: true}
http: {addr: $STACK_REGISTRY}
${STACK_REGISTRY_EXTRA:-}
EOF
}

stack_pid() { cat "$STACK_DIR/run/$1.pid" 2>/dev/null; }

stack_is_running()
{
    local pid
    pid=$(stack_pid "$1") && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null
}

# Starts a program in its own session and remembers its process id.
stack_spawn()
{
    local name=$1
    shift
    setsid "$@" >>"$STACK_DIR/log/$name.log" 2>&1 </dev/null &
    printf '%s\n' "$!" >"$STACK_DIR/run/$name.pid"
}

stack_answers()
{
    case "$1" in
    registry) curl -fsS -o /dev/null -m 2 "http://$STACK_REGISTRY/v2/" ||
        [ "$(curl -s -o /dev/null -m 2 -w '%{http_code}' "http://$STACK_REGISTRY/v2/")" = 401 ] ;;
    agent) curl -fsS -o /dev/null -m 2 "http://127.0.0.1:$STACK_AGENT_PROBE_PORT/readyz" ;;
    snapshot) curl -fsS -o /dev/null -m 2 "http://127.0.0.1:$STACK_SNAPSHOT_PROBE_PORT/readyz" ;;
    lifecycle) curl -fsS -o /dev/null -m 2 "http://127.0.0.1:$STACK_REST_PORT/health" ;;
    esac 2>/dev/null
}

stack_await()
{
    local name=$1 tenths=300
    until stack_answers "$name"; do
        tenths=$((tenths - 1))
        if [ "$tenths" -le 0 ] || ! stack_is_running "$name"; then
            stack_say "$name did not start; the end of $STACK_DIR/log/$name.log:"
            tail -n 8 "$STACK_DIR/log/$name.log" >&2
            return 1
        fi
        sleep 0.1
    done
}

stack_service_start()
{
    local name=$1
    shift
    case "$name" in
    registry) stack_spawn registry docker-registry serve "$STACK_DIR/registry.yml" ;;
    agent)
        stack_spawn agent "$STACK_BIN/committer-agent" --address "unix:$STACK_DIR/run/agent.sock" \
            --containerd-socket-path "$STACK_DIR/cd/containerd.sock" --state-dir "$STACK_DIR/agent" \
            --node-runtime --pod-log-dir "$STACK_DIR/pods" --log-format human \
            --metrics-bind-address "127.0.0.1:$STACK_AGENT_PROBE_PORT" "$@"
        ;;
    snapshot)
        stack_spawn snapshot "$STACK_BIN/snapshot-svc" --cluster local --state-dir "$STACK_DIR/snapshot" \
            --secrets-dir "$STACK_DIR/secrets" --address "unix:$STACK_DIR/run/snapshot.sock" \
            --agent-address "unix:$STACK_DIR/run/agent.sock" --log-format human \
            --snapshot-registry "$STACK_REGISTRY/snapshots" --snapshot-registry-insecure=true \
            --health-probe-bind-address "127.0.0.1:$STACK_SNAPSHOT_PROBE_PORT" "$@"
        ;;
    lifecycle)
        OPENSANDBOX_SERVER_API_KEY=$STACK_KEY stack_spawn lifecycle "$STACK_BIN/lifecycle-svc" \
            --address "127.0.0.1:$STACK_REST_PORT" --grpc-address "127.0.0.1:$STACK_GRPC_PORT" \
            --orchestrator-address "unix:$STACK_DIR/run/snapshot.sock" --log-format human "$@"
        ;;
    *)
        stack_say "unknown service $name: want registry, agent, snapshot or lifecycle"
        return 2
        ;;
    esac
    stack_await "$name"
}

stack_service_end() # NAME SIGNAL TENTHS
{
    local pid
    pid=$(stack_pid "$1") && [ -n "$pid" ] || return 0
    kill "-$2" "$pid" 2>/dev/null || :
    containerd_await_exit "$pid" "$3" || kill -KILL "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || : # not our child, or dead by our signal
    rm -f "$STACK_DIR/run/$1.pid"
}

stack_service_stop() { stack_service_end "$1" TERM 300; }
stack_service_kill() { stack_service_end "$1" KILL 50; }

stack_start()
{
    containerd_start "$STACK_DIR/cd" &&
        containerd_build_pause "$STACK_DIR/cd" &&
        stack_service_start registry &&
        stack_service_start agent &&
        stack_service_start snapshot &&
        stack_service_start lifecycle
}

stack_stop()
{
    local name
    for name in lifecycle snapshot agent registry; do
        stack_service_stop "$name"
    done
    containerd_stop "$STACK_DIR/cd"
}

stasis()
{
    OPEN_SANDBOX_API_KEY=$STACK_KEY "$STACK_BIN/stasisctl" --address "127.0.0.1:$STACK_GRPC_PORT" "$@"
}
