# shellcheck shell=bash
# control-plane.sh - the command lines of etcd, kube-apiserver, kube-controller-manager and kube-scheduler. Source it after
# common.sh. Each function sets the array COMMAND; who starts it, and where, is the caller's business.
#
#   etcd_command DATA CLIENT_PORT
#   kube_apiserver_command PKI ETCD_PORT ADDRESS PORT SERVICE_SUBNET [FLAGS...]
#   kube_controller_manager_command PKI KUBECONFIG [FLAGS...]
#   kube_scheduler_command KUBECONFIG
#   kube_apiserver_is_ready PKI ADDRESS PORT

SERVICE_ACCOUNT_ISSUER=https://kubernetes.default.svc.cluster.local

# Throw-away data: no fsync. The peer port is never used: there is one member.
etcd_command()
{
    COMMAND=(etcd --name single --data-dir "$1" --unsafe-no-fsync --logger zap --log-level warn
        --listen-client-urls "http://127.0.0.1:$2" --advertise-client-urls "http://127.0.0.1:$2"
        --listen-peer-urls http://127.0.0.1:0 --initial-advertise-peer-urls http://127.0.0.1:0
        --initial-cluster single=http://127.0.0.1:0)
}

# On by default from v1.21: finished Jobs go by themselves.
LATER_FEATURES=--feature-gates=TTLAfterFinished=true

kube_apiserver_command()
{
    local pki=$1 etcd_port=$2 address=$3 port=$4 services=$5
    shift 5
    COMMAND=("$KUBERNETES_BIN/kube-apiserver" "--etcd-servers=http://127.0.0.1:$etcd_port"
        "--bind-address=$address" "--secure-port=$port" "--service-cluster-ip-range=$services"
        "--tls-cert-file=$pki/kube-apiserver.crt" "--tls-private-key-file=$pki/kube-apiserver.key"
        "--client-ca-file=$pki/ca.crt" "--kubelet-certificate-authority=$pki/ca.crt"
        "--kubelet-client-certificate=$pki/kube-apiserver-client.crt" "--kubelet-client-key=$pki/kube-apiserver-client.key"
        --kubelet-preferred-address-types=InternalIP
        "--service-account-issuer=$SERVICE_ACCOUNT_ISSUER" "--service-account-key-file=$pki/sa.pub"
        "--service-account-signing-key-file=$pki/sa.key" --authorization-mode=Node,RBAC --allow-privileged=true
        --enable-admission-plugins=NodeRestriction --max-requests-inflight=2000 --max-mutating-requests-inflight=1000
        --profiling=false "$LATER_FEATURES" "$@")
}

kube_controller_manager_command()
{
    local pki=$1 kubeconfig=$2
    shift 2
    COMMAND=("$KUBERNETES_BIN/kube-controller-manager" "--kubeconfig=$kubeconfig" "--root-ca-file=$pki/ca.crt"
        "--service-account-private-key-file=$pki/sa.key" --use-service-account-credentials --leader-elect=false
        --bind-address=127.0.0.1 --kube-api-qps=500 --kube-api-burst=1000 "$LATER_FEATURES" "$@")
}

kube_scheduler_command()
{
    COMMAND=("$KUBERNETES_BIN/kube-scheduler" "--kubeconfig=$1" --leader-elect=false --bind-address=127.0.0.1
        --kube-api-qps=500 --kube-api-burst=1000)
}

kube_apiserver_is_ready()
{
    local pki=$1 address=$2 port=$3
    [ "$(curl -fsS -m 5 --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" \
        "https://$address:$port/readyz")" = ok ]
}

# The certificates that the control plane lives by, and the developer's.
control_plane_pki()
{
    local pki=$1 address=$2 first_service_address=$3
    pki_begin "$pki" &&
        pki_issue "$pki" kube-apiserver /CN=kube-apiserver "$(printf 'IP:%s,' "$address" "$first_service_address" 127.0.0.1
        )DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local" &&
        pki_issue "$pki" kube-apiserver-client /O=system:masters/CN=kube-apiserver-client &&
        pki_issue "$pki" admin /O=system:masters/CN=admin &&
        pki_issue "$pki" kube-controller-manager /CN=system:kube-controller-manager &&
        pki_issue "$pki" kube-scheduler /CN=system:kube-scheduler
}
